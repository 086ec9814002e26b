"""The sections of a report: the blocks that show one part of the evidence, or a note on why it is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from analysis.audit.text import report, verdict_sentence
from analysis.controls.tables import TERM_COLUMNS, shown_pairs
from analysis.effects.sensitivity import shown_effects
from analysis.effects.sentences import sensitivity_sentences
from analysis.energy.ledgers import shown_table
from analysis.energy.sentences import ledger_sentences
from analysis.figures.style import FAMILY_STYLE
from analysis.lifetime.sentences import energy_words, lifetime_sentences, use_sentence
from analysis.lifetime.tables import deployments_table, fronts_table, variants_table
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
from analysis.report.blocks import (
    MOST_ROWS,
    Block,
    ConfigurationChooser,
    FactList,
    FamilyBoxes,
    FamilyMark,
    FigureBox,
    FoldedText,
    Heading,
    ImagesSlider,
    Note,
    Paragraph,
    Section,
    Table,
    make_bullets,
    make_table,
)
from analysis.report.details import objective_axes, probability_text, verdict_text
from analysis.report.evidence import Audit, Evidence, Missing, attempt
from analysis.report.figures.curves import draw_curves
from analysis.report.figures.front import draw_front
from analysis.report.figures.heatmap import draw_heatmaps
from analysis.report.figures.ledgers import draw_ledgers
from analysis.report.figures.lifetime import draw_lifetime, slider_numbers, slider_start
from analysis.report.figures.parallel import draw_parallel
from analysis.report.figures.styles import OUTLINES, family_colour, family_symbol
from analysis.report.formatting import interval_text, numbers
from analysis.report.provenance import Manifest, manifest_facts
from analysis.report.sentences import finding_sentence, trained_sentences, verdict_rule
from analysis.report.status import MOST_FAILURES, failures
from analysis.report.summary import left_open, supported
from analysis.runs.configurations import check_comparable
from analysis.wording import as_sentence

TRIALS_FILE = "trials.parquet of the run folder"


def summary_section(evidence: Evidence) -> Section:
    """Return the sentences at the top."""
    groups = (
        ("What was trained", trained_sentences(evidence)),
        ("What the data support", [finding_sentence(finding, evidence) for finding in supported(evidence)]),
        ("What the data leave open", [finding_sentence(finding, evidence) for finding in left_open(evidence)]),
    )
    blocks: list[Block] = []
    for title, sentences in groups:
        blocks += [Heading(title), make_bullets(sentences)] if sentences else []
    return Section("summary", "Summary", "Summary", (*blocks, _origin(evidence.origin)))


def front_section(evidence: Evidence, hover: dict[int, str]) -> Section:
    """Return the front, the choice of families, the chosen configuration and the table of all."""
    title = "The front"
    listed, rule = _configurations_table(evidence), _origin(f"{_rule(evidence)} {evidence.origin}".strip())
    if evidence.no_front:
        return Section("front", title, title, (Note(f"No front is drawn: {evidence.no_front}."), listed, rule))
    figure = FigureBox(draw_front(evidence, hover))
    return Section("front", title, title, (_family_boxes(evidence), figure, ConfigurationChooser(), listed, rule))


def _family_boxes(evidence: Evidence) -> FamilyBoxes:
    """Return the families of the runs, in the order of the legend."""
    present = [family for family in FAMILY_STYLE if family in set(evidence.front["family"])]
    return FamilyBoxes(
        tuple(FamilyMark(family, family_colour(family), OUTLINES[family_symbol(family)]) for family in present)
    )


def _configurations_table(evidence: Evidence) -> Table:
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
    if evidence.no_front:
        caption = "Configurations by accuracy: means over seeds, no ranks and no verdicts without a front."
    return make_table(pd.DataFrame(rows), caption, left=TRIALS_FILE, n_rows=len(evidence.front))


def _rule(evidence: Evidence) -> str:
    return "" if evidence.no_front else verdict_rule(evidence)


def controls_section(evidence: Evidence) -> Section:
    """Return what pairs of equal cost and the regression say."""
    title, link = "More bits, or bits in the right place?", "Bits or place"
    controls = evidence.controls
    if isinstance(controls, Missing):
        return Section("controls", title, link, (Note(f"No answer: {controls.reason}."),))
    metric = f"{evidence.images}_accuracy"
    shown = shown_pairs(controls.pairs, metric)
    for column in ("weight bits %", "BitOps %"):
        shown[column] = numbers(shown[column], "+.1f", 100)
    for column in ("difference", "t low", "t high", "boot low", "boot high"):
        shown[column] = numbers(shown[column], "+.2f", 100)
    shown.insert(3, "verdict", shown.pop("verdict"))
    caption = (
        f"Pairs of equal cost: {metric.replace('_', ' ')} in points, first less second, paired over shared seeds; "
        "Student's t and percentile bootstrap, 95 % each (with few seeds the bootstrap is too narrow)."
    )
    left = "controls.csv, which `python -m analysis controls` writes"
    blocks: list[Block] = [
        make_bullets(controls.sentences, "sentences"),
        make_table(shown.map(_four_digits), caption, left=left, n_headings=2),
    ]
    if not controls.regression.empty:
        caption = "Regression with an intercept per seed; 95 % intervals over configurations."
        blocks.append(make_table(controls.regression[TERM_COLUMNS].map(_four_digits), caption, n_headings=2))
    return Section("controls", title, link, (*blocks, _origin(evidence.origin)))


def _four_digits(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value


def parallel_section(evidence: Evidence, hover: dict[int, str]) -> Section:
    """Return the parallel coordinates."""
    return Section("parallel", "Bits of each unit", "Units", (FigureBox(draw_parallel(evidence, hover)),))


def heatmap_section(evidence: Evidence) -> Section:
    """Return the heat maps."""
    figures = draw_heatmaps(evidence)
    if isinstance(figures, Missing):
        blocks: Iterable[Block] = [_not_drawn(figures)]
    else:
        blocks = [FigureBox(figure, has_heading=True) for figure in figures]
    return Section("heatmaps", "Heat maps", "Heat maps", tuple(blocks))


def curves_section(evidence: Evidence) -> Section:
    """Return the curves of all schedules."""
    figure = draw_curves(evidence)
    if isinstance(figure, Missing):
        return Section("curves", "Curves", "Curves", (_not_drawn(figure),))
    return Section("curves", "Curves", "Curves", (FigureBox(figure), *_epoch_doubts(evidence)))


def energy_section(evidence: Evidence) -> Section:
    """Return both ledgers side by side, sentences first."""
    title, link = "Energy: recorded training, modelled inference", "Energy"
    ledgers = evidence.ledgers
    if isinstance(ledgers, Missing):
        return Section("energy", title, link, (_not_drawn(ledgers),))
    shown = shown_table(ledgers.loc[evidence.front.index[:MOST_ROWS]])
    caption = (
        "Recorded training energy of a trial (mean ± std over seeds), and modelled inference energy per 1,000 images."
    )
    blocks = (
        make_bullets(map(as_sentence, ledger_sentences(ledgers)), "sentences"),
        FigureBox(draw_ledgers(evidence, ledgers)),
        make_table(shown, caption, left=TRIALS_FILE, n_rows=len(ledgers)),
        _origin(evidence.origin),
    )
    return Section("energy", title, link, blocks)


def lifetime_section(evidence: Evidence) -> Section:
    """Return training and measured use on one axis, with a slider over the number of images, and what was deployed."""
    key, title = "lifetime", "Lifetime"
    lifetime, use = evidence.lifetime, evidence.use
    blocks: list[Block] = []
    if isinstance(lifetime, Missing):
        blocks.append(_not_drawn(lifetime))
    else:
        words = energy_words(lifetime.axis)
        blocks += [
            make_bullets(map(as_sentence, lifetime_sentences(lifetime)), "sentences"),
            ImagesSlider(len(slider_numbers()), slider_start()),
            FigureBox(draw_lifetime(lifetime)),
            make_table(fronts_table(lifetime), f"Front for each power of ten of images ({words}).", n_headings=2),
            make_table(variants_table(lifetime), f"Training and use of each network ({words}; ± half of the 95 % "
                       "interval; deployed/trained seeds), and from which number of images on it has emitted less."),
        ]  # fmt: skip
    if not isinstance(use, Missing):
        caption = (
            f"Deployed networks: {use.axis.runtime}, batch size {use.axis.batch_size}; means over repetitions and "
            "seeds, of each network by itself. Primitives are those of its quantized layers."
        )
        blocks.append(make_table(deployments_table(use), caption, left="inference.parquet of the run folder"))
        blocks += [Note(as_sentence(line)) for line in use.notes]
        blocks.append(_origin(as_sentence(use_sentence(use.axis))))
    return Section(key, title, title, tuple(blocks))


def sensitivity_section(evidence: Evidence) -> Section:
    """Return what lowering the bits of one unit alone does."""
    title, link = "Sensitivity of each unit", "Sensitivity"
    found = evidence.sensitivity
    if isinstance(found, Missing):
        return Section("sensitivity", title, link, (Note(f"Not measured: {found.reason}."),))
    shown = shown_effects(found)
    for column in ("mean", "low", "high"):
        shown[column] = numbers(shown[column], "+.2f", 100)
    over = "schedules" if found.n_configurations else "seeds"
    caption = f"Change of accuracy in points when the bits of one unit are lowered; 95 % interval over {over}."
    sentences = make_bullets(map(as_sentence, sensitivity_sentences(found)), "sentences")
    blocks = (sentences, make_table(shown, caption, n_headings=2), _origin(evidence.origin))
    return Section("sensitivity", title, link, blocks)


def table_section(evidence: Evidence) -> Section:
    """Return Table 3 in both conventions, and the paper's figures beside where there are such."""
    title, link = "Table 3 of the paper", "Table 3"
    trials, epochs = evidence.shown_trials, evidence.epochs
    refused = None if evidence.mixed else attempt(lambda: check_comparable(trials))
    if isinstance(refused, Missing):
        return Section("table", title, link, (Note(f"Not shown: {refused.reason}."),))
    blocks: list[Block] = []
    if isinstance(epochs, Missing) or epochs.empty:
        reason = epochs.reason if isinstance(epochs, Missing) else "the runs have no tables of epochs"
        blocks.append(Note(f"Over the epochs: not shown, {reason}."))
    else:
        blocks.append(make_table(table_over_epochs(trials, epochs), f"{OVER_EPOCHS}.", n_headings=3))
        blocks += _epoch_doubts(evidence)
    over_seeds = table_over_seeds(trials)
    blocks.append(make_table(over_seeds, f"{OVER_SEEDS}.", n_headings=3, n_rows=len(evidence.front)))
    if not isinstance(epochs, Missing):
        comparison = compare_with_paper(trials, epochs)
        if not comparison.empty:
            blocks.append(make_table(format_comparison(comparison), f"{BESIDE}.", n_headings=2))
        blocks.append(make_bullets(map(as_sentence, paper_notes(trials, comparison))))
    return Section("table", title, link, (*blocks, _origin(evidence.shown_origin)))


def audit_section(audits: Sequence[Audit]) -> Section:
    """Return what re-adding the energies of each run found."""
    blocks: list[Block] = []
    for audit in audits:
        blocks.append(Heading(audit.run))
        if audit.figures is None:
            blocks.append(Note(as_sentence(audit.reason)))
            continue
        figures = {**audit.figures, "folder": audit.run}
        blocks += [
            Paragraph(as_sentence(verdict_sentence([figures])), "verdict"),
            make_table(_checks(figures), "Checks, and how often each was made."),
            FoldedText("The whole audit", report(figures)),
        ]
    return Section("audit", "Audit of the energies", "Audit", tuple(blocks))


def _checks(audit: dict[str, Any]) -> pd.DataFrame:
    """Return a row per check, those that failed first."""
    checks = sorted(audit["checks"], key=lambda check: not check["failures"])
    rows = [{"check": c["name"], "places": f"{c['n_compared']:,}", "result": _result(c)} for c in checks]
    return pd.DataFrame(rows, columns=["check", "places", "result"])


def _result(check: dict[str, Any]) -> str:
    if check["failures"]:
        return f"{len(check['failures'])} do not add up"
    return "adds up" if check["n_compared"] else "nothing to compare"


def provenance_section(evidence: Evidence, manifests: Sequence[Manifest], versions: str) -> Section:
    """Return where the numbers come from, run by run, the failed trials, and what made the report."""
    blocks: list[Block] = [Paragraph(f"All numbers: {evidence.origin}")]
    for name, manifest in zip(evidence.names, manifests, strict=True):
        facts = manifest_facts(manifest)
        unknown = Note("This run has no manifest: how it was made is not known.")
        blocks += [Heading(name), FactList(facts) if facts else unknown]
    failed = failures(evidence.runs.trials)
    if len(failed):
        title = f"Trials that failed, and why ({len(failed)} of {len(evidence.runs.trials)})."
        blocks.append(make_table(failed.head(MOST_FAILURES), title, left=TRIALS_FILE, n_rows=len(failed)))
    return Section("provenance", "Provenance", "Provenance", (*blocks, _origin(f"This report: {versions}.")))


def _not_drawn(missing: Missing) -> Note:
    return Note(f"Not drawn: {missing.reason}.")


def _epoch_doubts(evidence: Evidence) -> list[Block]:
    """Return a note for each line on trials whose epochs are not in the figures."""
    return [Note(as_sentence(line)) for line in evidence.lacking_epochs]


def _origin(text: str) -> Paragraph:
    return Paragraph(text, "origin")
