"""The page: head, policy, sections, data and scripts in one file that asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
from importlib import metadata, resources
from pathlib import Path

from plotly.offline import get_plotlyjs

from analysis.report import records, sections
from analysis.report.details import describe, detail_data, hover_texts
from analysis.report.evidence import Evidence
from analysis.report.figures.figure import Figure
from analysis.report.figures.styles import configuration_styles
from analysis.report.markup import bullets, data_block, escape
from analysis.report.provenance import read_manifest
from analysis.report.status import alerts
from analysis.runs.load import AnalysisError
from lwq_tune.files.atomic import whole_file

KIND = "Layer-wise quantization: accuracy against energy and emissions"
NO_SCRIPT = (
    "<noscript><p class='note'>The figures are drawn by a script in this file, which is switched off here. All key "
    "numbers are in the tables below.</p></noscript>"
)
PACKAGES = ("lwq-tune", "plotly", "pandas", "numpy", "moocore")


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
        sections.front_section(evidence, facts, hover),
        sections.controls_section(evidence),
        sections.parallel_section(evidence, hover),
        sections.heatmap_section(evidence),
        sections.curves_section(evidence),
        sections.energy_section(evidence),
        sections.sensitivity_section(evidence),
        (records.table_section(evidence), []),
        (records.audit_section(evidence.audits), []),
        (records.provenance_section(evidence, manifests, _versions()), []),
    ]
    title = " and ".join(evidence.names)
    head = f"<header><p class='kind'>{KIND}</p><h1>{escape(title)}</h1></header>"
    warned = [*alerts(evidence.runs.trials, manifests), *evidence.warnings]
    banner = f'<aside class="alert" aria-label="Warnings">{bullets(warned)}</aside>' if warned else ""
    body = "".join([head, banner, NO_SCRIPT, sections.contents(), *(inner for inner, _ in parts)])
    figures = [figure for _, drawn in parts for figure in drawn]
    return _document(title, body, _data(evidence, figures, facts))


def _data(evidence: Evidence, figures: list[Figure], facts: dict[int, list[tuple[str, str]]]) -> str:
    """Return what the script draws from."""
    details = detail_data(evidence, facts)
    styles = configuration_styles([d["label"] for d in details], [d["family"] for d in details])
    for detail in details:
        detail["colour"] = styles[detail["label"]][0]["color"]
    value = {
        "figures": [figure.to_json() for figure in figures],
        "details": details,
        "n_seeds": int(evidence.front["n_seeds"].max()),
    }
    return data_block("report-data", value)


def _document(title: str, body_html: str, data_html: str) -> str:
    files = resources.files("analysis.report")
    style = files.joinpath("report.css").read_text(encoding="utf-8")
    scripts = [get_plotlyjs(), files.joinpath("report.js").read_text(encoding="utf-8")]
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    # No address is allowed, so that nothing is loaded or sent; only these two scripts may run.
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
        "form-action 'none'"
    )
    code = "".join(f"<script>{script}</script>" for script in scripts)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} - lwq_tune report</title><style>{style}</style></head>"
        f"<body><main>{body_html}</main>{data_html}{code}</body></html>\n"
    )


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
