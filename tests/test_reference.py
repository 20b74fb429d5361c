"""Generated pages are as the code would write them now."""

from __future__ import annotations

import pytest

from gateway.cli.program import COMMANDS
from gateway.reference import PAGES
from gateway.telemetry import Metrics
from tests.papers import ROOT


@pytest.mark.parametrize("name", PAGES)
def test_page_is_current(name: str) -> None:
    page = ROOT / "docs" / "reference" / f"{name}.md"
    assert page.read_text() == PAGES[name](), f"run: python -m gateway.reference {name} > {page.relative_to(ROOT)}"


def test_every_command_is_there() -> None:
    assert [name for name in COMMANDS if f"## wa-gateway {name}\n" not in PAGES["cli"]()] == []


def test_every_metric_is_there() -> None:
    own = {family.name for family in Metrics().registry.collect() if family.name.startswith("wagw_")}
    page = PAGES["metrics"]()
    assert own
    assert [name for name in own if f"| `{name}" not in page] == []
