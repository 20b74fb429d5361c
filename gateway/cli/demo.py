"""`wa-gateway demo`"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import click
import orjson

from gateway.app import Gateway
from gateway.cli.failures import Failed, config_problems
from gateway.cli.listen import lines
from gateway.config import Config, load_config
from gateway.sending.signing import decode_secret
from gateway.sockets import CannotListen
from gateway.store.base import StoreError, StoreUnavailable
from gateway.telemetry import configure_logging
from gateway.trying.caller import Reply, call, webhook
from gateway.trying.receiver import Received, Receiver
from gateway.trying.rehearsal import Ledger, Post, configuration, new_webhook_secret, posts
from gateway.trying.summary import short_type, summarize
from providers import load_adapters
from providers.wire import Object, as_object

LIMIT_S = 15.0
"""How long the events may take to arrive."""


@click.command()
@click.option("--keep", is_flag=True, help="Keep running until Ctrl-C, and say how to send more.")
def command(keep: bool) -> None:
    """Show the whole way of an event, in one terminal.

    Starts a gateway and an application on free ports of this machine, sends every provider's samples, and
    checks that each event arrives once, signed. Needs no configuration, and leaves nothing behind.
    """
    try:
        with TemporaryDirectory(prefix="wa-gateway-demo-") as folder:
            asyncio.run(_interruptible(Path(folder), keep))
    except asyncio.CancelledError:
        raise click.Abort from None
    except BrokenPipeError:
        raise
    except (StoreError, StoreUnavailable, CannotListen, aiohttp.ClientError, OSError) as error:
        raise Failed(f"the demo cannot run: {error}") from None


async def _interruptible(folder: Path, keep: bool) -> None:
    """SIGTERM cleans up as Ctrl-C does."""
    task = asyncio.create_task(_demo(folder, keep))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await task


async def _demo(folder: Path, keep: bool) -> None:
    async with AsyncExitStack() as stack:
        stage = Stage(folder)
        await stage.build(stack)
        await stage.play()
        stage.judge()
        if keep:
            stage.explain()
            await stage.wait_for_interrupt()


class Stage:
    """A gateway and its downstream in this process, and what happens between them."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "config.yaml"
        self._ledger = Ledger()
        self._answers: list[tuple[Post, Reply]] = []
        self._events: list[Received] = []
        self._arrival = asyncio.Event()
        self._playing = True
        self._started = time.monotonic()

    async def build(self, stack: AsyncExitStack) -> None:
        """Start everything; the stack stops it."""
        secret = new_webhook_secret()
        self._receiver = Receiver([decode_secret(secret)], self._take, self._ledger.complaints.append)
        await self._receiver.start("127.0.0.1", 0)
        stack.push_async_callback(self._receiver.stop)
        self._config = self._configure(secret)
        self._gateway = Gateway(self._config, configure_logging("warning"))
        await self._gateway.start()
        stack.push_async_callback(self._gateway.stop)

    def _configure(self, secret: str) -> Config:
        with config_problems():
            adapters = load_adapters()
            store = self._path.with_name("wa-gateway.db")
            self._path.touch(0o600)
            self._path.write_text(configuration(adapters, store, self._receiver.url, secret))
            return load_config(self._path, {}, adapters)

    async def play(self) -> None:
        """Send everything, and wait for what must come of it."""
        async with aiohttp.ClientSession() as session:
            for post in posts(self._config):
                reply = await call(session, self._gateway.url, webhook(post.source, post.body, ""))
                self._answers.append((post, reply))
                self._ledger.sent(post, reply.status, orjson.loads(reply.body))
        try:
            async with asyncio.timeout(LIMIT_S):
                while self._receiver.distinct < self._ledger.total:
                    self._arrival.clear()
                    await self._arrival.wait()
        except TimeoutError:
            self._ledger.complaints.append(f"not all events arrived within {LIMIT_S:.0f} s")
        self._playing = False

    def _take(self, received: Received) -> None:
        if not self._playing:
            click.echo("\n".join(lines(received)))
            return
        self._events.append(received)
        self._ledger.arrived(received.event)
        self._arrival.set()

    def judge(self) -> None:
        """Print what went in, what came out, and the totals. Ends the command if anything is missing."""
        click.echo(f"What providers sent to {self._gateway.url}\n")
        _print_table(("provider", "sample", "answer"), (_sent(post, reply) for post, reply in self._answers))
        click.echo(f"\nWhat the application received at {self._receiver.url}\n")
        _print_table(("event", "of", "says"), (_arrived(received.event) for received in self._events))
        problems = [*self._ledger.complaints, *self._ledger.differences()]
        if problems:
            raise Failed("\n".join(["", "The demo failed:", *problems]))
        totals = (
            f"{_counted(len(self._answers), 'webhook')} in",
            f"{_counted(self._receiver.distinct, 'event')} out",
            _counted(self._ledger.duplicates, "duplicate"),
            f"{_counted(self._ledger.forgeries, 'forgery')} refused",
            "every signature verified",
            f"took {time.monotonic() - self._started:.1f} s",
        )
        click.echo(f"\n{', '.join(totals)}")

    def explain(self) -> None:
        """How to go on."""
        source = self._answers[0][0].source
        options = f"--config {self._path} --url {self._gateway.url}"
        click.echo(
            "\nStill running; events are printed here as they arrive. In another terminal:\n\n"
            "  wa-gateway send --list\n"
            f"  wa-gateway send {source.tenant}/{source.name} FILE {options}\n"
            f"  curl {self._gateway.admin_url}/metrics\n\n"
            "Ctrl-C ends it, and removes all it has stored."
        )

    async def wait_for_interrupt(self) -> None:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        await stopped.wait()


def _sent(post: Post, reply: Reply) -> tuple[str, str, str]:
    answer = as_object(orjson.loads(reply.body))
    counts = [_counted(answer[f"{word}s"], word) for word in ("event", "duplicate") if answer.get(f"{word}s")]
    told = ", ".join(counts) or answer.get("error", "nothing new")
    return post.source.name, f"{post.sample} {post.remark}".rstrip(), f"{reply.status}  {told}"


def _counted(count: int, word: str) -> str:
    if count == 1:
        return f"1 {word}"
    return f"{count} {word[:-1]}ies" if word.endswith("y") else f"{count} {word}s"


def _arrived(event: Object) -> tuple[str, str, str]:
    kind = str(event.get("type"))
    return short_type(kind), str(event.get("subject", "")), summarize(as_object(event.get("data")))


def _print_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Columns as wide as they need; the last one is free."""
    table = [head, *rows]
    widths = [max(map(len, column)) for column in list(zip(*table, strict=True))[:-1]]
    for *cells, last in table:
        click.echo(f"  {'  '.join(map(str.ljust, cells, widths))}  {last}".rstrip())
