"""Reference pages from the code: `python -m gateway.reference cli` and `… metrics` print them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click
from prometheus_client.metrics import MetricWrapperBase

from gateway.cli.program import COMMANDS, program
from gateway.counters import Counter, Histogram
from gateway.telemetry import Metrics

PREFIX = "wagw_"
OURS = (Counter, Histogram)

_EXIT_CODES = """## Exit codes

| code | meaning |
| --- | --- |
| 0 | done |
| 1 | failed: the message on standard error says why |
| 2 | wrong usage |
| 78 | the configuration cannot be used |
| 130 | interrupted |
"""

_SUFFIXES = {"counter": "_total", "info": "_info"}
"""What a metric's name ends with where it is scraped."""


def cli_page() -> str:
    """docs/reference/cli.md"""
    return "\n".join(_cli_lines())


def _cli_lines() -> Iterator[str]:
    yield "# Commands\n"
    yield "<!-- Generated: python -m gateway.reference cli > docs/reference/cli.md -->\n"
    yield "`wa-gateway COMMAND --help` says the same. Results go to standard output, all else to stderr.\n"
    context = click.Context(program, info_name="wa-gateway")
    for name in COMMANDS:
        command = program.get_command(context, name)
        assert command is not None, "the table names commands that exist"
        yield from _command(command, f"wa-gateway {name}")
    yield _EXIT_CODES


def _command(command: click.Command, path: str) -> Iterator[str]:
    """A command, and those below it."""
    yield f"## {path}\n"
    if not isinstance(command, click.Group):
        pieces = command.collect_usage_pieces(click.Context(command, info_name=path))
        yield f"```text\n{' '.join([path, *pieces])}\n```\n"
    yield f"{_paragraphs(command.help or '')}\n"
    yield from _options(command)
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _command(below, f"{path} {name}")


def _options(command: click.Command) -> Iterator[str]:
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    if options:
        yield "| option | default | meaning |\n| --- | --- | --- |"
        for option in options:
            default = f"`{option.default}`" if option.show_default else ""
            yield f"| {_spelling(option)} | {default} | {(option.help or '').replace('|', '&#124;')} |"
        yield ""


def _spelling(option: click.Option) -> str:
    choices = "\\|".join(option.type.choices) if isinstance(option.type, click.Choice) else ""
    value = "" if option.is_flag else f" {option.metavar or choices or option.type.name.split()[0].upper()}"
    return ", ".join(f"`{spelling}{value}`" for spelling in option.opts)


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def metrics_page() -> str:
    """docs/reference/metrics.md"""
    return "\n".join(_metrics_lines())


def _metrics_lines() -> Iterator[str]:
    yield "# Metrics\n"
    yield "<!-- Generated: python -m gateway.reference metrics > docs/reference/metrics.md -->\n"
    yield (
        "`GET /metrics` on the admin listener, for Prometheus. No label holds what a message says, who wrote it,\n"
        "or a secret. The usual `process_*` and `python_info` are there too.\n"
    )
    yield "| metric | type | labels | meaning |\n| --- | --- | --- | --- |"
    metrics = Metrics()
    labels = {
        next(iter(metric.describe())).name: getattr(metric, "labels" if isinstance(metric, OURS) else "_labelnames")
        for metric in vars(metrics).values()
        if isinstance(metric, (*OURS, MetricWrapperBase))
    }
    for family in metrics.registry.collect():
        if family.name.startswith(PREFIX):
            names = labels.get(family.name) or sorted(family.samples[0].labels if family.samples else ())
            yield (
                f"| `{family.name}{_SUFFIXES.get(family.type, '')}` | {family.type} "
                f"| {', '.join(f'`{name}`' for name in names)} | {family.documentation} |"
            )
    yield ""


PAGES = {"cli": cli_page, "metrics": metrics_page}

if __name__ == "__main__":
    sys.stdout.write(PAGES[sys.argv[1]]())
