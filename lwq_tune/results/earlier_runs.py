"""The trials of a run: those of its manifest, and those that a search has proposed since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lwq_tune.config.trial import TrialConfig
from lwq_tune.errors import ResultsError
from lwq_tune.results.manifest import Manifest
from lwq_tune.results.run_folder import RunFolder, read_log


@dataclass(frozen=True)
class AskedTrials:
    """Trials of a run.

    Attributes:
        listed: Those of the manifest by key, in order.
        proposed: Those that a search has proposed by key, in order.
        lag: Number of proposals made before the outcome of the first is used; None before the first proposal.
    """

    listed: dict[str, TrialConfig]
    proposed: dict[str, TrialConfig]
    lag: int | None

    @property
    def all(self) -> dict[str, TrialConfig]:
        """All of them."""
        return self.listed | self.proposed


def read_trials(manifest: Manifest, folder: RunFolder) -> AskedTrials:
    """Return the trials of a run.

    Raises:
        ResultsError: Manifest or log were edited, or are damaged.
    """
    is_adaptive = manifest["space"].get("is_adaptive", False)
    records = [record for record in read_log(folder.log) if record["kind"] == "trial"] if is_adaptive else []
    listed = _configs(manifest["trials"], folder)
    proposed = _configs([record["config"] for record in records], folder)
    return AskedTrials(listed, proposed, int(records[0]["lag"]) if records else None)


def _configs(values: list[dict[str, Any]], folder: RunFolder) -> dict[str, TrialConfig]:
    try:
        trials = [TrialConfig(**one) for one in values]
    except (TypeError, ValueError) as error:
        raise ResultsError(
            f"a run is continued as it was asked for, {folder.manifest} or {folder.log} was changed: {error}"
        ) from error
    return {trial.trial_key: trial for trial in trials}
