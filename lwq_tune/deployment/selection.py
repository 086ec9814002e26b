"""Which networks of a run are measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow.parquet as pq

from lwq_tune.config.trial import TrialConfig
from lwq_tune.errors import ResultsError
from lwq_tune.results.manifest import Manifest
from lwq_tune.results.run_folder import RunFolder


def choose_networks(
    folder: RunFolder,
    manifest: Manifest,
    configs: Mapping[str, TrialConfig],
    which: str,
    keys: Sequence[str] = (),
) -> dict[str, TrialConfig]:
    """Return the trials whose networks are measured, by key; with a full-precision trial, if there is one.

    Args:
        folder: Run folder.
        manifest: Its manifest.
        configs: All trials of the run.
        which: ``one_seed``, the first finished seed of each configuration; ``front``, of those the ones on the front of
            the run's objectives; or ``all`` finished trials.
        keys: Keys or their beginnings, in place of the choice.

    Raises:
        ResultsError: There is no such trial, or none has finished.
    """
    table = (
        pq.read_table(folder.trials).to_pylist() if folder.trials.exists() else []
    )  # written at the end of a session
    rows = {row["trial_key"]: row for row in table if row["status"] == "done"}
    done = {key: config for key, config in configs.items() if key in rows}
    if keys:
        chosen = dict(_one(done, key) for key in keys)
    elif which == "all":
        chosen = {key: config for key, config in done.items() if rows[key]["role"] == "trial"}
    else:
        by_configuration: dict[str, str] = {}
        for key, config in sorted(done.items(), key=lambda item: item[1].seed):
            if rows[key]["role"] == "trial":
                by_configuration.setdefault(config.model_copy(update={"seed": 0}).model_dump_json(), key)
        chosen = {key: done[key] for key in by_configuration.values()}
        if which == "front":
            chosen = {key: chosen[key] for key in _front(chosen, rows, manifest)}
    if not chosen:
        raise ResultsError(f"networks are measured once they are trained, no trial of {folder.path} is done")
    if not any(config.is_full_precision for config in chosen.values()):
        full = next((item for item in done.items() if item[1].is_full_precision), None)
        chosen |= {} if full is None else dict([full])
    return chosen


def _one(done: Mapping[str, TrialConfig], key: str) -> tuple[str, TrialConfig]:
    found = [item for item in done.items() if item[0].startswith(key)]
    if len(found) != 1:
        listed = "".join(f"\n  {one}  {config.schedule} seed {config.seed}" for one, config in found or done.items())
        raise ResultsError(
            f"--trial must be the key of one finished trial, or its beginning, got {key!r}; there are{listed}"
        )
    return found[0]


def _front(
    chosen: Mapping[str, TrialConfig], rows: Mapping[str, Mapping[str, object]], manifest: Manifest
) -> list[str]:
    """Return the keys that no other dominates in the objectives of the run."""
    axes = [(str(one["column"]), 1 if one["direction"] == "minimize" else -1) for one in manifest.objectives]
    costs = {
        key: tuple(sign * float(rows[key][column]) for column, sign in axes)  # type: ignore[arg-type]
        for key in chosen
        if all(rows[key].get(column) is not None for column, _ in axes)
    }
    return [
        key
        for key, own in costs.items()
        if not any(all(a <= b for a, b in zip(other, own, strict=True)) and other != own for other in costs.values())
    ]
