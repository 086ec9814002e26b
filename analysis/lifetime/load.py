"""Reads `inference.parquet` of run folders, and chooses the measurements that stand on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from analysis.energy.ledgers import FULL_PRECISION
from analysis.runs.comparability import MIN_COVERAGE
from analysis.runs.keys import CONFIGURATION
from analysis.runs.load import INFERENCE_FILE, AnalysisError, read_tables
from analysis.runs.networks import RecordedNetwork
from analysis.runs.seeds import configuration_labels, name_trials
from analysis.wording import counted, join_words
from lwq_tune.results.schema import INFERENCE_COLUMNS

# The process that measured is of the audit; tables of earlier versions do not name it.
INFERENCE_TYPES = pa.schema(
    [(column.name, column.arrow_type) for column in INFERENCE_COLUMNS if column.name != "energy_segment"]
)
VARIANT, ENERGY = "variant", "energy_per_image_uj"
# Beside runtime, batch size and host: what differs in these costs something else for another reason than its bits.
ALIKE = {
    "runtime_version": "versions of the runtime",
    "n_threads": "numbers of threads",
    "cpu_model": "processors",
    "instruction_set": "instruction sets",
    "cpu_source": "sources of CPU energy",
    "ram_source": "sources of memory energy",
    "share_method": "ways to find the share of the host",
    "pue": "power usage effectiveness",
}
OF_HOST = ("cpu_model", "instruction_set", "cpu_source", "ram_source", "share_method", "pue")


@dataclass(frozen=True)
class Measurements:
    """Finished measurements that stand on one axis: one runtime, one batch size, one host.

    Attributes:
        rows: One row per network and repetition: the columns of `lwq_tune.results.schema.INFERENCE_COLUMNS`,
            ``configuration`` and ``macs`` of the trial, ``shape`` (the layers of its network), ``variant`` (a number
            for each configuration and precision of its float layers) and ``label``, what to call it.
        notes: What a reader must know of measurements that are left out or mixed.
    """

    rows: pd.DataFrame
    notes: tuple[str, ...]


def has_inference(run_dir: Path) -> bool:
    """Return whether inference of a run was measured."""
    return (run_dir.resolve() / INFERENCE_FILE).is_file()


def load_inference(run_dirs: Sequence[Path]) -> pd.DataFrame:
    """Return the measured inferences of several runs, failed ones included, and their ``folder``.

    Raises:
        AnalysisError: A run holds no measurement, or its table cannot be read.
    """
    frames = []
    for run_dir in run_dirs:
        file = run_dir.resolve() / INFERENCE_FILE
        if not has_inference(run_dir):
            raise AnalysisError(
                f"a lifetime needs measured inference, {run_dir} has no {INFERENCE_FILE}; run `python -m lwq_tune "
                f"deploy {run_dir}` first"
            )
        frames.append(read_tables([file], INFERENCE_TYPES).assign(folder=str(file.parent)))
    return pd.concat(frames, ignore_index=True)


def choose_measurements(
    inference: pd.DataFrame,
    trials: pd.DataFrame,
    *,
    batch_size: int | None = None,
    runtime: str | None = None,
    mixed_hosts: bool = False,
) -> Measurements:
    """Return the finished measurements of one runtime and one batch size.

    Args:
        inference: From `load_inference`.
        trials: Finished trials of the same runs.
        batch_size: Images per call; the smallest that was measured without it.
        runtime: Library that executed the networks; needed where several did.
        mixed_hosts: Whether measurements of several hosts may stand on one axis.

    Raises:
        AnalysisError: Nothing is left, or what is left cannot stand on one axis.
    """
    done = inference[inference["status"] == "done"]
    failed = inference[inference["status"] != "done"]
    if done.empty:
        raise AnalysisError(
            f"a lifetime needs measured inference, {_count_failed(failed) or 'there is none'}; run `python -m lwq_tune "
            "deploy` again"
        )
    rows = _choose(done, "runtime", "--runtime", runtime, None)
    smallest = int(rows["batch_size"].min())
    rows = _choose(rows, "batch_size", "--batch", batch_size, smallest)
    notes = [_other_batches(done, rows)] if batch_size is None else []
    notes += _check_alike(rows, mixed_hosts=mixed_hosts)
    rows, lacking = _join(rows, trials)
    return Measurements(rows, tuple(filter(None, [*notes, *lacking, *_doubts(rows), _count_failed(failed)])))


def _doubts(rows: pd.DataFrame) -> list[str]:
    """Return a line on windows that were not steady, and on those that the meter saw in part."""
    n_unsteady = int((rows["is_steady"] == 0).sum())
    n_partly = int((rows["coverage"] < MIN_COVERAGE).sum())
    doubts = []
    if n_unsteady:
        doubts.append(f"{n_unsteady} of {len(rows)} measurements began before the speed was steady (is_steady)")
    if n_partly:
        doubts.append(
            f"of {n_partly} of {len(rows)} measurements the meter saw less than {MIN_COVERAGE:.0%} of the window, down "
            f"to {rows['coverage'].min():.1%} (coverage)"
        )
    return doubts


def _choose(
    rows: pd.DataFrame, column: str, option: str, wanted: int | str | None, default: int | None
) -> pd.DataFrame:
    found = sorted(rows[column].unique())
    if wanted is None:
        wanted = default if default is not None or len(found) > 1 else found[0]
    listed = ", ".join(map(str, found))
    if wanted is None:
        raise AnalysisError(f"a lifetime is of one {column}, these were measured: {listed}; choose one by {option}")
    if wanted not in found:
        raise AnalysisError(f"{option} takes a measured {column}: {listed}, got {wanted}")
    return rows[rows[column] == wanted]


def _other_batches(done: pd.DataFrame, rows: pd.DataFrame) -> str:
    own = rows["batch_size"].iloc[0]
    others = sorted(set(done["batch_size"]) - {own})
    return f"batch size {own}; also measured: {', '.join(map(str, others))} (--batch)" if others else ""


def _check_alike(rows: pd.DataFrame, *, mixed_hosts: bool) -> list[str]:
    """Refuse measurements that differ in more than the network; return what is mixed on request."""
    hosts = sorted(rows["hostname"].dropna().unique())
    if len(hosts) > 1 and not mixed_hosts:
        raise AnalysisError(
            f"inferences on one axis are of one host, these are of {join_words(hosts)}; analyse them apart, or give "
            "--mixed-hosts"
        )
    differing = []
    for column, name in ALIKE.items():
        if len(hosts) > 1 and column in OF_HOST:
            continue
        values = sorted({str(value) for value in rows[column].astype(object).where(rows[column].notna(), "none")})
        if len(values) > 1:
            differing.append(f"{name} ({', '.join(values)})")
    if differing:
        raise AnalysisError(
            f"inferences on one axis must be comparable, these differ in {'; '.join(differing)}; measure them again "
            "with the same settings"
        )
    if len(hosts) > 1:
        return [f"inferences of several hosts are mixed ({', '.join(hosts)}): differences may be of the hosts"]
    return []


def _join(rows: pd.DataFrame, trials: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows with what their trials say of them, and a line on those that are left out."""
    shapes = [network.shape if isinstance(network, RecordedNetwork) else () for network in trials["network"]]
    named = trials.assign(label=configuration_labels(trials), shape=pd.Series(shapes, index=trials.index, dtype=object))
    columns = ["folder", "trial_key", CONFIGURATION, "macs", "shape", "label"]
    joined = rows.merge(named[columns], on=["folder", "trial_key"])
    notes = []
    if n_lost := len(rows) - len(joined):
        notes.append(f"left out: {counted(n_lost, 'measurement')} of trials that are not finished ones of these runs")
    unknown = ~np.isfinite(joined[[ENERGY, "deployed_test_accuracy"]].to_numpy(dtype=float)).all(axis=1)
    unknown |= (joined[ENERGY] <= 0).to_numpy()
    if unknown.any():
        lost = joined[unknown].drop_duplicates(["folder", "trial_key"])
        notes.append(
            f"left out: {counted(int(unknown.sum()), 'measurement')} without energy per image or accuracy of the "
            f"deployed network ({name_trials(lost)})"
        )
    joined = joined[~unknown].reset_index(drop=True)
    if joined.empty:
        raise AnalysisError(
            "a lifetime needs energy per image and the accuracy of the deployed network, no measurement has both; "
            "run `python -m lwq_tune deploy` with an energy source"
        )
    return _name_variants(joined), notes


def _name_variants(rows: pd.DataFrame) -> pd.DataFrame:
    """Number the variants, and call them by their precision where a configuration has several, or is in float."""
    keys = [CONFIGURATION, "float_precision"]
    n_precisions = rows.groupby(CONFIGURATION)["float_precision"].transform("nunique")
    is_named = (n_precisions > 1) | (rows["schedule"] == FULL_PRECISION)
    named = rows["label"] + " (" + rows["float_precision"] + ")"
    return rows.assign(**{VARIANT: rows.groupby(keys).ngroup(), "label": rows["label"].where(~is_named, named)})


def _count_failed(failed: pd.DataFrame) -> str:
    if failed.empty:
        return ""
    words = failed["error"].dropna()
    why = f", {words.iloc[0]}" if len(words) else ""
    networks = failed.drop_duplicates(["folder", "trial_key", "float_precision", "batch_size"])
    return f"{counted(len(failed), 'measurement')} failed ({name_trials(networks)}{why})"
