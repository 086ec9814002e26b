"""Relative links and anchors of the pages resolve, on GitHub as on the site."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.docs.pages import DOCS, PAGES, headings, name_of, prose, text_of

LINKS = [
    (name_of(page), target)
    for page in [*PAGES, REPOSITORY / "CHANGELOG.md"]
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", prose(text_of(page))))
    if not target.startswith(("http://", "https://", "mailto:"))
]


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading.

    >>> anchor("What a trial, once started, costs"), anchor("Controls: more bits?")
    ('what-a-trial-once-started-costs', 'controls-more-bits')
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_there_are_links() -> None:
    assert len(LINKS) > 50


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_a_link_resolves(page: str, target: str) -> None:
    path, _, fragment = target.partition("#")
    source = REPOSITORY / page
    file = (source.parent / path).resolve() if path else source
    assert file.exists(), f"{page}: {target}"
    if source.is_relative_to(DOCS):
        assert file.is_relative_to(DOCS), f"{page}: the site has no {target}"
    if fragment:
        assert fragment in map(anchor, headings(text_of(file))), f"{page}: {target}"


def test_every_page_is_in_the_navigation_and_can_be_reached_from_the_readme() -> None:
    navigation = text_of(REPOSITORY / "mkdocs.yml")
    reached: set[Path] = set()
    waiting = [REPOSITORY / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        targets = (target.partition("#")[0] for source, target in LINKS if source == name_of(page))
        linked = ((page.parent / target).resolve() for target in targets if target.endswith(".md"))
        waiting += [file for file in linked if file not in reached]
    for page in DOCS.rglob("*.md"):
        assert f": {page.relative_to(DOCS)}\n" in navigation, page
        assert page in reached or page.name == "index.md" or page.parent.name == "reference", page


def test_the_readme_has_at_most_150_lines() -> None:
    assert len(text_of(REPOSITORY / "README.md").splitlines()) <= 150
