"""Tenants of the main file and of the files that it includes."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gateway.config.document import Block, Composed, File, compose, locate
from gateway.config.errors import Loc, Place, Problems
from gateway.config.model import NAME, NAME_RULE, TenantBlock
from gateway.config.section import fields_of


class Entry(NamedTuple):
    """A named block, and the place of its name."""

    block: Block
    place: Place


class Gathered(NamedTuple):
    root: Block
    tenants: dict[str, Entry]


def gather(
    file: Path, body: bytes | None, environ: Mapping[str, str], problems: Problems, warnings: list[str]
) -> Gathered:
    """The main file's top level, and every tenant by name."""
    composed = _open(file, body, problems)
    root = composed.convert(environ, problems) if composed else Block(File(str(file), file.parent), {})
    tenants = named_blocks(root, "tenants", (), problems)
    for path in _included(root, file, problems, warnings):
        for name, entry in _tenants_of(path, environ, problems).items():
            first = tenants.setdefault(name, entry)
            if first is not entry:
                problems.note(entry.place, ("tenants", name), f"is already given at {first.place}")
    return Gathered(root, tenants)


def _open(path: Path, body: bytes | None, problems: Problems) -> Composed | None:
    if body is None:
        try:
            body = path.read_bytes()
        except OSError as error:
            problems.add(Place(str(path)), (), f"cannot read the file: {error.strerror}")
            return None
    return compose(File(str(path), path.parent), body, problems)


def named_blocks(parent: Block, key: str, loc: Loc, problems: Problems) -> dict[str, Entry]:
    """The blocks below a key, by name; names and shapes are checked."""
    found: dict[str, Entry] = {}
    blocks = parent.get(key)
    if blocks is None:
        return found
    if not isinstance(blocks, Block):
        if not problems.blamed((*loc, key)):
            problems.add(
                parent.place(key),
                (*loc, key),
                "must be a mapping of names: name: and its settings below",
            )
        return found
    for name, block in blocks.items():
        where = (*loc, key, name)
        if not NAME.fullmatch(name):
            problems.note(
                blocks.key_place(name), where,
                NAME_RULE,
            )  # fmt: skip
        if isinstance(block, Block):
            found[name] = Entry(block, blocks.key_place(name))
        elif not problems.blamed(where):
            problems.add(
                blocks.place(name),
                where,
                "must be a mapping: settings below it",
            )
    return found


def _included(root: Block, main: Path, problems: Problems, warnings: list[str]) -> list[Path]:
    """Paths that the patterns name, each once. The model checks the key's type."""
    given = root.get("include")
    patterns = given if isinstance(given, list) else [given]
    found: dict[Path, None] = {}
    for index, pattern in enumerate(patterns):
        loc: Loc = ("include", index) if patterns is given else ("include",)
        if not isinstance(pattern, str) or problems.blamed(loc):
            continue
        paths = sorted(glob.glob(str(main.parent / pattern), recursive=True))
        found |= dict.fromkeys(Path(path) for path in paths if Path(path) != main)
        if paths:
            continue
        place = locate(root, loc)[0] or Place(str(main))
        if glob.has_magic(pattern):
            warnings.append(f"{place}: include: {pattern} matches no file")
        else:
            problems.add(place, loc, f"there is no file {main.parent / pattern}")
    return list(found)


def _tenants_of(path: Path, environ: Mapping[str, str], problems: Problems) -> dict[str, Entry]:
    """An included file: `tenants:` as in the main file, or the body of one tenant, named as the file is."""
    composed = _open(path, None, problems)
    if composed is None:
        return {}
    has_names = "tenants" in composed.top_keys()
    loc: Loc = () if has_names else ("tenants", path.stem)
    root = composed.convert(environ, problems, loc)
    misplaced = root.keys() - ({"tenants"} if has_names else fields_of(TenantBlock).keys())
    for key in misplaced:
        problems.add(root.key_place(key), (key,), _MISPLACED)
    if has_names:
        return named_blocks(root, "tenants", (), problems)
    start = Place(str(path), 1, 1)
    if not NAME.fullmatch(path.stem):
        problems.note(start, loc, f"the file is named as its tenant: {NAME_RULE}")
    return {path.stem: Entry(root.without(misplaced), start)}


_MISPLACED = "does not belong here: an included file holds tenants:, or sources: and destinations: of one tenant"
