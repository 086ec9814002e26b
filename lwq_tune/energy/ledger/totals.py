"""What each account of the ledger has been charged with, and the names of accounts in the log."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from lwq_tune.energy.attribution.split import Part
from lwq_tune.energy.sensors.host_meter import JOULES_PER_KWH

LEDGER = "ledger"  # the ledger's own process
TRIAL = "trial"
_SEPARATOR = "|"


def trial_part(trial_key: str, segment: str) -> str:
    """Return the name of a trial's part in the log of its run.

    Args:
        trial_key: The trial.
        segment: One start of it in one process.
    """
    return _SEPARATOR.join((TRIAL, trial_key, segment))


def parse_part(name: str) -> tuple[str, str | None, str | None]:
    """Return kind, trial key and segment of a part.

    >>> parse_part(trial_part("abc", "host-1")), parse_part("other")
    (('trial', 'abc', 'host-1'), ('other', None, None))
    """
    kind, *rest = name.split(_SEPARATOR, 2)
    return (kind, rest[0], rest[1]) if rest else (kind, None, None)


@dataclass
class Totals:
    """What an account has been charged with since it was opened.

    Attributes:
        parts: Energy in joules by domain.
        emissions_kg: Of the same.
        measured_s: Time that the ledger saw.
        concurrency_s: Integral of the number of trials on the host over that time.
        methods: How the domains were divided, since this was last asked.
    """

    parts: dict[str, Part] = field(default_factory=dict)
    emissions_kg: float = 0.0
    measured_s: float = 0.0
    concurrency_s: float = 0.0
    methods: set[str] = field(default_factory=set)

    def add(self, parts: Mapping[str, Part], emissions_kg: float, time_s: float, concurrency: float) -> None:
        """Charge the account with its parts of an interval."""
        for domain, part in parts.items():
            self.parts[domain] = self.parts.get(domain, Part()).plus(part)
        self.emissions_kg += emissions_kg
        self.measured_s += time_s
        self.concurrency_s += concurrency * time_s

    def minus(self, earlier: Totals) -> Totals:
        """Return what was added since ``earlier``."""
        domains = {**self.parts, **earlier.parts}
        return Totals(
            {d: self.parts.get(d, Part()).plus(earlier.parts.get(d, Part()).scaled(-1)) for d in domains},
            self.emissions_kg - earlier.emissions_kg,
            self.measured_s - earlier.measured_s,
            self.concurrency_s - earlier.concurrency_s,
            self.methods,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        parts = {domain: [part.active_j, part.idle_j] for domain, part in self.parts.items()}
        return {
            "parts": parts,
            "emissions_kg": self.emissions_kg,
            "measured_s": self.measured_s,
            "concurrency_s": self.concurrency_s,
            "methods": sorted(self.methods),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what `to_dict` gave away."""
        parts = {domain: Part(*pair) for domain, pair in values["parts"].items()}
        return cls(parts, values["emissions_kg"], values["measured_s"], values["concurrency_s"], set(values["methods"]))


def charge_record(totals: dict[str, Totals], record: Mapping[str, Any]) -> None:
    """Charge each part of a logged interval; ``totals`` by name is added to."""
    by_name: dict[str, dict[str, Part]] = {}
    for domain, parts in record["parts"].items():
        for name, pair in parts.items():
            by_name.setdefault(name, {})[domain] = Part(*pair)
    for name, own in by_name.items():
        emissions_kg = kg_co2eq(math.fsum(part.total_j for part in own.values()), record["g_per_kwh"])
        measured_s = record["time_s"] - record["unmeasured_s"]
        totals.setdefault(name, Totals()).add(own, emissions_kg, measured_s, record["concurrency"])


def kg_co2eq(energy_j: float, g_per_kwh: float) -> float:
    """Return the emissions of an energy.

    >>> kg_co2eq(3.6e6, 500.0)
    0.5
    """
    return energy_j / JOULES_PER_KWH * g_per_kwh / 1000
