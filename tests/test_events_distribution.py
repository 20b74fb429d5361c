"""The distribution wa-gateway-events: the schema alone, for applications."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pydantic
import pytest

from gateway.schemas.examples import examples
from normalized import TYPES
from tests.papers import ROOT, code_blocks

PACKAGE = Path("packages") / "wa-gateway-events"
NEEDED = ("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection")
"""pydantic and what it needs."""

READER = """
import importlib.util, sys
sys.path += sys.argv[1:]
from normalized import parse_event
for line in sys.stdin:
    print(type(parse_event(line).data).__name__)
absent = ("orjson", "aiohttp", "yaml", "click", "structlog", "providers", "gateway")
assert [name for name in absent if importlib.util.find_spec(name)] == []
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built in a copy of the tree, where its links lead as they do here."""
    folder = tmp_path_factory.mktemp("events")
    for name in (PACKAGE, Path("normalized")):
        shutil.copytree(
            ROOT / name,
            folder / name,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"),
        )
    shutil.copy(ROOT / "LICENSE", folder)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            folder,
            folder / PACKAGE,
        ],
        check=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_schema_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    expected = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "normalized").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert "normalized/py.typed" in names
    assert any(name.endswith("/LICENSE") for name in names)


def test_it_reads_events_with_pydantic_alone(wheel: Path, tmp_path: Path) -> None:
    installed, libraries = tmp_path / "installed", tmp_path / "libraries"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", installed, wheel],
        check=True,
    )
    assert (installed / "normalized" / "py.typed").exists()
    libraries.mkdir()
    for path in Path(pydantic.__file__).parent.parent.iterdir():
        if path.stem in NEEDED:
            (libraries / path.name).symlink_to(path)
    events = examples().events.values()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", READER, installed, libraries],
        input="\n".join(json.dumps(event) for event in events), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [TYPES[event["type"]][1].__name__ for event in events]


def test_it_is_of_the_gateways_version_and_needs_what_the_schema_needs() -> None:
    ours, whole = project(PACKAGE), project(Path())
    for key in ("version", "requires-python", "license"):
        assert ours[key] == whole[key]
    assert set(ours["dependencies"]) <= set(whole["dependencies"])


def test_the_example_of_its_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = code_blocks(ROOT / PACKAGE / "README.md", "python")
    event = examples().events["whatsapp.message.received"]
    exec(code.text, {"body": json.dumps(event).encode()})
    data = event["data"]
    assert capsys.readouterr().out == f"{data['sender']['id']} {data['message']['content']['text']}\n"


def project(path: Path) -> dict[str, Any]:
    described: dict[str, Any] = tomllib.loads((ROOT / path / "pyproject.toml").read_text())["project"]
    return described
