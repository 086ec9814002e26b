"""The trials of a run: those of its manifest, and those that a search has proposed since."""

from __future__ import annotations

from dataclasses import dataclass

from lwq_tune.config.trial import TrialConfig
from lwq_tune.results.manifest import Manifest, trial_configs
from lwq_tune.results.store import RunFolder, read_log


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
    records = [one for one in read_log(folder.log) if one["kind"] == "trial"] if manifest.space.is_adaptive else []
    proposed = trial_configs([record["config"] for record in records])
    return AskedTrials(manifest.configs(), proposed, int(records[0]["lag"]) if records else None)
