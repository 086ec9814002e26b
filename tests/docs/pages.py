"""The pages of the documentation and the parts of them that tests look at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs"
# The pages that tell how things are; the changelog also tells how they were.
PAGES = sorted(
    [*(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")), *DOCS.rglob("*.md")]
)
_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.DOTALL | re.MULTILINE)

_TITLED = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```', re.DOTALL | re.MULTILINE)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def blocks(text: str, *languages: str) -> list[str]:
    """Return the contents of the fenced blocks of some languages."""
    return [content for _, language, content in _FENCE.findall(text) if language in languages]


def named_files(text: str) -> dict[str, str]:
    """Return the files that a page tells its reader to write: fenced blocks with a title, by name."""
    return dict(_TITLED.findall(text))


def prose(text: str) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", text)


def inline_code(text: str) -> Iterator[str]:
    """Return what stands between single backticks outside fenced blocks, lines joined."""
    return (" ".join(code.split()) for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose(text)))


def headings(text: str) -> list[str]:
    """Return the headings of a page without markup."""
    return [line.lstrip("#").strip().replace("`", "") for line in prose(text).splitlines() if line.startswith("#")]
