"""The comments of `controls_iso_size` are computed again with the project's own cost functions."""

from __future__ import annotations

import re

import pytest

from lwq_tune.config.trial import TrialConfig
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.models.inference_costs import ModelCosts
from lwq_tune.quantization.schedules import NAMED_SCHEDULES, family, parse_schedule
from lwq_tune.results.networks import trial_costs
from lwq_tune.sweep.space.search_space import builtin_spaces, load_space

TOLERANCE = 0.02
MEASURES = {"weight bits": "weight_bits", "BitOps": "bitops"}
PARTNERS = [name for name in NAMED_SCHEDULES if name != "full_precision"]
PATH = builtin_spaces()["controls_iso_size"]
ENTRY = re.compile(r"  - (?:\{bits: (\w+), width: ([\d.]+)\}|(\w+)) +# (\d+) bits, ([\d.]+) M(?:; (.+))?")


def costs(schedule: str, width: float = 1.0) -> ModelCosts:
    return trial_costs(TrialConfig(bit_widths=parse_schedule(schedule, 3), width=width), ImageFormat())


def entries() -> list[tuple[str, str, float, int, float, str]]:
    """Return of each listed schedule partner, name and width, and what its comment says of bits, M BitOps, partner."""
    found, partner = [], ""
    for line in PATH.read_text(encoding="utf-8").splitlines():
        if line.startswith("  # "):
            partner = line.rstrip(".").split()[-1] if line.startswith("  # Siblings of ") else ""
        elif line.startswith("  - ") and "column" not in line:
            match = ENTRY.fullmatch(line)
            assert match, f"the comment must say what it costs: {line}"
            bits, width, name, weight_bits, bitops, claims = match.groups()
            found.append((partner, bits or name, float(width or 1), int(weight_bits), float(bitops), claims or ""))
    return found


ENTRIES = entries()


def test_every_listed_schedule_is_read_from_the_file() -> None:
    listed = {(parse_schedule(name, 3), width) for _, name, width, *_ in ENTRIES}
    assert listed == {(trial.bit_widths, trial.width) for trial in load_space("controls_iso_size").trials}
    assert len(ENTRIES) == len(listed)


@pytest.mark.parametrize(("partner", "name", "width", "weight_bits", "bitops_m", "claims"), ENTRIES)
def test_a_comment_says_what_a_schedule_costs_and_a_sibling_costs_as_much_as_its_partner(
    partner: str, name: str, width: float, weight_bits: int, bitops_m: float, claims: str
) -> None:
    own = costs(name, width)
    assert (own.weight_bits, round(own.bitops / 1e6, 1)) == (weight_bits, bitops_m)
    assert bool(partner) == bool(claims)
    for claim in filter(None, claims.split(", ")):
        measure, percent, _ = claim.rsplit(" ", 2)
        difference = getattr(own, MEASURES[measure]) / getattr(costs(partner), MEASURES[measure]) - 1
        assert abs(difference) <= TOLERANCE
        assert float(percent) == pytest.approx(100 * difference, abs=0.051)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("partner", PARTNERS)
def test_a_named_schedule_has_a_quantized_sibling_of_each_measure_in_another_order(partner: str, measure: str) -> None:
    siblings = [entry for entry in ENTRIES if entry[0] == partner and measure in entry[-1]]
    assert len(siblings) >= 2
    assert all(family(parse_schedule(name, 3)) != family(parse_schedule(partner, 3)) for _, name, *_ in siblings)


@pytest.mark.parametrize("measure", MEASURES.values())
@pytest.mark.parametrize("partner", PARTNERS)
def test_no_network_in_full_precision_lies_between_a_schedule_and_its_narrow_siblings(
    partner: str, measure: str
) -> None:
    cost = getattr(costs(partner), measure)
    listed = {width for _, name, width, *_ in ENTRIES if name == "full_precision"}
    channels = range(1, 17)
    below = max(n for n in channels if getattr(costs("full_precision", n / 16), measure) <= cost)
    assert {below / 16, (below + 1) / 16} <= listed
