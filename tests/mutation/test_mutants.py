"""What is mutated and what is left alone, on a few lines of source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutation.__main__ import EQUIVALENT, PACKAGES, REPOSITORY, mutants_in, sample
from tests.mutation.mutants import mutants_of, read_list


def changes_of(source: str) -> list[str]:
    return [mutant.change for mutant in mutants_of("module.py", source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a + b", ["a + b -> (a - b)"]),
        ("x = a < 2", ["a < 2 -> (a <= 2)", "a < 2 -> (a >= 2)", "2 -> 3", "2 -> 1"]),
        ("x = a and not b", ["a and not b -> (a or not b)", "not b -> b"]),
        (
            "x = a['key'] or {'name': 'text'}",
            [
                "a['key'] or {'name': 'text'} -> (a['key'] and {'name': 'text'})",
                "'key' -> 'key_mutated'",
                "'name' -> 'name_mutated'",
            ],
        ),
        (
            "def f(a=1, b='x', c=None, d=True):\n    return a",
            ["1 -> 2", "1 -> 0", "'x' -> 'x_mutated'", "None -> 1", "True -> False", "a -> None"],
        ),
        ("x = 1 if found else y", ["found -> (not found)", "1 -> 2", "1 -> 0"]),
        ("x = f'{a + b} m'", ["f'{a + b} m' -> f'{a - b} m'"]),
        ("x += y", ["x += y -> x -= y"]),
    ],
)
def test_operators_comparisons_constants_keys_defaults_and_returned_values_are_mutated(
    source: str, expected: list[str]
) -> None:
    assert sorted(changes_of(source)) == sorted(expected)


@pytest.mark.parametrize(
    "source",
    [
        '"""One of 3 < 4."""',
        "def f(a: int | None) -> tuple[int, 3]:\n    'Return 1 + 1.'",
        "raise ValueError(f'at least {n + 1}, got {2 * n}')",
        "@dataclass(frozen=True)\nclass C:\n    a: Literal['x']",
        "zip(a, b, strict=True)",
        "Bound = float | Tensor",
        "x = 'text'",
    ],
)
def test_docstrings_annotations_messages_and_other_strings_are_left_alone(source: str) -> None:
    assert changes_of(source) == []


def test_a_mutant_changes_its_own_line_and_keeps_characters_beyond_ascii() -> None:
    source = 'def f(eta):\n    """η, see η²."""\n    return g("η²", eta * 2)  # η\n'
    (mutant,) = (mutant for mutant in mutants_of("a/b.py", source) if mutant.change == "eta * 2 -> (eta / 2)")
    assert mutant.source == source.replace("eta * 2", "(eta / 2)")
    assert mutant.text == 'a/b.py:f\nreturn g("η²", eta * 2)  # η\neta * 2 -> (eta / 2)'


def test_the_same_change_twice_in_a_line_has_two_names() -> None:
    assert changes_of("x = f(a + b, a + b)") == ["a + b -> (a - b)", "a + b -> (a - b) (place 2)"]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_mutant_of_the_packages_parses_and_differs_and_the_seed_gives_the_sample(package: str) -> None:
    found = mutants_in(package)
    assert len(found) > 10
    chosen = sample(found, package, seed=1, n_wanted=8)
    assert chosen == sample(found, package, seed=1, n_wanted=8) != sample(found, package, seed=2, n_wanted=8)
    for mutant in chosen:
        original = (REPOSITORY / mutant.file).read_text(encoding="utf-8")
        assert ast.dump(ast.parse(mutant.source)) != ast.dump(ast.parse(original))


def test_the_packages_have_tests_and_each_reviewed_mutant_a_reason() -> None:
    assert all((REPOSITORY / place).exists() for tests in PACKAGES.values() for place in tests)
    reviewed = read_list(EQUIVALENT)
    assert reviewed
    assert all(reviewed.values())


def test_a_list_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    first, second = mutants_of("a.py", "x = a + b + c")
    path = tmp_path / "list.txt"
    path.write_text(f"# Reviewed.\n\n{first.text}\nadds nothing\n\n{second.text}\n", encoding="utf-8")
    assert read_list(path) == {first.text: "adds nothing", second.text: ""}
