"""`wa-gateway send`"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import click
from pydantic import ValidationError

from gateway.cli.failures import Failed, config_problems, open_config, read_input
from gateway.config import Config, Source
from gateway.config.errors import suggestion
from gateway.config.secrets import placeholders
from gateway.trying.caller import Reply, call, webhook
from gateway.trying.samples import default_sample, samples
from gateway.trying.summary import short_type, summarize
from providers import Adapter, Malformed, RawRequest, load_adapters

EXPLANATIONS = {
    401: "The gateway saw no proof of origin: does it run with the same configuration and secrets?",
    403: "The gateway did not accept the proof: does it run with the same configuration and secrets?",
    404: "The gateway has no such source: was it started with this configuration?",
    413: "The body is larger than the gateway accepts from this provider.",
    429: "The source's rate_limit is reached: try again later.",
    503: "The gateway cannot store webhooks right now; its log says why.",
}


def _print_samples(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    with config_problems():
        adapters = load_adapters()
    for name, adapter in adapters.items():
        for sample, file in samples(adapter).items():
            click.echo(f"{name:<14} {sample:<28} {_told(adapter, file.read_bytes())}".rstrip())
    context.exit()


@click.command()
@click.argument("target", metavar="[TENANT/]SOURCE")
@click.argument("file", required=False, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--sample", metavar="NAME", help="A built-in sample instead of a FILE.")
@click.option("--list", is_flag=True, is_eager=True, expose_value=False, callback=_print_samples,
              help="Name the built-in samples of every provider, and end.")  # fmt: skip
@click.option("--url", metavar="URL", help="Where the gateway listens; by default as the configuration says.")
@click.option(
    "--config", "path", default="config.yaml", show_default=True, metavar="FILE",
    type=click.Path(path_type=Path), help="The gateway's configuration, which holds the source's secrets.",
)  # fmt: skip
def command(target: str, file: Path | None, sample: str | None, url: str | None, path: Path) -> None:
    """Send a webhook to a running gateway, signed as the source's provider signs.

    The body is a FILE, standard input for -, or a built-in sample; by default, a sample of a text message.
    Samples are sent as they are: sent again, they are duplicates, and give no new event. The command prints
    the gateway's answer, and ends with 1 where that is no 2xx.
    """
    if file and sample:
        raise click.UsageError("give FILE or --sample, not both")
    config = open_config(path)
    source = _find(config, target)
    body = read_input(file) if file else _sample(source, sample)
    url = (url or _listening(config)).rstrip("/")
    reply = asyncio.run(_send(source, body, url, config.origin))
    click.echo(f"{reply.status} {reply.body.decode('utf-8', 'replace')}")
    if not 200 <= reply.status < 300:
        raise Failed(EXPLANATIONS.get(reply.status, "The gateway did not accept it."))


async def _send(source: Source, body: bytes, url: str, origin: str) -> Reply:
    async with aiohttp.ClientSession() as session:
        try:
            return await call(session, url, webhook(source, body, origin))
        except aiohttp.ClientConnectorError as error:
            reason = error.strerror or error
            raise Failed(
                f"cannot reach {url}: {reason}. Is the gateway running? Start it with: wa-gateway run"
            ) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Failed(f"cannot send to {url}: {error or type(error).__name__}") from None


def _find(config: Config, target: str) -> Source:
    """TENANT/SOURCE, or the source alone where only one tenant has it."""
    known = {
        f"{source.tenant}/{source.name}": source
        for tenant in config.tenants.values()
        for source in tenant.sources.values()
    }
    matching = [key for key in known if target in (key, known[key].name)]
    if len(matching) == 1:
        return known[matching[0]]
    if matching:
        raise click.UsageError(f"several tenants have a source {target!r}: {', '.join(matching)}")
    raise click.UsageError(f"there is no source {target!r} in {config.path}; {suggestion(target, known)}")


def _sample(source: Source, name: str | None) -> bytes:
    there = samples(type(source.adapter))
    chosen = name or default_sample(there)
    if chosen is None:
        raise click.UsageError(f"provider {source.provider} brings no samples: give a FILE")
    if chosen not in there:
        raise click.UsageError(f"{source.provider} has no sample {chosen!r}; {suggestion(chosen, there)}")
    return there[chosen].read_bytes()


def _listening(config: Config) -> str:
    address = config.listen
    if not address.port:
        raise click.UsageError(f"{config.path} leaves the port to the system: give --url")
    everywhere = address.host in ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
    return f"http://{address._replace(host='127.0.0.1') if everywhere else address}"


def _told(adapter: type[Adapter], body: bytes) -> str:
    """What the sample becomes, in a few words."""
    try:
        settings = adapter.Settings.model_validate(placeholders(adapter.Settings))
        request = RawRequest(headers={}, body=body, received_at=datetime.now(UTC))
        items = adapter(settings).parse(request).items
    except (ValidationError, Malformed):
        return ""
    if not items:
        return "no event"
    told = f"{short_type(items[0].type)} {summarize(items[0].data)}".rstrip()
    return f"{told} (+{len(items) - 1})" if len(items) > 1 else told
