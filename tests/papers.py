"""The project's papers: their files, and the code blocks in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAPERS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


class Code(NamedTuple):
    paper: Path
    language: str
    text: str


def code_blocks(paper: Path, language: str) -> list[Code]:
    """Fenced blocks in that language, without the indentation of their fence."""
    return [
        Code(paper, found, re.sub(f"^{indent}", "", text, flags=re.MULTILINE))
        for indent, found, text in _FENCE.findall(paper.read_text())
        if found == language
    ]


def prose(paper: Path) -> str:
    """The paper without its code blocks."""
    return _FENCE.sub("", paper.read_text())
