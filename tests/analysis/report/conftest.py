"""Runs of known figures, their reports, and a browser to open them in."""

from __future__ import annotations

import html
import itertools
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from analysis.__main__ import main
from analysis.findings import Finding
from analysis.report.blocks import Section
from analysis.report.evidence import Evidence, gather
from analysis.runs.configurations import done_trials
from analysis.runs.load import load_run
from lwq_tune.quantization.schedules import schedule_name
from tests.support.synthetic_runs import write_run

Kind = TypeVar("Kind")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TRIPLES = list(itertools.product((2, 3, 4), repeat=3))
N_SEEDS = 5
NOISE = (-0.002, -0.001, 0.0, 0.001, 0.002)


def accuracy_of(triple: tuple[int, ...]) -> float:
    """Each stage adds what it has in bits, the last most; no two triples of one sum are equal."""
    first, second, third = triple
    return 0.5 + 0.01 * first + 0.02 * second + 0.05 * third


def grid_points() -> dict[str, tuple[list[float], float]]:
    """Return all 27 triples and full precision: five seeds each, dearer with more bits, full precision the cheapest."""
    points = {schedule_name(t): ([accuracy_of(t) + noise for noise in NOISE], 1e-6 * (10 + sum(t))) for t in TRIPLES}
    return points | {"full_precision": ([0.95 + noise for noise in NOISE], 8e-6)}


def write_manifest(run: Path, **changes: Any) -> Path:
    """Give a run a manifest such as a sweep writes."""
    session = {
        "started_at_utc": "2026-01-01T00:00:00+00:00",
        "ended_at_utc": "2026-01-01T01:00:00+00:00",
        "arguments": ["sweep", "--space", "free_mixed", "--storage", "s3://KEY:hush@bucket/runs"],
        "versions": {"torch": "2.9.0", "ray": None},
        "commit": "0123abc",
        "host": {"hostname": "h", "cpu_model": "Test CPU", "platform": "Linux", "available_cpus": 2},
    }
    manifest = {
        "run": run.name,
        "space": {"name": "free_mixed", "sha256": "f" * 64, "overrides": ["epochs=2"]},
        "dataset": {"dataset": "digits", "digest": None},
        "sessions": [session],
        "carbon_intensity": {"": {"values_g_per_kwh": [500.0], "source": "user"}},
        "energy_sources": {"h": {"cpu_source": "measured:rapl-package"}},
        **changes,
    }
    (run / "manifest.json").write_text(json.dumps(manifest))
    return run


def evidence_of(run: Path, *, mixed: bool = False) -> Evidence:
    """Return what a report shows of a run."""
    runs = load_run(run)
    return gather(runs, done_trials(runs.trials), [run], [], mixed=mixed)


def kinds_of(findings: Iterable[Finding[Any]]) -> list[Any]:
    """Return the kinds of findings."""
    return [finding.kind for finding in findings]


def blocks_of(section: Section, kind: type[Kind]) -> list[Kind]:
    """Return the blocks of one kind of a section."""
    return [block for block in section.blocks if isinstance(block, kind)]


@pytest.fixture(scope="session")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the 27 triples and full precision."""
    return write_manifest(write_run(tmp_path_factory.mktemp("grid") / "grid", grid_points(), n_epochs=3))


@pytest.fixture(scope="session")
def grid_report(grid: Path) -> Path:
    """Its report, by the command itself."""
    assert main(["report", str(grid)]) == 0
    return grid / "analysis" / "report.html"


def text_of(page: str) -> str:
    """Return what a reader sees without scripts, as one line."""
    visible = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", visible)).split())


def section_of(page: str, key: str) -> str:
    """Return the text of one section."""
    (found,) = re.findall(rf'<section id="{key}".*?</section>', page, flags=re.DOTALL)
    return text_of(found)


def data_of(page: str) -> Any:
    """Return what the page's script draws from."""
    (block,) = re.findall(r'<script type="application/json" id="report-data">(.*?)</script>', page, flags=re.DOTALL)
    return json.loads(block)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The machine's own browser; without one the test is skipped, but not in CI."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        reason = f"a report is opened in one of {', '.join(BROWSERS)}, none is on the PATH"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()
