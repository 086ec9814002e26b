"""Writes the log and the tables of a run: each row into the log at once, the tables from the log when trials end."""

from __future__ import annotations

import datetime
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from lwq_tune.config.trial import TrialConfig
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.models.inference_costs import ModelCosts
from lwq_tune.results.energy_tables import EnergyLog
from lwq_tune.results.networks import network_key
from lwq_tune.results.row_log import RowLog, read_log
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.results.schema import ENDED, EPOCH_COLUMNS, TRIAL_COLUMNS
from lwq_tune.results.tables import count_rows, write_table
from lwq_tune.results.trial_rows import Record, TrialSums, identity_values, initial_energy, status_of, sum_up, trial_row

# The table of trials is written again at most this share of the time, however many trials there are.
MAX_TABLE_SHARE = 0.02


def utc_now() -> str:
    """Return the present time in UTC, ISO 8601, to the millisecond."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


class RunRecorder:
    """Writes the log and the tables of one run.

    Only sums of a trial that has ended are kept in memory, so that memory does not grow with the epochs of a sweep.

    Args:
        folder: The run folder; an existing log is continued.
        configs: All trials of the sweep by key, in order, including those that a search has proposed.
        costs: Their modelled inference costs by key.
        metadata: Stored in each table: ``run``, its name, and the objectives.
        initial_keys: Trials that are trained only because others start from them.
        energies_elsewhere: Training energy of trials of another run that trials of this one start from.
        images: The form of its images, which names its networks; None where no table needs them.
    """

    def __init__(
        self,
        folder: RunFolder,
        configs: Mapping[str, TrialConfig],
        costs: Mapping[str, ModelCosts],
        metadata: dict[str, Any],
        initial_keys: Collection[str] = (),
        energies_elsewhere: Mapping[str, float | None] | None = None,
        images: ImageFormat | None = None,
    ) -> None:
        self._folder = folder
        self._configs = dict(configs)
        self._costs = dict(costs)
        self._metadata = metadata
        self._initial_keys = frozenset(initial_keys)
        self._energies_elsewhere = dict(energies_elsewhere or {})
        self._images = images
        self._run = str(metadata["run"])  # the folder may have been renamed since
        self._log = RowLog(folder.log)
        self._energy = EnergyLog(folder.energy)
        self._rows: dict[str, list[Record]] = defaultdict(list)
        self._sums: dict[str, TrialSums] = {}
        self._events: dict[str, list[Record]] = defaultdict(list)
        self._attempts: dict[str, int] = defaultdict(int)
        self._unwritten: set[str] = set()
        self._next_table_s = 0.0
        self._load()

    def add_trials(self, configs: Mapping[str, TrialConfig], costs: Mapping[str, ModelCosts], **values: Any) -> None:
        """Record trials that a search proposes, before they start.

        Args:
            configs: By key, in order.
            costs: Their modelled inference costs by key.
            **values: Written into the log with them.
        """
        for key, config in configs.items():
            self._log.append({"kind": "trial", "trial_key": key, "config": config.model_dump(mode="json"), **values})
        self._configs |= configs
        self._costs |= costs

    def start_attempt(self, trial_key: str) -> None:
        """Record that a trial starts, or starts again."""
        self._add({"kind": "start", "trial_key": trial_key, "at_utc": utc_now()})

    def add_row(self, trial_key: str, ray_trial_id: str, row: Mapping[str, Any]) -> Record:
        """Record one epoch and return its complete row."""
        record = {
            "kind": "epoch",
            **identity_values(self._run, self._configs[trial_key], is_initial=trial_key in self._initial_keys),
            **row,
            "ray_trial_id": ray_trial_id,
            "attempt": self._attempts[trial_key],
            "recorded_at_utc": utc_now(),
        }
        self._add(record)
        return record

    def end_trial(self, trial_key: str, status: str, error: str | None = None, stop_reason: str | None = None) -> None:
        """Record how a trial ended and write its tables.

        Args:
            trial_key: The trial.
            status: ``done``, ``failed`` or ``stopped``.
            error: Why it failed.
            stop_reason: The rule that ended it early, and why.
        """
        ended = {"status": status, "error": error, "stop_reason": stop_reason, "at_utc": utc_now()}
        self._add({"kind": "end", "trial_key": trial_key, **ended})
        self._write_epochs(trial_key)
        if time.monotonic() >= self._next_table_s:
            begin_s = time.monotonic()
            self.write_trials()
            self._next_table_s = begin_s + (time.monotonic() - begin_s) / MAX_TABLE_SHARE

    def finish(self) -> None:
        """Write all tables that lack a record of the log, those of unfinished trials included, and close the log."""
        for trial_key in sorted(self._unwritten):
            self._write_epochs(trial_key)
        self.write_trials()
        self._log.close()

    def write_trials(self) -> None:
        """Write the table of trials and those of energy."""
        write_table(self._folder.trials, TRIAL_COLUMNS, self.trial_rows(), self._metadata)
        self._energy.write_tables(self._run, self._metadata)

    def trial_rows(self) -> list[Record]:
        """Return one row per trial of the sweep, in order."""
        self._energy.update()
        rows = [self.trial_row(key) for key in self._configs]
        energies = self._energies_elsewhere | {row["trial_key"]: row.get("energy_kwh") for row in rows}
        for row in rows:
            row["init_energy_kwh"] = initial_energy(self._configs[row["trial_key"]], energies)
        return rows

    def energy(self) -> EnergyLog:
        """Return the sums of what the ledgers have written so far."""
        self._energy.update()
        return self._energy

    def epochs_done(self) -> dict[str, int]:
        """Return the number of epochs with a row of each trial that has any."""
        return {key: self._sums_of(key).epochs_done for key in {**self._sums, **self._rows}}

    def statuses(self) -> dict[str, str]:
        """Return the status of each trial by key."""
        return self.statuses_of(self._configs)

    def statuses_of(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the status of each of some trials that the run knows."""
        return {key: status_of(self._events.get(key, [])) for key in keys if key in self._configs}

    def config(self, key: str) -> TrialConfig:
        """Return the configuration of a trial."""
        return self._configs[key]

    def trial_row(self, key: str) -> Record:
        """Return the row of one trial, without the energy of the trials that it builds on."""
        row = trial_row(
            self._run,
            self._configs[key],
            self._costs[key],
            self._sums_of(key),
            self._events.get(key, []),
            self._energy.segments.get(key, {}),
            is_initial=key in self._initial_keys,
        )
        return row if self._images is None else {**row, "network": network_key(self._configs[key], self._images)}

    def _sums_of(self, key: str) -> TrialSums:
        return self._sums[key] if key in self._sums else sum_up(self._rows.get(key, []))

    def _table(self, trial_key: str) -> Path:
        return self._folder.epochs / f"{trial_key}.parquet"

    def _write_epochs(self, trial_key: str) -> None:
        write_table(self._table(trial_key), EPOCH_COLUMNS, self._rows[trial_key], self._metadata)
        self._unwritten.discard(trial_key)
        self._forget_rows(trial_key)

    def _forget_rows(self, trial_key: str) -> None:
        if status_of(self._events[trial_key]) in ENDED:
            self._sums[trial_key] = sum_up(self._rows.pop(trial_key, []))

    def _recall_rows(self, trial_key: str) -> None:
        """Read the rows of a trial that starts again after its end, such as a failed one, from the log."""
        del self._sums[trial_key]
        self._rows[trial_key] = [
            record
            for record in read_log(self._folder.log)
            if record["kind"] == "epoch"
            and record["trial_key"] == trial_key
            and record["attempt"] <= self._attempts[trial_key]
        ]

    def _load(self) -> None:
        """Read the existing log; rows whose table is complete are not kept in memory."""
        for record in read_log(self._folder.log):
            self._remember(record)
            key = record["trial_key"]
            if record["kind"] == "end" and count_rows(self._table(key)) == len(self._rows[key]):
                self._unwritten.discard(key)
                self._forget_rows(key)

    def _add(self, record: Record) -> None:
        self._log.append(record)
        self._remember(record)

    def _remember(self, record: Record) -> None:
        key = record["trial_key"]
        if record["kind"] == "trial":
            return
        self._unwritten.add(key)
        if record["kind"] == "epoch":
            self._rows[key].append(record)
            return
        self._events[key].append(record)
        if record["kind"] == "start":
            if key in self._sums:
                self._recall_rows(key)
            self._attempts[key] += 1
