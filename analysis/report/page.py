"""The page: what its template shows, in one file that asks the network for nothing."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs

from analysis.report import sections
from analysis.report.blocks import FigureBox, Section
from analysis.report.details import describe, detail_data, hover_texts
from analysis.report.evidence import Evidence, Missing
from analysis.report.figures.lifetime import lifetime_data
from analysis.report.figures.styles import configuration_styles
from analysis.report.formatting import Values
from analysis.report.provenance import Facts, read_manifest
from analysis.report.sentences import status_sentence
from analysis.report.status import find_status
from analysis.runs.load import AnalysisError
from analysis.wording import as_sentence
from lwq_tune.files.atomic import whole_file

PACKAGES = ("lwq-tune", "plotly", "pandas", "numpy", "moocore")
JSON_STYLE = {"allow_nan": False, "ensure_ascii": False, "separators": (",", ":")}


@dataclass(frozen=True)
class Page:
    """What `templates/report.html.j2` shows.

    Attributes:
        title: Names of the runs.
        alerts: What a reader must know before all else.
        sections: From top to bottom.
        data: What the script reads beside the figures.
        style: The style sheet, as it is.
        scripts: The scripts, as they are; no other script runs.
    """

    title: str
    alerts: Sequence[str]
    sections: Sequence[Section]
    data: Values
    style: str
    scripts: Sequence[str]

    @property
    def policy(self) -> str:
        """Policy of the page: no address is allowed, so that nothing is loaded or sent; only its own scripts run."""
        hashes = " ".join(f"'sha256-{_digest(script)}'" for script in self.scripts)
        return (
            f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
            "base-uri 'none'; form-action 'none'"
        )

    @property
    def json_data(self) -> Values:
        """What the script draws from: the figures of all sections, and ``data``."""
        blocks = [block for section in self.sections for block in section.blocks]
        return {"figures": [block.figure.to_json() for block in blocks if isinstance(block, FigureBox)], **self.data}


def build_page(evidence: Evidence) -> str:
    """Return the whole report as HTML.

    Raises:
        AnalysisError: A manifest cannot be read.
    """
    manifests = [read_manifest(folder) for folder in evidence.folders]
    facts = describe(evidence)
    hover = hover_texts(facts)
    parts = [
        sections.summary_section(evidence),
        sections.front_section(evidence, hover),
        sections.controls_section(evidence),
        sections.parallel_section(evidence, hover),
        sections.heatmap_section(evidence),
        sections.curves_section(evidence),
        sections.energy_section(evidence),
        sections.lifetime_section(evidence),
        sections.sensitivity_section(evidence),
        sections.table_section(evidence),
        sections.audit_section(evidence.audits),
        sections.provenance_section(evidence, manifests, _versions()),
    ]
    files = resources.files("analysis.report")
    style, script = (files.joinpath(f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    statuses = map(status_sentence, find_status(evidence.runs.trials, manifests))
    title = " and ".join(evidence.names)
    return render(
        Page(
            title,
            [*map(as_sentence, evidence.in_float), *statuses, *evidence.warnings],
            parts,
            _data(evidence, facts),
            style,
            [get_plotlyjs(), script],
        )
    )


def _data(evidence: Evidence, facts: dict[int, Facts]) -> Values:
    """Return what the script knows of single configurations, and of lifetimes."""
    details = detail_data(evidence, facts)
    styles = configuration_styles([d["label"] for d in details], [d["family"] for d in details])
    for detail in details:
        detail["colour"] = styles[detail["label"]][0]["color"]
    data: Values = {"details": details, "n_seeds": int(evidence.front["n_seeds"].max())}
    lifetime = evidence.lifetime
    return data if isinstance(lifetime, Missing) else {**data, "lifetime": lifetime_data(lifetime)}


def render(page: Page) -> str:
    """Return a page as HTML; all of it but the style sheet and the scripts is escaped."""
    return _environment().get_template("report.html.j2").render(page=page)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = JSON_STYLE
    return environment


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _versions() -> str:
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def write_page(page: str, file: Path) -> None:
    """Write the report, whole or not at all.

    Raises:
        AnalysisError: It cannot be written.
    """
    no_file = AnalysisError(f"the report must be writable, {file} is no file; give --out FILE")
    if not file.name:
        raise no_file
    try:
        if file.exists() and not file.is_file():  # of a device such as /dev/null, a file would take the place
            raise no_file
        if file.is_file() and file.stat().st_size and not file.read_bytes().startswith(b"<!DOCTYPE html"):
            raise AnalysisError(
                f"only an earlier report is replaced, {file} is something else; give another --out FILE"
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file, is_shared=True) as part:
            # A manifest may hold half a character, which no encoding has.
            part.write_text(page, encoding="utf-8", errors="replace", newline="\n")
    except OSError as error:
        raise AnalysisError(f"the report must be writable, {file} is not ({error}); give --out FILE") from error
