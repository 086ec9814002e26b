"""Names and texts use the words of the field: one class per name, and none of the metaphors of earlier versions."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

FILES = {package: sorted((REPOSITORY / package).rglob("*.py")) for package in ("lwq_tune", "analysis", "benchmarks")}
CHECKED = FILES["lwq_tune"] + FILES["benchmarks"]

# Words that stood for something with a name of its own: the energy ledger of a host, its log, a trial queue, ….
METAPHORS = set(
    re.findall(
        r"\w+",
        """
        courier couriers outpost outposts parcel parcels desk desks shelf shelves books booked silence
        silent gate gates supply supplies bench benches survey surveys surveyed site sites home homes befall
        befalls stranger strangers patience
        """,
    )
)
PHRASES = re.compile(r"without a word|left no word|so be it|bring home|brings home")
# Standard terms, and names that are on disk or belong to others: by file and word, with the reason.
EXCEPTIONS = {
    ("lwq_tune/energy/service/host_spool.py", "outpost"): "folder name on hosts, read across versions",
    ("lwq_tune/energy/service/host_spool.py", "books"): "file name on hosts, read across versions",
    ("lwq_tune/sweep/cluster/ray_session.py", "home"): "`Path.home`",
    ("lwq_tune/sweep/loggers/choice.py", "silent"): "a variable of W&B",
}


def relative(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def texts_of(tree: ast.AST) -> Iterator[str]:
    """Yield every identifier, docstring and other string of a module."""
    for node in ast.walk(tree):
        for name in ("id", "attr", "arg", "name", "asname", "module"):
            value = getattr(node, name, None)
            if isinstance(value, str):
                yield value
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def words_of(text: str) -> set[str]:
    """Return the words of a text, those in ``snake_case`` and ``CamelCase`` apart."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", text)}


def metaphors_of(source: str) -> set[str]:
    """Return the metaphors in the names, docstrings, strings and comments of a source text."""
    texts = [*texts_of(ast.parse(source)), *re.findall(r"#.*", source)]
    phrases = {found for text in texts for found in PHRASES.findall(text)}
    return phrases | {word for text in texts for word in words_of(text) & METAPHORS}


def class_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            yield node.name


def places_by_class(files: list[Path]) -> dict[str, list[str]]:
    places = defaultdict(list)
    for path in files:
        for name in class_names(path):
            places[name].append(relative(path))
    return dict(places)


def test_no_two_classes_of_the_package_have_one_name() -> None:
    places = places_by_class(FILES["lwq_tune"])
    assert len(places) > 150
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_class_of_the_analysis_has_the_name_of_one_of_the_package() -> None:
    analysis = places_by_class(FILES["analysis"])
    assert len(analysis) > 20
    assert analysis.keys() & places_by_class(FILES["lwq_tune"]).keys() == set()


def test_no_class_is_called_work() -> None:
    assert not [path for path in CHECKED if "Work" in class_names(path)]


@pytest.mark.parametrize("package", ["lwq_tune", "benchmarks"])
def test_files_and_folders_have_no_metaphor_as_name(package: str) -> None:
    names = {part for path in FILES[package] for part in path.relative_to(REPOSITORY).with_suffix("").parts}
    assert len(names) > 5
    assert {name for name in names if words_of(name) & METAPHORS} == set()


@pytest.mark.parametrize("path", CHECKED, ids=relative)
def test_names_and_texts_have_no_metaphor(path: Path) -> None:
    allowed = {word for (file, word) in EXCEPTIONS if file == relative(path)}
    assert metaphors_of(path.read_text(encoding="utf-8")) == allowed


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("class LedgerCourier: ...", "courier"),
        ("def open_books(): ...", "books"),
        ("shelf_of_run = 1", "shelf"),
        ("def run(*, desk): ...", "desk"),
        ("import a.b as outposts", "outposts"),
        ("text = f'{1} is at home'", "home"),
        ("x = 1  # it left no word", "left no word"),
        ("def run():\n    '''Wait for the books.'''", "books"),
    ],
)
def test_a_metaphor_is_seen_wherever_it_stands(source: str, found: str) -> None:
    assert metaphors_of(source) == {found}


def test_longer_words_that_hold_one_are_no_metaphors() -> None:
    assert (
        metaphors_of("import benchmarks\ngateway = 'opposite, homepage, supplied'  # notebooks, bookkeeping") == set()
    )


def test_names_are_taken_apart_at_underscores_and_capitals() -> None:
    assert words_of("HostLedger.open_run, a SQLName") == {"a", "host", "ledger", "name", "open", "run", "sql"}
