"""What `analysis.effects.sensitivity` finds as sentences."""

from __future__ import annotations

from analysis.effects.sensitivity import Sensitivity, StagesKind
from analysis.findings import Finding
from analysis.paper.published import SENSITIVITY, SENSITIVITY_SOURCE
from analysis.wording import counted


def contrast_sentence(finding: Finding[StagesKind]) -> str:
    """Return how the last stage compares with the first."""
    return f"over {counted(finding.counts['seeds'], 'seed')}, {_contrast(finding)}"


def _contrast(finding: Finding[StagesKind]) -> str:
    if finding.kind is StagesKind.NO_COMMON_STEP:
        return "the stages have no step of bits in common: they cannot be compared"
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
    """Return how the last stage compares with the first, what the paper claims, and what the pairs are."""
    sentences = [contrast_sentence(found.contrast)]
    if found.contrast.counts["stages"] == len(SENSITIVITY):
        claim = ", ".join(f"stage {stage} {sensitivity}" for stage, sensitivity in SENSITIVITY.items())
        sentences.append(f"{SENSITIVITY_SOURCE}: {claim}; it gives no figures")
    what = "weights and activations" if found.lowers_activations else "weights, activations held,"
    sentences.append(f"bits of {what} of one stage lowered, all pairs of configurations that differ in nothing else")
    if found.n_left_out:
        sentences.append(f"left out: {found.n_left_out} pairs that lack a seed")
    return sentences
