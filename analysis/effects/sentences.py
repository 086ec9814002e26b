"""What `analysis.effects.sensitivity` finds as sentences."""

from __future__ import annotations

from analysis.effects.sensitivity import Sensitivity, StagesKind
from analysis.findings import Finding
from analysis.paper.published import SENSITIVITY, SENSITIVITY_SOURCE, are_stages_of_paper
from analysis.wording import counted


def contrast_sentence(finding: Finding[StagesKind]) -> str:
    """Return how the last unit compares with the first."""
    if n_configurations := finding.counts.get("configurations"):
        return f"for a bit less, by a regression over {n_configurations} schedules, {_contrast(finding)}"
    return f"over {counted(finding.counts['seeds'], 'seed')}, {_contrast(finding)}"


def _contrast(finding: Finding[StagesKind]) -> str:
    if finding.kind is StagesKind.NO_COMMON_STEP:
        return "the units have no step of bits in common: they cannot be compared"
    loss = finding.estimates["loss"]
    difference = f"{finding.subjects[1]} loses {100 * loss.value:+.2f} points against {finding.subjects[0]}"
    if finding.kind is StagesKind.ONE_SEED:
        return f"{difference}; one seed, no interval: this may be chance"
    interval = f"95 % interval {100 * loss.low:+.2f} to {100 * loss.high:+.2f}"
    if finding.kind is StagesKind.NOT_SEPARATED:
        return f"{difference}, {interval}: not told apart"
    more = "more" if finding.kind is StagesKind.LAST_IS_MORE_SENSITIVE else "less"
    return f"{difference}, {interval}: it is {more} sensitive than {finding.subjects[0]}"


def sensitivity_sentences(found: Sensitivity) -> list[str]:
    """Return how the last unit compares with the first, what the paper claims, and what the effects are of."""
    sentences = [contrast_sentence(found.contrast)]
    if are_stages_of_paper(found.units):
        claim = ", ".join(f"stage {stage} {sensitivity}" for stage, sensitivity in SENSITIVITY.items())
        sentences.append(f"{SENSITIVITY_SOURCE}: {claim}; it gives no figures")
    what = "weights and activations" if found.lowers_activations else "weights, activations held,"
    if found.n_configurations:
        sentences.append(
            f"effects of a bit less of {what} by a regression on the bits of all {len(found.units)} units, "
            f"{found.n_configurations} schedules: effects are taken to add up and to be the same for each bit, as "
            "not every unit has two schedules that differ in it alone"
        )
        return sentences
    sentences.append(f"bits of {what} of one unit lowered, all pairs of configurations that differ in nothing else")
    if found.n_left_out:
        sentences.append(f"left out: {found.n_left_out} pairs that lack a seed")
    return sentences
