from __future__ import annotations

import json
from pathlib import Path

import pytest

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.energy.service.protocol import (
    PROTOCOL,
    REQUESTS,
    Greeting,
    Hello,
    Leave,
    Mark,
    OpenRun,
    Register,
    Request,
    Sources,
    read_request,
    request_line,
)

SPEC = RunSpec("run", Path("/run/host.jsonl"), IntensitySeries((0.0, 60.0), (100.0, 50.0), "file"), 1.5, "one")
# What protocol 2 sends, as its first version did: a change here needs another number.
LINES: list[tuple[Request, dict[str, object]]] = [
    (Hello(7), {"do": "hello", "pid": 7}),
    (
        OpenRun.of(SPEC, Path("/folder")),
        {
            "do": "open_run",
            "run": "run",
            "log": "/run/host.jsonl",
            "intensity": SPEC.intensity.to_dict(),
            "pue": 1.5,
            "session": "one",
        },
    ),
    (
        Register("driver", 7, 0.5, {"0": 1.0}, is_trial=False, rest="ray"),
        {
            "do": "register",
            "name": "driver",
            "pid": 7,
            "cpus": 0.5,
            "gpus": {"0": 1.0},
            "is_trial": False,
            "rest": "ray",
        },
    ),
    (Mark("run/driver#1"), {"do": "mark", "account": "run/driver#1"}),
    (Sources(), {"do": "sources"}),
    (Leave(), {"do": "leave"}),
]


@pytest.mark.parametrize(("request_", "values"), LINES, ids=lambda value: str(getattr(value, "do", "")))
def test_a_request_has_the_form_of_its_protocol_and_comes_back(request_: Request, values: dict[str, object]) -> None:
    line = request_line(request_)
    assert line.endswith(b"\n")
    assert json.loads(line) == values
    assert read_request(line) == request_


def test_every_request_is_tried_here() -> None:
    assert PROTOCOL == 2
    assert [request.do for request, _ in LINES] == list(REQUESTS)


def test_a_run_arrives_as_it_was_sent_with_its_log_in_the_folder_of_the_ledger() -> None:
    assert OpenRun.of(SPEC, Path("/folder")).spec() == SPEC
    relative = RunSpec("run", Path("spool/books.jsonl"), SPEC.intensity)
    assert OpenRun.of(relative, Path("/folder")).spec().log == Path("/folder/spool/books.jsonl")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"no JSON", "Expecting value"),
        (b"[1]", "one of hello, open_run, register, mark, sources, leave"),
        (b'{"account": "a"}', "one of hello"),
        (b'{"do": "nonsense"}', "one of hello.*nonsense"),
        (b'{"do": "mark"}', "mark must have account, got none"),
        (b'{"do": "mark", "account": "a", "since": 1}', "mark must have account, got account, since"),
        (b'{"do": "leave", "account": "a"}', "leave must have no fields, got account"),
    ],
)
def test_what_is_no_request_is_refused_with_what_is_one(line: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_request(line)


def test_both_sides_of_a_greeting_bear_with_another_version() -> None:
    assert read_request(b'{"do": "hello", "pid": 7, "added later": 1}') == Hello(7)
    assert Greeting.of({"protocol": 99, "version": "9.9", "pid": 8, "added later": 1}) == Greeting(99, "9.9", 8)
    assert Greeting.of({}).protocol != PROTOCOL
