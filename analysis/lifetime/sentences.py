"""What a lifetime says, in sentences; every one of energy says whether power was measured or estimated."""

from __future__ import annotations

import math
from collections.abc import Callable

from analysis.energy.sources import EnergyKind
from analysis.findings import Estimate, Finding
from analysis.lifetime.classes import MARGIN
from analysis.lifetime.findings import LifetimeKind, find_in_lifetime
from analysis.lifetime.lifetime import Lifetime
from analysis.lifetime.use import Axis
from analysis.paper.published import REDUCTION_SOURCE
from analysis.wording import counted, join_words, per_cent

SCALES = ((1e12, " trillion"), (1e9, " billion"), (1e6, " million"))
ESTIMATED_POWER = "measured time, estimated power"
BY_TEST = (
    "the front is chosen by the test accuracy of the deployed networks, which it also reports: what was chosen looks "
    "better than it is"
)


def images_text(number: float) -> str:
    """Return a number of images with two digits.

    >>> [images_text(number) for number in (0.0, 847.0, 12345.0, 4.04e6, 59.4e6, 1.26e10, math.inf)]
    ['0', '850', '12,000', '4 million', '59 million', '13 billion', 'infinity']
    """
    if math.isinf(number):
        return "infinity"
    rounded = float(f"{number:.2g}")
    for size, word in SCALES:
        if rounded >= size:
            return f"{rounded / size:g}{word}"
    return f"{rounded:,.0f}"


def images_range(low: float, high: float) -> str:
    """Return two numbers of images, the unit once where it is the same.

    >>> images_range(46e6, 72e6), images_range(2.1e6, 1.3e9), images_range(3e6, math.inf)
    ('46 to 72 million', '2.1 million to 1.3 billion', '3 million or more')
    """
    first, second = images_text(low), images_text(high)
    if math.isinf(high):
        return f"{first} or more"
    if first.partition(" ")[2] == second.partition(" ")[2]:
        first = first.partition(" ")[0]
    return f"{first} to {second}"


def energy_words(axis: Axis) -> str:
    """Return how the energy of use was found, in words."""
    if axis.is_power_estimated:
        return ESTIMATED_POWER
    return "measured energy" if axis.kind is EnergyKind.MEASURED else f"energy {axis.kind}"


def use_sentence(axis: Axis) -> str:
    """Return what inference was measured with, and how its energy was found."""
    return (
        f"use: {axis.runtime}, batch size {axis.batch_size}, {counted(axis.n_threads, 'thread')}, host "
        f"{', '.join(axis.hosts) or 'unknown'} ({', '.join(axis.processors) or 'unknown processor'}); "
        f"{energy_words(axis)} ({', '.join(axis.sources) or 'unknown source'}), idle energy included; "
        f"{axis.g_per_kwh:g} g/kWh ({axis.intensity_source})"
    )


def axis_sentences(lifetime: Lifetime) -> list[str]:
    """Return what is on the axis and where it comes from."""
    axis = lifetime.axis
    training = "/".join(f"{intensity:g}" for intensity in axis.training_intensities) or "a varying number of"
    search = (
        f"; each quantized configuration carries an equal share of the {1000 * lifetime.search_kg:.3g} g of the search"
        if lifetime.search_kg
        else ""
    )
    return [
        use_sentence(axis),
        f"training: all that a trial was charged with, lost work, and what it starts from; energy "
        f"{axis.training_kind}, {training} g/kWh; mean over seeds{search}",
        BY_TEST,
    ]


def lifetime_sentences(lifetime: Lifetime) -> list[str]:
    """Return what a lifetime says, and what its axis is."""
    return [*(lifetime_sentence(finding, lifetime.axis) for finding in find_in_lifetime(lifetime)),
            *axis_sentences(lifetime)]  # fmt: skip


def lifetime_sentence(finding: Finding[LifetimeKind], axis: Axis) -> str:
    """Return a finding of `analysis.lifetime.findings.find_in_lifetime` as text."""
    tell: dict[LifetimeKind, Callable[[Finding[LifetimeKind], Axis], str]] = {
        LifetimeKind.EXECUTED_ALIKE: _alike,
        LifetimeKind.COSTS_DIFFER: _differ,
        LifetimeKind.ALIKE_NOT_SHOWN: _not_shown,
        LifetimeKind.RAN_IN_FLOAT: _in_float,
        LifetimeKind.SAVING: _saving,
        LifetimeKind.PUBLISHED_SAVING: _published,
        LifetimeKind.BEST: _best,
        LifetimeKind.NEVER_PAYS: _never,
    }
    return tell[finding.kind](finding, axis)


def _runtime_and_bits(finding: Finding[LifetimeKind], axis: Axis) -> tuple[str, str]:
    """Return the runtime with its host, and the bits of a class."""
    least, most = finding.counts["least_bits"], finding.counts["most_bits"]
    bits = f"{least} bits" if least == most else f"{least} to {most} bits"
    on = "on this host" if len(axis.hosts) < 2 else f"on {join_words(axis.hosts)}"
    return f"{axis.runtime} {on}", bits


def _range(estimate: Estimate, scale: float = 100.0, style: str = ".1f") -> str:
    return f"{scale * estimate.low:{style}} to {scale * estimate.high:{style}}"


def _alike(finding: Finding[LifetimeKind], axis: Axis) -> str:
    runtime, bits = _runtime_and_bits(finding, axis)
    ends = [end for name in finding.subjects for end in (finding.estimates[name].low, finding.estimates[name].high)]
    cost, members = finding.estimates["energy_per_image_uj"], counted(finding.counts["members"], "configuration")
    saved = "; fewer bits save size here, not energy of use" if finding.counts["is_integer"] else ""
    return (
        f"{runtime} executes {bits} alike ({finding.parts[0].subjects[0]}): each of {members} takes the energy of the "
        f"others within {per_cent(MARGIN)} (90 % intervals from {100 * min(ends):.1f} to {100 * max(ends):.1f} %), so "
        f"their {finding.counts['measurements']} measurements are pooled: {cost.value / 1000:.3g} mJ per image "
        f"({_range(cost, 1e-3, '.3g')}; {energy_words(axis)}){saved}"
    )


def _one_precision(finding: Finding[LifetimeKind], axis: Axis) -> str:
    runtime, bits = _runtime_and_bits(finding, axis)
    return f"{runtime} computes {bits} with one precision ({finding.parts[0].subjects[0]}), but"


def _farthest(finding: Finding[LifetimeKind], axis: Axis) -> str:
    """Return the member that is farthest from the others, in words."""
    members = {name: finding.estimates[name] for name in finding.subjects}
    name, estimate = max(members.items(), key=lambda item: abs(item[1].value))
    interval = "unknown, nothing was repeated" if math.isnan(estimate.low) else f"{_range(estimate)} %"
    return f"{name} {100 * estimate.value:+.1f} % from the others, 90 % interval {interval}; {energy_words(axis)}"


def _differ(finding: Finding[LifetimeKind], axis: Axis) -> str:
    return (
        f"{_one_precision(finding, axis)} the energies per image differ ({_farthest(finding, axis)}): not pooled; "
        f"{counted(finding.counts['groups'], 'group')} of configurations are told apart"
    )


def _not_shown(finding: Finding[LifetimeKind], axis: Axis) -> str:
    return (
        f"{_one_precision(finding, axis)} that their energies per image agree within {per_cent(MARGIN)} is not shown "
        f"({_farthest(finding, axis)}): not pooled; nor are they told apart, so that nothing among them is ranked by "
        "the energy of use; more repetitions on a quiet host show more"
    )


def _in_float(finding: Finding[LifetimeKind], axis: Axis) -> str:
    return (
        f"QUANTIZED LAYERS RAN IN FLOAT under {axis.runtime}: {join_words(finding.parts[0].subjects)} of "
        f"{join_words(finding.subjects)}; their cost is not that of their bits"
    )


def _saving(finding: Finding[LifetimeKind], axis: Axis) -> str:
    shares = []
    for name, estimate in finding.estimates.items():
        word = "less" if estimate.value >= 0 else "more"
        ends = sorted((estimate.low, estimate.high)) if estimate.value >= 0 else sorted((-estimate.low, -estimate.high))
        interval = "" if math.isnan(estimate.low) else f" ({100 * ends[0]:.1f} to {100 * ends[1]:.1f})"
        shares.append(f"{per_cent(abs(estimate.value), 1)}{interval} {word} than {name}")
    return (
        f"energy per image of {join_words(finding.subjects)} ({finding.parts[0].subjects[0]}): {join_words(shares)}, "
        f"95 % intervals ({energy_words(axis)})"
    )


def _published(finding: Finding[LifetimeKind], axis: Axis) -> str:
    return (
        f"published, not measured here: up to {per_cent(finding.estimates['saving'].value)} less energy consumption "
        f"and memory usage ({REDUCTION_SOURCE}), which measures no inference by a runtime that executes few bits"
    )


def _best(finding: Finding[LifetimeKind], axis: Axis) -> str:
    floor = f"with a test accuracy of {per_cent(finding.estimates['floor'].value, 1)} or more"
    if not finding.parts:
        return f"{floor}: nothing that was deployed reaches it"
    first, *others = finding.parts
    if not others:
        ends = first.estimates
        return (
            f"{floor}, {first.subjects[0]} emits least over its lifetime for every number of images from "
            f"{images_text(ends['begin'].value)} to {images_text(ends['end'].value)} ({energy_words(axis)})"
        )
    words = f"{floor}: below {_change(others[0])} {first.subjects[0]} emits least over its lifetime"
    steps = [_step(part, "above" if place == 0 else f"above {_change(part)}") for place, part in enumerate(others)]
    return f"{words}; {'; '.join(steps)} ({energy_words(axis)})"


def _change(part: Finding[LifetimeKind]) -> str:
    begin = part.estimates["begin"]
    if math.isnan(begin.low):
        return f"{images_text(begin.value)} images"
    never = ", or never" if math.isinf(begin.high) else ""
    return f"{images_text(begin.value)} images (95 %: {images_range(begin.low, begin.high)}{never})"


def _step(part: Finding[LifetimeKind], above: str) -> str:
    lost = 100 * part.estimates["accuracy_lost"].value
    accuracy = f"at {abs(lost):.1f} points {'less' if lost >= 0 else 'more'} accuracy"
    if part.counts["is_same_group"]:
        return f"{above}, {part.subjects[0]}, which then emits as much within {per_cent(MARGIN)}, {accuracy}"
    return f"{above}, {part.subjects[0]}, {accuracy}"


def _never(finding: Finding[LifetimeKind], axis: Axis) -> str:
    names, base = join_words(finding.subjects), finding.parts[0].subjects[0]
    if not finding.is_open:
        return f"{names}: never less than {base} over a lifetime, 95 % ({energy_words(axis)})"
    low = finding.estimates.get("low")
    since = f"; if ever, from {images_text(low.value)} images on or later" if low is not None and low.value > 0 else ""
    return f"{names}: not shown to emit less than {base} for any number of images{since} ({energy_words(axis)})"
