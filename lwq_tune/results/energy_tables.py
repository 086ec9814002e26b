"""The energy logs of a run: one per host, written by the ledger there, read here as they grow, and kept as Parquet."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lwq_tune.energy.ledger.interval_log import only_intervals
from lwq_tune.energy.ledger.totals import TRIAL, kg_co2eq, parse_part
from lwq_tune.energy.sensors.host_meter import JOULES_PER_KWH
from lwq_tune.errors import ResultsError
from lwq_tune.files import jsonl
from lwq_tune.results.row_log import Record
from lwq_tune.results.schema import INTERVAL_COLUMNS
from lwq_tune.results.tables import write_table

NODE = "node"
UNALLOCATED = "unallocated"


@dataclass
class Energy:
    """Energy in kWh and its emissions in kg."""

    kwh: float = 0.0
    kg_co2eq: float = 0.0

    def add(self, energy_j: float, g_per_kwh: float) -> None:
        """Add an energy in joules."""
        self.kwh += energy_j / JOULES_PER_KWH
        self.kg_co2eq += kg_co2eq(energy_j, g_per_kwh)


class EnergyLog:
    """Sums over the energy logs of a run; an update reads only what is new.

    Attributes:
        parts: Energy by kind of part, the host's total as `NODE` among them; idle energy of all hosts that nobody
            reserved is `UNALLOCATED`.
        segments: Energy by trial key and segment.
        unmeasured_s: Time that no ledger saw, over all hosts.

    Args:
        folder: Folder of the logs; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offsets: dict[Path, int] = {}
        self.parts: dict[str, Energy] = defaultdict(Energy)
        self.segments: dict[str, dict[str, Energy]] = defaultdict(lambda: defaultdict(Energy))
        self.unmeasured_s = 0.0

    def update(self) -> None:
        """Read what the ledgers have added.

        Raises:
            ResultsError: A log is damaged.
        """
        for path in sorted(self._folder.glob("*.jsonl")):
            for record in only_intervals(self._new_lines(path)):
                self._take_in(record)

    def write_tables(self, run: str, metadata: dict[str, Any]) -> None:
        """Write each host's log as ``HOST.parquet``, a row per interval, part and domain.

        Only what has been read so far is written, since a host that was lost may still append to its log, and the
        tables of trials were made from what was read.

        Args:
            run: Name of the run.
            metadata: Stored in the file.

        Raises:
            ResultsError: A log is damaged, or a table cannot be written.
        """
        for path in sorted(self._folder.glob("*.jsonl")):
            lines = jsonl.whole_lines(path, self._offsets.get(path, 0))
            intervals = only_intervals(_parse(line, path) for line in lines)
            rows = (row for number, record in enumerate(intervals) for row in interval_rows(record, number))
            named = ({"run": run, "host": path.stem, **row} for row in rows)
            write_table(path.with_suffix(".parquet"), INTERVAL_COLUMNS, named, metadata)

    def _new_lines(self, path: Path) -> list[Record]:
        begin = self._offsets.get(path, 0)
        new = jsonl.read_from(path, begin)
        lines = [_parse(line, path) for line in new.splitlines()]
        self._offsets[path] = begin + len(new)
        return lines

    def _take_in(self, record: Record) -> None:
        self.unmeasured_s += record["unmeasured_s"]
        for host_j in record["node"].values():
            self.parts[NODE].add(host_j, record["g_per_kwh"])
        for by_part in record["parts"].values():
            for name, (active_j, idle_j) in by_part.items():
                kind, trial_key, segment = parse_part(name)
                self.parts[kind].add(active_j + idle_j, record["g_per_kwh"])
                if trial_key is not None and segment is not None:
                    self.segments[trial_key][segment].add(active_j + idle_j, record["g_per_kwh"])


def _parse(line: bytes, path: Path) -> Record:
    try:
        record: Record = json.loads(line)
    except ValueError as error:
        raise ResultsError(f"an energy log holds one JSON object per line, {path} does not: {line[:80]!r}") from error
    return record


def interval_rows(record: Mapping[str, Any], number: int) -> Iterator[Record]:
    """Yield the rows of one interval: the host's energy by domain, then every part's.

    >>> record = {"begin_s": 5.0, "time_s": 1.0, "unmeasured_s": 1.0, "g_per_kwh": 100.0, "flags": ["ledger-down"],
    ...           "node": {}, "parts": {}}
    >>> [(row["part"], row.get("energy_kwh"), row["flags"]) for row in interval_rows(record, 0)]
    [('node', None, 'ledger-down')]
    """
    g_per_kwh = record["g_per_kwh"]
    shared = {
        "interval": number,
        "begin_s": record["begin_s"],
        "time_s": record["time_s"],
        "g_per_kwh": g_per_kwh,
        "flags": ",".join(record["flags"]) or None,
    }
    for domain, host_j in ({"cpu": None} | record["node"]).items():
        unmeasured_s = record["unmeasured_s"] if domain == "cpu" else None
        yield shared | _energy(host_j, g_per_kwh) | {"part": NODE, "domain": domain, "unmeasured_s": unmeasured_s}
    for domain, by_part in record["parts"].items():
        for name, (active_j, idle_j) in by_part.items():
            kind, trial_key, segment = parse_part(name)
            yield {
                **shared,
                **_energy(active_j + idle_j, g_per_kwh),
                "part": kind,
                "trial_key": trial_key if kind == TRIAL else None,
                "segment": segment,
                "domain": domain,
                "active_energy_kwh": active_j / JOULES_PER_KWH,
                "idle_energy_kwh": idle_j / JOULES_PER_KWH,
            }


def _energy(energy_j: float | None, g_per_kwh: float) -> Record:
    if energy_j is None:
        return {}
    return {"energy_kwh": energy_j / JOULES_PER_KWH, "emissions_kg_co2eq": kg_co2eq(energy_j, g_per_kwh)}
