"""The house rules that a program can check: import directions, what the wheel holds, sizes of files and functions."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from providers import Adapter, AdapterClash, load_adapters
from providers import discovery as discovery_module

ROOT = Path(__file__).parent.parent
PACKAGES = ("normalized", "providers", "gateway")


def test_imports_go_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_the_wheel_holds_the_three_packages_and_their_data(tmp_path: Path) -> None:
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "tests", "bench")
    shutil.copytree(ROOT, source, ignore=ignored)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, source],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == set(PACKAGES)
    missing = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    } - set(names)
    assert not missing, "everything that is in the packages is installed"


def test_files_stay_short() -> None:
    lengths = {
        path: len(path.read_text().splitlines()) for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    }
    assert {str(path.relative_to(ROOT)): length for path, length in lengths.items() if length > 450} == {}


def test_two_adapters_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Impostor(Adapter):
        name = "cloud_api"
        label = "Impostor"

    monkeypatch.setattr(discovery_module, "_foreign", lambda: [Impostor])
    with pytest.raises(AdapterClash, match="Impostor"):
        load_adapters.__wrapped__()


def test_an_adapter_of_another_package_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    class Foreign(Adapter):
        name = "foreign"
        label = "Foreign"

    class Entry:
        def load(self) -> type[Adapter]:
            return Foreign

    def entry_points(group: str) -> list[Entry]:
        return [Entry()] if group == "wa_gateway.providers" else []

    monkeypatch.setattr(discovery_module, "entry_points", entry_points)
    found = load_adapters.__wrapped__()
    assert found["foreign"] is Foreign
    assert set(found) > {"cloud_api", "on_premises", "whapi"}
