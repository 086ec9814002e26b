"""The sections that are tables: Table 3, the audit, provenance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.audit.text import report, verdict_sentence
from analysis.paper.table3 import (
    BESIDE,
    OVER_EPOCHS,
    OVER_SEEDS,
    compare_with_paper,
    format_comparison,
    paper_notes,
    table_over_epochs,
    table_over_seeds,
)
from analysis.report.audits import Audit
from analysis.report.evidence import Evidence, Missing, attempt
from analysis.report.markup import bullets, escape, facts, fold, note, paragraph, section, table
from analysis.report.provenance import Manifest, manifest_facts
from analysis.report.status import MOST_FAILURES, failures
from analysis.runs.configurations import check_comparable
from analysis.wording import as_sentence

TABLE_TITLE = "Table 3 of the paper"
TRIALS_FILE = "trials.parquet of the run folder"


def table_section(evidence: Evidence) -> str:
    """Return Table 3 in both conventions, and the paper's figures beside where there are such."""
    trials, epochs = evidence.shown_trials, evidence.epochs
    refused = None if evidence.mixed else attempt(lambda: check_comparable(trials))
    if isinstance(refused, Missing):
        return section("table", TABLE_TITLE, note(f"Not shown: {refused.reason}."))
    inner = []
    if isinstance(epochs, Missing) or epochs.empty:
        reason = epochs.reason if isinstance(epochs, Missing) else "the runs have no tables of epochs"
        inner.append(note(f"Over the epochs: not shown, {reason}."))
    else:
        inner.append(table(table_over_epochs(trials, epochs), f"{OVER_EPOCHS}.", row_headings=3))
        inner.extend(note(as_sentence(line)) for line in evidence.lacking_epochs)
    inner.append(table(table_over_seeds(trials), f"{OVER_SEEDS}.", row_headings=3, n_rows=len(evidence.front)))
    if not isinstance(epochs, Missing):
        comparison = compare_with_paper(trials, epochs)
        if not comparison.empty:
            inner.append(table(format_comparison(comparison), f"{BESIDE}.", row_headings=2))
        inner.append(bullets(map(as_sentence, paper_notes(trials, comparison))))
    return section("table", TABLE_TITLE, *inner, paragraph(evidence.shown_origin, "origin"))


def audit_section(audits: Sequence[Audit]) -> str:
    """Return what re-adding the energies of each run found."""
    inner = []
    for audit in audits:
        inner.append(f"<h3>{escape(audit.run)}</h3>")
        if audit.figures is None:
            inner.append(note(as_sentence(audit.reason)))
            continue
        figures = {**audit.figures, "folder": audit.run}
        inner.append(paragraph(as_sentence(verdict_sentence([figures])), "verdict"))
        inner.append(table(_checks(figures), "Checks, and how often each was made."))
        inner.append(fold("The whole audit", f"<pre>{escape(report(figures))}</pre>"))
    return section("audit", "Audit of the energies", *inner)


def _checks(audit: dict[str, Any]) -> pd.DataFrame:
    """Return a row per check, those that failed first."""
    rows = [
        {
            "check": check["name"],
            "places": f"{check['n_compared']:,}",
            "result": f"{len(check['failures'])} do not add up"
            if check["failures"]
            else "adds up"
            if check["n_compared"]
            else "nothing to compare",
        }
        for check in audit["checks"]
    ]
    failed = [bool(check["failures"]) for check in audit["checks"]]
    order = sorted(range(len(rows)), key=lambda place: not failed[place])
    return pd.DataFrame([rows[place] for place in order], columns=["check", "places", "result"])


def provenance_section(evidence: Evidence, manifests: Sequence[Manifest], versions: str) -> str:
    """Return where the numbers come from, run by run, the failed trials, and what made the report."""
    inner = [paragraph(f"All numbers: {evidence.origin}")]
    for name, manifest in zip(evidence.names, manifests, strict=True):
        inner.append(f"<h3>{escape(name)}</h3>")
        pairs = manifest_facts(manifest)
        inner.append(facts(pairs) if pairs else note("This run has no manifest: how it was made is not known."))
    failed = failures(evidence.runs.trials)
    if len(failed):
        title = f"Trials that failed, and why ({len(failed)} of {len(evidence.runs.trials)})."
        inner.append(table(failed.head(MOST_FAILURES), title, left=TRIALS_FILE, n_rows=len(failed)))
    inner.append(paragraph(f"This report: {versions}.", "origin"))
    return section("provenance", "Provenance", *inner)
