"""Files that are no YAML, more than YAML should hold, or YAML in an unusual form."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from tests.support.mutated_spaces.spaces import (
    SOUND,
    TEXTS,
    UNREADABLE,
    Found,
    Values,
    dotted,
    dumped,
    keys,
    leaves,
    listed,
    raw,
)


def whole_file(_name: str, values: Values, _rng: random.Random) -> Iterator[Found]:
    text = dumped(values)
    n_lines = text.count("\n")
    yield "empty", "", ("got nothing",)
    yield "comments only", "# version: 1\n", ("got nothing",)
    yield "a word", "named_schedules\n", ("got str",)
    yield "a list", f"- {json.dumps(values)}\n", ("got list",)
    yield "two documents", f"{text}---\n{text}", (f"line {n_lines + 1}, column 1: but found another document",)
    yield "not closed", f"{text}extra: [1, 2\n", UNREADABLE
    yield "not quoted", f'{text}extra: "a\n', UNREADABLE
    yield "in UTF-16", text.encode("utf-16"), ("must be a readable text file",)
    yield "in Latin-1", f"{text}# \u00e9\n".encode("latin-1"), ("must be a readable text file",)
    yield "NUL", f"{text}extra: \0\n", (f"got an error in line {n_lines + 1}: ",)
    yield "control character", f"{text}extra: \x1b[31m\n", (f"got an error in line {n_lines + 1}: ",)
    yield "merge key", f"{text}<<: {{seeds: [1]}}\n", (f"got a merge key (<<) in line {n_lines + 1}",)
    yield "key that is a list", f"{text}[a, b]: 1\n", (f"line {n_lines + 1}, column 1: found unhashable key",)


def written_otherwise(_name: str, values: Values, _rng: random.Random) -> Iterator[Found]:
    yield "as JSON", json.dumps(values), SOUND
    yield "byte order mark", "\ufeff" + dumped(values), SOUND
    yield "carriage returns", dumped(values).replace("\n", "\r\n"), SOUND
    yield "comments", f"# δοκιμή 試験 \U0001f600\n{dumped(values)}# κ", SOUND
    yield "anchor", raw(values, ("seeds",), "&seeds [0]"), SOUND
    yield "alias", raw(values, ("fixed", "lr"), "&lr 0.1")().replace("weight_decay: 0.0001", "weight_decay: *lr"), SOUND


def tab_or_blank(name: str, _values: Values, _rng: random.Random) -> Iterator[Found]:
    lines = TEXTS.get(name, "").splitlines(keepends=True)
    for index, line in enumerate(lines):
        if not line.startswith("  ") or line.lstrip().startswith("-"):
            continue
        said = (f"got an error in line {index + 1}, column ", "'\\t' that cannot start any token")
        for label, wrong in (("before", f"\t{line.lstrip()}"), ("after colon", line.replace(": ", ":\t", 1))):
            yield f"tab {label} {index + 1}", "".join([*lines[:index], wrong, *lines[index + 1 :]]), said
        deeper = "".join([*lines[:index], f"   {line}", *lines[index + 1 :]])
        is_first = lines[index - 1].rstrip().endswith(":")
        said = (f"got an error in line {index + 1 + is_first}, column ",)
        yield f"deeper {index + 1}", deeper, said


def aliases(_name: str, values: Values, _rng: random.Random) -> Iterator[Found]:
    """Values that a few hundred bytes stand for: ten to the ninth of them, and ones a thousand levels deep."""
    laughs = "&a0 [x]" + "".join(f", &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10))
    chain = "&c0 [x]" + "".join(f", &c{n} [*c{n - 1}]" for n in range(1, 1000))
    bombs = {
        f"[{laughs}]": (*UNREADABLE, "found more than 100000 values"),
        f"[{chain}]": (*UNREADABLE, "found values nested more than 20 deep"),
        "&self [1, *self]": (*UNREADABLE, "found a value that holds itself"),
        "&self {a: *self}": (*UNREADABLE, "found a value that holds itself"),
        "*nowhere": (*UNREADABLE, "found undefined alias 'nowhere'"),
    }
    for path in keys(values):
        for bomb, said in bombs.items():
            yield f"{dotted(path)} {bomb[:7]}", raw(values, path, bomb), said


def tags(_name: str, values: Values, _rng: random.Random) -> Iterator[Found]:
    """Types that YAML lets a file ask for; none may be built that is not plain, and none may fail unseen."""
    for path, value in leaves(values):
        for text in (
            '!!python/object/apply:os.system ["true"]',
            "!!python/name:os.system",
            "!unknown x",
            "!!timestamp x",
            "2020-99-99",
            "!!bool x",
            '!!int ""',
            '!!float ""',
            "!!int x",
            '!!binary "\u00e9"',
            "!!map [1]",
            "!!seq {}",
        ):
            yield f"{dotted(path)} {text!a}", raw(values, path, text), UNREADABLE
        for text in ("!!binary aGk=", "!!set {a, b}", "!!omap [a: 1]", "2020-02-02"):
            is_word = isinstance(value, str)
            yield f"{dotted(path)} {text}", raw(values, path, text), (listed(path) if not is_word else (str(path[0]),))
