"""The parts of ``docs/architecture.md`` that are taken from the code.

Run: python -m tests.docs.package_table   (writes them anew)
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

from tests.docs.pages import DOCS, REPOSITORY, text_of

PAGE = DOCS / "architecture.md"
WIDTH = 28


def package_tree() -> str:
    """Return a line for each package: its folder, and the first line of its docstring."""
    lines = []
    for root in ("lwq_tune", "analysis"):
        for file in sorted((REPOSITORY / root).rglob("__init__.py")):
            parts = file.parent.relative_to(REPOSITORY).parts
            folder = "  " * (len(parts) - 1) + f"{parts[-1]}/"
            docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            summary = " ".join(docstring.split("\n\n")[0].split())
            lines.append(f"{folder:<{WIDTH}}{summary}".rstrip())
    return "\n".join(lines)


def layers(package: str) -> str:
    """Return the layers of a package by the import law, the highest first."""
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    named = [contract for contract in contracts if contract["name"].startswith(f"{package} is layered")]
    (layered,) = [contract for contract in named if contract["type"] == "layers"]
    return "\n".join(layered["layers"])


def rendered(text: str) -> str:
    """Return the page with these parts as they are in the code."""
    parts = {
        "packages": package_tree(),
        "layers of lwq_tune": layers("lwq_tune"),
        "layers of analysis": layers("analysis"),
    }
    for name, content in parts.items():
        part = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        text, n_found = part.subn(
            lambda found, content=content: f"{found[1]}\n```text\n{content}\n```\n\n{found[2]}", text
        )
        if n_found != 1:
            raise ValueError(f"{PAGE} marks the place of the {name} once, got {n_found}")
    return text


def write(page: Path = PAGE) -> None:
    """Write these parts into the page."""
    page.write_text(rendered(text_of(page)), encoding="utf-8")


if __name__ == "__main__":
    write()
