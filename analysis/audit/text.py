"""The figures of audits as text, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.audit.findings import Figures
from analysis.runs.load import AnalysisError

MAX_SHOWN = 5  # failures of one check in the text; JSON has all


def count_failed(audits: Sequence[Figures]) -> tuple[int, int]:
    """Return the number of checks that failed, and of all."""
    checks = [check for audit in audits for check in audit["checks"]]
    return sum(bool(check["failures"]) for check in checks), len(checks)


def verdict(audits: Sequence[Figures]) -> str:
    """Return the last line of the report."""
    return f"audit: {verdict_sentence(audits)}"


def verdict_sentence(audits: Sequence[Figures]) -> str:
    """Return whether everything adds up."""
    n_failed, n_checks = count_failed(audits)
    return f"{n_failed} of {n_checks} checks failed" if n_failed else "everything adds up"


def report(audit: Figures) -> str:
    """Return the report on one run."""
    lines = [
        f"{audit['folder']}: {_count(audit['n_trials'], 'trial')} ({audit['n_done']} done), "
        f"{_count(audit['n_epoch_rows'], 'epoch row')}, {_count(audit['n_intervals'], 'interval')}"
        + (f", {_count(audit['n_inferences'], 'measurement')} of inference" if audit["n_inferences"] else ""),
        "",
        "energy of nodes and of their parts",
        _balance_table(audit["balances"]),
        "",
        "checks, and how often each was made",
        *(line for check in audit["checks"] for line in _check_lines(check)),
        "",
        f"after the last row of a start: {audit['after_last_row_kwh']['done']:.4g} kWh of trials that are done, "
        f"{audit['after_last_row_kwh']['others']:.4g} kWh of others",
        f"lost in a crash or trained again: {audit['lost_or_replaced_kwh']:.4g} kWh by the intervals, "
        f"{_known(audit['discarded_kwh'])} kWh recorded as discarded",
        *_origin_lines(audit),
        *(
            f"not measured: {entry['column']} in {entry['n_null']} of {entry['n_rows']} rows of {entry['table']}"
            for entry in audit["not_measured"]
        ),
    ]
    return "\n".join(lines) + "\n"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _known(figure: float | None) -> str:
    return "?" if figure is None else f"{figure:.4g}"


def _balance_table(balances: Sequence[Figures]) -> str:
    rows = [
        {
            "host": entry["host"],
            "domain": entry["domain"],
            "intervals": entry["n_intervals"],
            "node kWh": f"{entry['node_kwh']:.6g}",
            "parts kWh": f"{entry['parts_kwh']:.6g}",
            "residual kWh": f"{entry['residual_kwh']:.2g}",
            "relative": "-" if entry["relative_residual"] is None else f"{entry['relative_residual']:.2g}",
            "worst interval": "-"
            if entry["worst_interval"] is None
            else f"{entry['worst_interval']} ({entry['worst_residual_kwh']:.2g} kWh)",
        }
        for entry in balances
    ]
    return pd.DataFrame(rows).to_string(index=False) if rows else "no intervals"


def _check_lines(check: Figures) -> list[str]:
    failures = check["failures"]
    state = "FAIL" if failures else ("ok" if check["n_compared"] else "-")
    lines = [f"{state:<4} {check['n_compared']:>7}  {check['name']}"]
    for failure in failures[:MAX_SHOWN]:
        expected, got = failure["expected"], failure["got"]
        lines.append(
            f"     {failure['where']}: expected {expected:.12g}, got {got:.12g} {check['unit']}".rstrip()
            + f" (off by {got - expected:.2g})"
        )
    if len(failures) > MAX_SHOWN:
        lines.append(f"     and {len(failures) - MAX_SHOWN} more")
    return lines


def _origin_lines(audit: Figures) -> list[str]:
    lines = [
        f"{entry['column']} {entry['label']}: {_count(entry['n_trials'], 'trial')} on {', '.join(entry['hosts'])}"
        for entry in audit["doubtful_sources"]
    ] or ["no source is estimated or unknown"]
    methods = ", ".join(f"{method} ({_count(count, 'trial')})" for method, count in audit["share_methods"].items())
    coverage = audit["coverage"]
    flags = ", ".join(f"{flag} ({_count(count, 'interval')})" for flag, count in audit["flags"].items())
    return [
        *lines,
        f"share of the host by: {methods or 'nothing recorded'}",
        f"coverage of the epochs: min {coverage['min']:.4f}, mean {coverage['mean']:.4f}"
        if coverage
        else "coverage of the epochs: not measured",
        f"unmeasured: {_known(audit['unmeasured_s'])} s of {audit['time_s']:.4g} s",
        f"flags: {flags or 'none'}",
    ]


def write_json(audits: Sequence[Figures], file: Path) -> None:
    """Write the figures of all runs; what is not finite becomes text.

    Raises:
        AnalysisError: The file cannot be written.
    """
    n_failed, n_checks = count_failed(audits)
    content = {"n_checks": n_checks, "n_failed": n_failed, "runs": audits}
    try:
        file.write_text(json.dumps(_finite(content), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise AnalysisError(f"the file of --json must be writable, {file} is not ({error}); give another") from error


def _finite(value: Any) -> Any:
    """Return a value whose figures JSON can hold.

    >>> _finite({"a": [1.0, float("inf")]})
    {'a': [1.0, 'inf']}
    """
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
