"""The manifest of a run: what was asked, with what, where. Written before the first trial starts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.config.sweep import SweepConfig
from lwq_tune.config.trial import TrialConfig
from lwq_tune.errors import ResultsError
from lwq_tune.host.hardware import host
from lwq_tune.host.versions import commit, versions
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.results.schema import SCHEMA_VERSION
from lwq_tune.results.tables import write_json

SOURCE_COLUMNS = ("cpu_source", "gpu_source", "ram_source", "idle_source", "share_method")


@dataclass(frozen=True)
class SpaceRecord:
    """The search space of a run as it was asked for.

    Attributes:
        name: Its name.
        path: Its file; empty if it came from elsewhere.
        sha256: Digest of the text.
        overrides: ``KEY=VALUE`` in place of its settings.
        text: The file as it was read.
        is_adaptive: Whether a search proposes trials that the manifest does not list.
    """

    name: str
    path: str
    sha256: str
    overrides: tuple[str, ...]
    text: str
    is_adaptive: bool = False


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a run was asked for, and what is known of its sessions; ``manifest.json`` holds these fields.

    Attributes:
        run: Name of the run.
        space: Its search space.
        objectives: Axes of its front: ``column`` and ``direction``.
        sweep: Record of its `SweepConfig`, see `sweep_config`.
        dataset: Record of its data set.
        carbon_intensity: Record of the carbon intensity by host, see `intensities`.
        trials: Records of the trials that are known before the first starts, see `configs`.
        initial_trials: Keys of those that are trained only because others start from them.
        init_energies_kwh: Training energy of trials of another run that may be started from, by key.
        sessions: Each start of the sweep: when, with which arguments and software, on which host.
        energy_sources: How energies were found, by host; None before the first session has ended.
        trial_statuses: Number of trials by status; None before the first session has ended.
        estimate: The estimate made before the sweep started, if one was asked for.
        schema_version: Of the results tables.
    """

    run: str
    space: SpaceRecord
    objectives: Sequence[Mapping[str, Any]]
    sweep: Mapping[str, Any]
    dataset: Mapping[str, Any]
    carbon_intensity: Mapping[str, Any]
    trials: Sequence[Mapping[str, Any]]
    initial_trials: Sequence[str]
    init_energies_kwh: Mapping[str, float | None]
    sessions: Sequence[Mapping[str, Any]]
    energy_sources: Mapping[str, Any] | None = None
    trial_statuses: Mapping[str, int] | None = None
    estimate: Mapping[str, Any] | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def table_metadata(self) -> dict[str, Any]:
        """What the tables hold of it, so that they can be read without it."""
        return {"run": self.run, "objectives": self.objectives}

    def sweep_config(self, **changes: Any) -> SweepConfig:
        """Return how the sweep runs, with some settings changed.

        Raises:
            ResultsError: The manifest was edited.
        """
        try:
            return SweepConfig.model_validate_json(json.dumps({**self.sweep, **changes}))
        except (TypeError, ValueError) as error:
            raise ResultsError(
                f"a run is continued as it was asked for, the sweep of its manifest.json was changed: {error}"
            ) from error

    def intensities(self) -> dict[str, IntensitySeries]:
        """Return the carbon intensities with which the run began, by host.

        Raises:
            ResultsError: The manifest was edited.
        """
        try:
            return {name: IntensitySeries.from_dict(values) for name, values in self.carbon_intensity.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ResultsError(
                f"a run is continued as it was asked for, its carbon intensity was changed: {error}"
            ) from error

    def configs(self) -> dict[str, TrialConfig]:
        """Return its trials by key, in order.

        Raises:
            ResultsError: The manifest was edited.
        """
        return trial_configs(self.trials)

    def after_session(self, trial_rows: Sequence[Mapping[str, Any]], ended_at_utc: str) -> Manifest:
        """Return it with what is known at the end of a session: statuses of the trials, energy sources."""
        statuses = [row["status"] for row in trial_rows]
        return replace(
            self,
            sessions=[*self.sessions[:-1], {**self.sessions[-1], "ended_at_utc": ended_at_utc}],
            trial_statuses={status: statuses.count(status) for status in sorted(set(statuses))},
            energy_sources={
                row["hostname"]: {name: row[name] for name in SOURCE_COLUMNS}
                for row in trial_rows
                if row.get("hostname")
            },
        )

    def write(self, folder: RunFolder) -> None:
        """Write it into the run folder, whole or not at all."""
        write_json(folder.manifest, {"schema_version": self.schema_version, **asdict(self)})


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of a run folder.

    Raises:
        ResultsError: There is none, or another version of this tool wrote it.
    """
    file = RunFolder(path).manifest
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ResultsError(
            f"a run folder holds manifest.json, {path} does not; a sweep prints its run folder on its last line"
        ) from error
    except (OSError, ValueError) as error:
        raise ResultsError(f"manifest.json must be readable, {file} is not: {error}") from error
    known = [field.name for field in fields(Manifest)]
    required = [name for name in known if name not in ("energy_sources", "trial_statuses", "estimate")]
    missing = [key for key in required if not isinstance(values, dict) or key not in values]
    if missing:
        raise ResultsError(f"a manifest holds {', '.join(required)}; {file} lacks {', '.join(missing)}")
    if values["schema_version"] != SCHEMA_VERSION:
        raise ResultsError(
            f"this version reads runs of schema version {SCHEMA_VERSION}, {file} has "
            f"{values['schema_version']}; use the lwq_tune that wrote it"
        )
    try:
        space = SpaceRecord(**{**values["space"], "overrides": tuple(values["space"]["overrides"])})
    except (KeyError, TypeError) as error:
        names = ", ".join(field.name for field in fields(SpaceRecord))
        raise ResultsError(f"the space of a manifest holds {names}; in {file} it was changed: {error}") from error
    return Manifest(**{name: values[name] for name in known if name in values} | {"space": space})


def trial_configs(records: Sequence[Mapping[str, Any]]) -> dict[str, TrialConfig]:
    """Return the trials that a run has recorded, by key, in order.

    Raises:
        ResultsError: A record was edited.
    """
    try:
        trials = [TrialConfig(**record) for record in records]
    except (TypeError, ValueError) as error:
        raise ResultsError(
            f"a run is continued as it was asked for, its manifest.json or rows.jsonl was changed: {error}"
        ) from error
    return {trial.trial_key: trial for trial in trials}


def new_session(arguments: Sequence[str], started_at_utc: str) -> dict[str, Any]:
    """Return the record of one start of a sweep: when, with which arguments and software, on which host."""
    return {
        "started_at_utc": started_at_utc,
        "ended_at_utc": None,
        "arguments": list(arguments),
        "versions": versions(),
        "commit": commit(),
        "host": host(),
    }
