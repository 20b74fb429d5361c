"""The program `wa-gateway`: its commands, imported when they are called, and its exit codes.

0 done, 1 failed, 2 wrong usage, 78 the configuration cannot be used (EX_CONFIG of sysexits), 130 interrupted.
"""

from __future__ import annotations

import difflib
import importlib
import io
import os
import sys
from contextlib import suppress
from typing import NoReturn

import click

COMMANDS = {
    "run": "Receive webhooks, and deliver their events.",
    "migrate": "Bring the store's schema up to date.",
    "check-config": "Check configuration files, and say what they hold.",
    "listen": "Receive deliveries on this machine, and print them.",
    "send": "Send sample webhooks to a gateway, signed as the provider does.",
    "demo": "Show the whole way of an event, in one terminal.",
    "normalize": "Turn webhook bodies into events, offline.",
    "events": "List, show and follow events.",
    "deliveries": "List deliveries by state, destination, time and more.",
    "attempts": "List the attempts to deliver an event.",
    "replay": "Deliver events again.",
    "remap": "Parse stored webhooks again with today's adapters.",
    "destinations": "See how destinations stand, stop and start them, and try them.",
    "stats": "Show the ledger of deliveries, and check it.",
    "prune": "Delete what is older than it has to be kept.",
    "drift": "List what providers sent that their adapters do not know.",
    "schema": "Print the schema of events, or the documents for AsyncAPI and OpenAPI.",
    "version": "Print the version.",
}
"""Every command and its short help. Its module is named like it and offers `command`."""

INTERRUPTED = 130


class Program(click.Group):
    """Knows its commands from the table: `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"gateway.cli.{cmd_name.replace('-', '_')}")
        command = module.command
        assert isinstance(command, click.Command)
        command.name, command.short_help = cmd_name, COMMANDS[cmd_name]
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and (near := difflib.get_close_matches(args[0], COMMANDS, n=1)):
            raise click.UsageError(f"there is no command {args[0]!r}; did you mean {near[0]}?", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def program() -> None:
    """Receive WhatsApp webhooks of many providers, and deliver them as one kind of event."""


def main() -> NoReturn:
    """Run the command that the arguments name, and exit."""
    _hold_standard_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a character shows its code
            stream.reconfigure(errors="backslashreplace")
    sys.exit(exit_code(sys.argv[1:]))


def exit_code(arguments: list[str]) -> int:
    """Run a command. A user's mistake, or a disk that is full, is a message on stderr, never a traceback."""
    try:
        result = program.main(arguments, prog_name="wa-gateway", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        _discard_stdout()
        return 1
    except OSError as error:
        _discard_stdout()
        with suppress(OSError):
            click.echo(f"{error.filename or 'cannot read or write'}: {error.strerror or error}", err=True)
        return 1
    return result if isinstance(result, int) else 0


def _hold_standard_streams() -> None:
    """A standard stream that the caller has closed fails when it is used; errors alone are lost in silence.

    Its descriptor is taken, or the next file that is opened would get it, and what is printed would go there.
    """
    for descriptor, name, mode, access in _STREAMS:
        if getattr(sys, name) is None:
            os.open(os.devnull, access)  # the lowest that is free: this one
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))


_STREAMS = (
    (0, "stdin", "r", os.O_WRONLY),
    (1, "stdout", "w", os.O_RDONLY),
    (2, "stderr", "w", os.O_RDWR),
)


def _discard_stdout() -> None:
    """Nobody reads what is still buffered: keep the interpreter from complaining when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
