"""The beginning of a report in sentences: what was trained, what the data support, and what they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.effects.sensitivity import sensitivity_words
from analysis.energy.ledgers import energy_kind, ledger_words
from analysis.figures.style import make_axis
from analysis.report.evidence import Evidence, Missing
from analysis.report.figures.figure import interval_text
from analysis.report.markup import join_words
from analysis.runs.comparability import WHOLE_HOST
from analysis.uncertainty.front import DOMINATED, ON_FRONT, ONE_SEED, UNDECIDED
from analysis.uncertainty.verdicts import FAMILY_WISE_ERROR

FEW_SEEDS = 5
LONG_SENTENCE = 300
IS_SENSITIVE = ": it is "  # of a sentence on stages that are told apart
IS_DOUBTFUL = ("not in every seed", "may be chance")  # of a sentence on ratios of energies
MOST_OPEN = 2  # sentences of the controls at the top; all are in their section


def trained_words(evidence: Evidence) -> list[str]:
    """Return what was trained, on what, and how its energy was found."""
    done, n_all = evidence.done, len(evidence.runs.trials)

    def values(column: str) -> str:
        return join_words([str(value) for value in done[column].dropna().unique()]) or "not recorded"

    n = len(evidence.front)
    epochs = values("config_epochs")
    families = evidence.front["family"].value_counts()
    listed = join_words(
        [f"{count} {family.replace('_', ' ')}" for family, count in zip(families.index.map(str), families, strict=True)]
    )
    dataset = join_words(list(dict.fromkeys(Path(str(name)).name for name in done["config_dataset"].unique())))
    return [
        f"{len(done)} of {n_all} trials ran to their end and are looked at: {n} configuration"
        f"{'s' if n > 1 else ''} ({listed}) of {values('config_model')}{_width(done)} on {dataset}, {epochs} "
        f"epoch{'' if epochs == '1' else 's'}, {_seeds(evidence.front)}, on {values('cpu_model')}.",
        *_energy_words(evidence),
    ]


def _width(done: pd.DataFrame) -> str:
    """Return how wide the networks are, where any is not as its name says."""
    widths = sorted(done["config_width"].dropna().unique())
    return "" if widths in ([], [1.0]) else f" (width {join_words([f'{width:g}' for width in widths])})"


def _energy_words(evidence: Evidence) -> list[str]:
    """Return what energies and emissions are, and what is not in them."""
    done, kind = evidence.done, energy_kind(evidence.sources)
    is_whole = (done["share_method"] == WHOLE_HOST).all()
    scope = "each trial is charged with its whole host" if is_whole else "what is one trial's share is modelled"
    words = [{
        "estimated": "All energies and emissions are estimates: no counter of this machine measured them.",
        "estimated in part": "Energies and emissions are estimates in part: not all of it was measured by counters.",
        "measured": f"Energies were measured by counters of the machine; {scope}; emissions follow from a carbon "
        "intensity.",
    }.get(kind, f"The energy of training is {kind}.")]  # fmt: skip
    if n_calibrated := int((done["config_mode"] == "ptq").sum()):
        words.append(
            f"{n_calibrated} of {len(done)} trials only calibrate trained networks (ptq): what is called their "
            "training energy is that of the calibration."
        )
    if n_started := int((done["config_init_from"].fillna("scratch") != "scratch").sum()):
        words.append(
            f"{n_started} of {len(done)} trials start from trained networks; the energy and emissions of that training "
            "are not in theirs, on no axis and in no ratio (init_energy_kwh has the energy)."
        )
    return words


def _seeds(front: pd.DataFrame) -> str:
    low, high = int(front["n_seeds"].min()), int(front["n_seeds"].max())
    return f"{low} seed{'' if low == 1 else 's'} each" if low == high else f"{low} to {high} seeds each"


def supported_words(evidence: Evidence) -> list[str]:
    """Return what the data support: verdicts, accuracy, order and size, energy."""
    front = evidence.front
    words = [_best_words(evidence)]
    verdicts = front["verdict"]
    if len(front) > 1 and len(shown := front.loc[verdicts == ON_FRONT, "label"]):
        words.append(f"Shown to be on the front: {join_words(list(shown))}.")
    if len(beaten := front[verdicts == DOMINATED]):
        named = [f"{label} (by {by})" for label, by in zip(beaten["label"], beaten["dominated_by"], strict=True)]
        words.append(f"Shown to be dominated: {len(beaten)} of {len(front)}, {join_words(named, most=3)}.")
    words += [line for line in _stage_words(evidence) if IS_SENSITIVE in line]
    words += [line for line in _ratio_words(evidence) if not any(sign in line for sign in IS_DOUBTFUL)]
    if not isinstance(evidence.controls, Missing):
        words += [_first(line) for line in evidence.controls.sentences if not is_open_question(line)]
    return words


def unsupported_words(evidence: Evidence) -> list[str]:
    """Return what the data leave open, and why."""
    front = evidence.front
    words = []
    if evidence.no_front:
        words.append(f"There is no front: {evidence.no_front}.")
    elif len(front) == 1:
        words.append("There is one configuration: the front is it alone, and nothing was compared.")
    words += _one_seed_words(front)
    undecided = front.loc[front["verdict"] == UNDECIDED, "label"]
    if len(undecided):
        words.append(
            f"Undecided whether on the front: {len(undecided)} of {len(front)} configurations "
            f"({join_words(list(undecided))})."
            + (" More seeds show more: 5 or more." if front["n_seeds"].min() < FEW_SEEDS else "")
        )  # fmt: skip
    words += [line for line in _stage_words(evidence) if IS_SENSITIVE not in line]
    words += [line for line in _ratio_words(evidence) if any(sign in line for sign in IS_DOUBTFUL)]
    if not isinstance(evidence.controls, Missing):
        words += [line for line in evidence.controls.sentences if is_open_question(line)][:MOST_OPEN]
    elif len(front) > 1:
        words.append(
            f"More bits, or bits in the right place: not answered here. {as_sentence(evidence.controls.reason)}"
        )
    if not isinstance(evidence.ledgers, Missing):
        words += [as_sentence(line) for line in ledger_words(evidence.ledgers) if line.startswith("no full precision")]
    n_unmeasured = int(front["rank"].isna().sum()) if not evidence.no_front else 0
    if n_unmeasured:
        words.append(
            f"{n_unmeasured} of {len(front)} configurations lack a figure of the front in a seed and are not on it."
        )
    return words


def _one_seed_words(front: pd.DataFrame) -> list[str]:
    single = front[front["n_seeds"] == 1]
    if single.empty:
        return []
    who = (
        "Every configuration has" if len(single) == len(front) else f"{len(single)} of {len(front)} configurations have"
    )
    is_decided = len(front) > 1 and single["verdict"].isin([ON_FRONT, DOMINATED]).any()
    verdict = "no verdict but those that follow from the bits alone" if is_decided else "no verdict"
    return [f"{who} one seed: no interval is given and {verdict}; differences may be chance."]


def _ratio_words(evidence: Evidence) -> list[str]:
    """Return how the training energies compare with that of full precision."""
    if isinstance(evidence.ledgers, Missing):
        return []
    return [as_sentence(line) for line in ledger_words(evidence.ledgers) if "training energy than full" in line]


def _stage_words(evidence: Evidence) -> list[str]:
    """Return how the last stage compares with the first, where that was measured."""
    found = evidence.sensitivity
    return [] if isinstance(found, Missing) else [as_sentence(sensitivity_words(found)[0])]


def _first(words: str) -> str:
    """Return of a long finding the statement without its examples, which its section has."""
    return words if len(words) <= LONG_SENTENCE else words.partition(". ")[0].rstrip(".") + "."


def is_open_question(sentence: str) -> bool:
    """Return whether a sentence of the controls says that something cannot be said."""
    signs = ("No detectable", "cannot tell", "cannot be told", "no interval", "nothing can be said", "With one seed",
             "The other terms")  # fmt: skip
    return any(sign in sentence for sign in signs)


def verdict_rule(evidence: Evidence) -> str:
    """Return what the verdicts rest on."""
    words = (
        f"Verdicts: all together right with {1 - FAMILY_WISE_ERROR:.0%} confidence or more (paired t tests over "
        f"seeds, Holm's correction); share of resamples: bootstrap of the seeds, {evidence.n_resamples:,} "
        "resamples, no test."
    ).replace("%", " %")  # fmt: skip
    n_untested = int((evidence.front["verdict"] == "not tested").sum())
    if n_untested:
        words += (
            f" Of {len(evidence.front):,} configurations the first {len(evidence.front) - n_untested:,} by rank were "
            "tested, each against all; levels are those of all, so that the error is kept."
        )
    if (evidence.front["verdict"] == ONE_SEED).any():
        words += " With one seed there is no test."
    return words


def _best_words(evidence: Evidence) -> str:
    column = f"{evidence.images}_accuracy"
    axis = make_axis(next(o for o in evidence.heatmap_objectives if o.column == column), evidence.done[column])
    known = evidence.front[np.isfinite(evidence.front[column].to_numpy(dtype=float))]
    if known.empty:
        return f"No configuration has a {column.replace('_', ' ')} in every seed."
    row = known.iloc[int(known[column].to_numpy(dtype=float).argmax())]
    if len(known) == 1:
        return f"Mean {axis.name}: {row['label']}, {interval_text(dict(row), axis)}."
    return (
        f"Highest mean {axis.name}: {row['label']}, {interval_text(dict(row), axis)}; of several that are close, the "
        "highest is partly the luckiest."
    )


def as_sentence(words: str) -> str:
    """Return words with a capital and a full stop."""
    text = f"{words[0].upper()}{words[1:]}"
    return text if text.endswith((".", "…")) else f"{text}."
