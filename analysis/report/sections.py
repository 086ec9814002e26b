"""The sections of a report, each HTML of what one part of the evidence says, or a note on why it is missing."""

from __future__ import annotations

import pandas as pd

from analysis.controls.tables import TERM_COLUMNS, shown_pairs
from analysis.effects.sentences import sensitivity_sentences
from analysis.energy.ledgers import shown_table
from analysis.energy.sentences import ledger_sentences
from analysis.report.details import objective_axes, probability_text, verdict_text
from analysis.report.evidence import Evidence, Missing
from analysis.report.figures.curves import draw_curves, families_drawn
from analysis.report.figures.figure import Figure, interval_text
from analysis.report.figures.front import draw_front
from analysis.report.figures.heatmap import draw_heatmaps
from analysis.report.figures.ledgers import draw_ledgers
from analysis.report.figures.legend import family_toggles
from analysis.report.figures.parallel import draw_parallel
from analysis.report.markup import MOST_ROWS, bullets, escape, figure_box, note, numbers, paragraph, section, table
from analysis.report.provenance import Facts
from analysis.report.records import TRIALS_FILE
from analysis.report.sentences import finding_sentence, trained_sentences, verdict_rule
from analysis.report.summary import left_open, supported
from analysis.wording import as_sentence

SECTIONS = {
    "summary": "Summary",
    "front": "The front",
    "controls": "Bits or place",
    "parallel": "Stages",
    "heatmaps": "Heat maps",
    "curves": "Curves",
    "energy": "Energy",
    "sensitivity": "Sensitivity",
    "table": "Table 3",
    "audit": "Audit",
    "provenance": "Provenance",
}
Part = tuple[str, list[Figure]]


def summary_section(evidence: Evidence) -> Part:
    """Return the sentences at the top."""
    groups = (
        ("What was trained", trained_sentences(evidence)),
        ("What the data support", [finding_sentence(finding, evidence) for finding in supported(evidence)]),
        ("What the data leave open", [finding_sentence(finding, evidence) for finding in left_open(evidence)]),
    )
    inner = [f"<h3>{title}</h3>{bullets(sentences)}" for title, sentences in groups if sentences]
    return section("summary", "Summary", *inner, paragraph(evidence.origin, "origin")), []


def front_section(evidence: Evidence, facts: dict[int, Facts], hover: dict[int, str]) -> Part:
    """Return the front, the choice of families, the chosen configuration and the table of all."""
    listed = configurations_table(evidence)
    if evidence.no_front:
        return section("front", "The front", note(f"No front is drawn: {evidence.no_front}."), listed), []
    figure = draw_front(evidence, hover)
    toggles = family_toggles(families_drawn(evidence))
    chosen = (
        '<div class="chosen"><h3 id="chosen-title">One configuration</h3>'
        '<p><label for="choose">Click a point, or choose:</label> <select id="choose"></select></p>'
        '<p class="note" id="chosen-note" hidden></p><dl class="facts" id="chosen-facts" aria-live="polite"></dl>'
        '<div class="canvas" id="figure-chosen" role="img" aria-label="Curves of one configuration"></div>'
        '<p class="origin" id="chosen-caption"></p></div>'
    )
    return section("front", "The front", toggles, figure_box(figure), chosen, listed), [figure]


def configurations_table(evidence: Evidence) -> str:
    """Return the figures and verdicts of the configurations, by rank."""
    axes = objective_axes(evidence)
    rows = [
        {
            "configuration": row["label"],
            "bits": "-".join(map(str, row["bit_widths"])),
            "family": str(row["family"]).replace("_", " "),
            "seeds": row["n_seeds"],
            **{axis.name: interval_text(row, axis) for axis in axes},
            "rank": str(row["rank"]) if pd.notna(row["rank"]) else "-",
            "share of resamples on the front": probability_text(row),
            "verdict": verdict_text(row),
        }
        for row in evidence.front.head(MOST_ROWS).astype({"rank": object}).to_dict("records")
    ]
    caption = "Configurations by rank: means with 95 % intervals over seeds (Student's t), each figure by itself."
    rule = verdict_rule(evidence)
    if evidence.no_front:
        caption, rule = "Configurations by accuracy: means over seeds, no ranks and no verdicts without a front.", ""
    listed = table(pd.DataFrame(rows), caption, left=TRIALS_FILE, n_rows=len(evidence.front))
    return listed + paragraph(f"{rule} {evidence.origin}".strip(), "origin")


def parallel_section(evidence: Evidence, hover: dict[int, str]) -> Part:
    """Return the parallel coordinates."""
    figure = draw_parallel(evidence, hover)
    return section("parallel", "Bits of each stage", figure_box(figure)), [figure]


def heatmap_section(evidence: Evidence) -> Part:
    """Return the heat maps of all triples."""
    figures = draw_heatmaps(evidence)
    if isinstance(figures, Missing):
        return section("heatmaps", "Heat maps of all schedules", note(f"Not drawn: {figures.reason}.")), []
    boxes = [figure_box(figure, f"<h3>{escape(figure.title)}</h3>") for figure in figures]
    return section("heatmaps", "Heat maps of all schedules", *boxes), figures


def curves_section(evidence: Evidence) -> Part:
    """Return the curves of all schedules."""
    figure = draw_curves(evidence)
    if isinstance(figure, Missing):
        return section("curves", "Curves", note(f"Not drawn: {figure.reason}.")), []
    doubts = (note(as_sentence(line)) for line in evidence.lacking_epochs)
    return section("curves", "Curves", figure_box(figure), *doubts), [figure]


def controls_section(evidence: Evidence) -> Part:
    """Return what pairs of equal cost and the regression say."""
    title = "More bits, or bits in the right place?"
    controls = evidence.controls
    if isinstance(controls, Missing):
        return section("controls", title, note(f"No answer: {controls.reason}.")), []
    metric = f"{evidence.images}_accuracy"
    shown = shown_pairs(controls.pairs, metric)
    for column in ("weight bits %", "BitOps %"):
        shown[column] = numbers(shown[column], "+.1f", 100)
    for column in ("difference", "t low", "t high", "boot low", "boot high"):
        shown[column] = numbers(shown[column], "+.2f", 100)
    shown.insert(3, "verdict", shown.pop("verdict"))
    shown = shown.map(lambda value: f"{value:.4g}" if isinstance(value, float) else value)
    caption = (
        f"Pairs of equal cost: {metric.replace('_', ' ')} in points, first less second, paired over shared seeds; "
        "Student's t and percentile bootstrap, 95 % each (with few seeds the bootstrap is too narrow)."
    )
    inner = [
        bullets(controls.sentences, "sentences"),
        table(shown, caption, left="controls.csv, which `python -m analysis controls` writes", row_headings=2),
    ]
    if not controls.regression.empty:
        terms = controls.regression[TERM_COLUMNS].map(
            lambda value: f"{value:.4g}" if isinstance(value, float) else value
        )
        inner.append(
            table(terms, "Regression with an intercept per seed; 95 % intervals over configurations.", row_headings=2)
        )
    return section("controls", title, *inner, paragraph(evidence.origin, "origin")), []


def energy_section(evidence: Evidence) -> Part:
    """Return both ledgers side by side, sentences first."""
    title = "Energy: recorded training, modelled inference"
    figure = draw_ledgers(evidence)
    ledgers = evidence.ledgers
    if isinstance(figure, Missing) or isinstance(ledgers, Missing):
        reason = figure.reason if isinstance(figure, Missing) else ""
        return section("energy", title, note(f"Not drawn: {reason}.")), []
    shown = shown_table(ledgers.loc[evidence.front.index[:MOST_ROWS]])
    caption = (
        "Recorded training energy of a trial (mean ± std over seeds), and modelled inference energy per 1,000 images."
    )
    inner = bullets(map(as_sentence, ledger_sentences(ledgers)), "sentences") + figure_box(figure)
    return section(
        "energy",
        title,
        inner,
        table(shown, caption, left=TRIALS_FILE, n_rows=len(ledgers)),
        paragraph(evidence.origin, "origin"),
    ), [figure]


def sensitivity_section(evidence: Evidence) -> Part:
    """Return what lowering the bits of one stage alone does."""
    title = "Sensitivity of each stage"
    found = evidence.sensitivity
    if isinstance(found, Missing):
        return section("sensitivity", title, note(f"Not measured: {found.reason}.")), []
    shown = found.effects.drop(columns=["from_bits", "to_bits"])
    for column in ("mean", "low", "high"):
        shown[column] = numbers(shown[column], "+.2f", 100)
    caption = "Change of accuracy in points when the bits of one stage are lowered; 95 % interval over seeds."
    inner = bullets(map(as_sentence, sensitivity_sentences(found)), "sentences") + table(shown, caption, row_headings=2)
    return section("sensitivity", title, inner, paragraph(evidence.origin, "origin")), []


def contents() -> str:
    """Return the links to the sections."""
    links = "".join(f'<li><a href="#{key}">{escape(title)}</a></li>' for key, title in SECTIONS.items())
    return f'<nav aria-label="Contents"><ul>{links}</ul></nav>'
