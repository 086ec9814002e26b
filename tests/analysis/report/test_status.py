"""How complete runs are, as findings."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from analysis.report.status import StatusKind, failures, find_status

OPEN: dict[str, Any] = {"sessions": [{"started_at_utc": "2026-01-01", "ended_at_utc": None}]}
ENDED: dict[str, Any] = {"sessions": [{"started_at_utc": "2026-01-01", "ended_at_utc": "2026-01-02"}]}


def trials_of(*statuses: str) -> pd.DataFrame:
    return pd.DataFrame({"status": statuses})


@pytest.mark.parametrize(
    ("statuses", "manifest", "expected"),
    [
        (("done", "done"), ENDED, []),
        (("done", "done"), {}, []),
        (("done", "done"), OPEN, [(StatusKind.NO_END, None)]),
        (("done", "pending", "interrupted"), OPEN, [(StatusKind.UNFINISHED, 2)]),
        (("failed", "done"), OPEN, [(StatusKind.NO_END, None), (StatusKind.FAILED, 1)]),
        (
            ("stopped", "failed", "pending", "stopped"),
            ENDED,
            [(StatusKind.UNFINISHED, 1), (StatusKind.FAILED, 1), (StatusKind.STOPPED, 2)],
        ),
    ],
)
def test_what_is_unfinished_comes_first(
    statuses: tuple[str, ...], manifest: dict[str, Any], expected: list[tuple[StatusKind, int | None]]
) -> None:
    found = find_status(trials_of(*statuses), [manifest])
    assert [(finding.kind, finding.counts.get("trials")) for finding in found] == expected
    assert all(finding.is_open for finding in found)
    assert all(finding.counts["all"] == len(statuses) for finding in found if finding.counts)


def test_a_failure_has_its_first_line_without_credentials() -> None:
    errors = ["boom TOKEN=abc\nmore", None, " ", "x" * 201]
    columns = {"trial_key": list("abcd"), "schedule": "fixed_2", "config_seed": 0}
    listed = failures(trials_of(*["failed"] * 4).assign(error=errors, **columns))["error"].tolist()
    assert listed == ["boom TOKEN=***", "no reason recorded", "no reason recorded", f"{'x' * 200} …"]
