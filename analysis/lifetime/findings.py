"""What a lifetime says, as values; `analysis.lifetime.sentences` says them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from analysis.findings import Estimate, Finding
from analysis.lifetime.choices import Segment
from analysis.lifetime.classes import Pooling, PrecisionClass
from analysis.lifetime.lifetime import Lifetime
from analysis.lifetime.means import ratio
from analysis.lifetime.variants import Variant
from analysis.paper.published import REDUCTION


class LifetimeKind(Enum):
    """What measured inference and lifetime emissions say."""

    EXECUTED_ALIKE = "a runtime executes networks of several bits alike, at one cost"
    COSTS_DIFFER = "networks of one class are shown to differ in cost"
    ALIKE_NOT_SHOWN = "whether networks of one class share a cost is not shown"
    RAN_IN_FLOAT = "quantized layers ran in float"
    SAVING = "energy per image less than that of full precision"
    PUBLISHED_SAVING = "what the paper claims"
    BEST = "best variant above a floor of accuracy, over numbers of images"
    NEVER_PAYS = "variants that are never shown to emit less than full precision"


POOLINGS = {
    Pooling.POOLED: LifetimeKind.EXECUTED_ALIKE,
    Pooling.DIFFERENT: LifetimeKind.COSTS_DIFFER,
    Pooling.NOT_SHOWN: LifetimeKind.ALIKE_NOT_SHOWN,
}


def find_in_lifetime(lifetime: Lifetime) -> list[Finding[LifetimeKind]]:
    """Return what a lifetime says: precision classes, savings per image, the best variants over numbers of images."""
    return [
        *(found for each in lifetime.classes for found in find_class(each)),
        *_find_savings(lifetime),
        Finding(LifetimeKind.PUBLISHED_SAVING, estimates={"saving": Estimate(REDUCTION)}),
        *_find_best(lifetime),
        *_find_never(lifetime),
    ]


def find_class(each: PrecisionClass) -> list[Finding[LifetimeKind]]:
    """Return what is to be said of a precision class; nothing of one in float with one member."""
    found = []
    if each.float_fallbacks:
        layers = tuple(name.strip() for name in each.float_fallbacks.split(","))
        named = Finding(LifetimeKind.RAN_IN_FLOAT, subjects=layers)
        found.append(Finding(LifetimeKind.RAN_IN_FLOAT, True, subjects=each.labels, parts=(named,)))
    if each.pooling in POOLINGS:
        found.append(
            Finding(
                POOLINGS[each.pooling],
                each.pooling is Pooling.NOT_SHOWN,
                "energy_per_image_uj",
                each.labels,
                {
                    **dict(zip(each.labels, each.differences, strict=True)),
                    "energy_per_image_uj": each.costs[0].estimate(),
                },
                {
                    "members": len(each.members), "measurements": each.n_measurements, "least_bits": each.bits[0],
                    "most_bits": each.bits[1], "is_integer": int(each.is_integer), "groups": len(each.groups),
                },
                (Finding(POOLINGS[each.pooling], subjects=(each.precision,)),),
            )
        )  # fmt: skip
    return found


def _find_savings(lifetime: Lifetime) -> list[Finding[LifetimeKind]]:
    """Return by how much quantized groups use less energy per image than each full precision."""
    found = []
    bases = [variant for variant in lifetime.variants if variant.is_full_precision]
    groups: dict[int, list[Variant]] = {}
    for variant in lifetime.variants:
        if not variant.is_full_precision:
            groups.setdefault(variant.group, []).append(variant)
    for members in groups.values() if bases else []:
        shares = {base.label: ratio(members[0].use, base.use) for base in bases}
        found.append(
            Finding(
                LifetimeKind.SAVING, False, "energy_per_image_uj", tuple(variant.label for variant in members),
                {name: Estimate(1 - share.value, 1 - share.high, 1 - share.low) for name, share in shares.items()},
                parts=(Finding(LifetimeKind.SAVING, subjects=(members[0].precision,)),),
            )
        )  # fmt: skip
    return found


def _find_best(lifetime: Lifetime) -> list[Finding[LifetimeKind]]:
    """Return the best variants of each floor, from the highest on; a floor that changes nothing is left out."""
    found, seen = [], set()
    for floor, own in sorted(lifetime.segments.items(), reverse=True):
        way = tuple((segment.variant.key, round(segment.begin)) for segment in own)
        if way in seen:
            continue
        seen.add(way)
        found.append(
            Finding(
                LifetimeKind.BEST, not own, "deployed_test_accuracy",
                tuple(segment.variant.label for segment in own), {"floor": Estimate(floor)},
                parts=tuple(_segment(segment, before) for segment, before in _with_before(own)),
            )
        )  # fmt: skip
    return found


def _with_before(segments: Sequence[Segment]) -> list[tuple[Segment, Segment | None]]:
    return list(zip(segments, [None, *segments[:-1]], strict=True))


def _segment(segment: Segment, before: Segment | None) -> Finding[LifetimeKind]:
    estimates = {"begin": Estimate(segment.begin), "end": Estimate(segment.end)}
    since, is_same_group = segment.since, False
    if since is not None and before is not None:
        is_same_group = before.variant.group == segment.variant.group
        if not is_same_group:
            estimates["begin"] = Estimate(segment.begin, since.low, since.high)
        lost = before.variant.accuracy.value - segment.variant.accuracy.value
        estimates["accuracy_lost"] = Estimate(lost)
    return Finding(
        LifetimeKind.BEST, since is not None and not since.is_certain, "n_images", (segment.variant.label,), estimates,
        {"is_same_group": int(is_same_group)},
    )  # fmt: skip


def _find_never(lifetime: Lifetime) -> list[Finding[LifetimeKind]]:
    """Return of each full precision the quantized variants that are never shown to emit less, by certainty."""
    found = []
    quantized = [each for each in lifetime.with_full_precision if not each.variant.is_full_precision]
    for base in dict.fromkeys(each.other.label for each in quantized):
        for is_certain in (True, False):
            never = [
                each
                for each in quantized
                if each.other.label == base and each.outcome == "never" and each.is_certain is is_certain
            ]
            if never:
                lows = [each.low for each in never if each.low == each.low]
                estimates = {"low": Estimate(min(lows))} if lows else {}
                part = Finding(LifetimeKind.NEVER_PAYS, subjects=(base,))
                found.append(
                    Finding(
                        LifetimeKind.NEVER_PAYS, not is_certain, "n_images",
                        tuple(each.variant.label for each in never), estimates, parts=(part,),
                    )
                )  # fmt: skip
    return found
