"""What an audit reads of a run: its trials, all its epochs, and the intervals of its energy ledgers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from analysis.runs.load import INFERENCE_FILE, AnalysisError, read_tables, trials_file
from lwq_tune.results.schema import EPOCH_COLUMNS, INFERENCE_COLUMNS, INTERVAL_COLUMNS, TRIAL_COLUMNS, Column

DOMAINS = ["cpu_energy_kwh", "gpu_energy_kwh", "ram_energy_kwh"]
ROW_ENERGIES = ["energy_kwh", "eval_energy_kwh", "setup_energy_kwh", "overhead_energy_kwh"]
SUMMED = [
    *ROW_ENERGIES,
    "active_energy_kwh",
    "idle_energy_kwh",
    *DOMAINS,
    "emissions_kg_co2eq",
    "eval_emissions_kg_co2eq",
    "setup_emissions_kg_co2eq",
    "overhead_emissions_kg_co2eq",
]
RUNNING = {
    "cumulative_energy_kwh": "energy_kwh",
    "cumulative_emissions_kg_co2eq": "emissions_kg_co2eq",
}
SOURCES = ["cpu_source", "gpu_source", "ram_source", "idle_source"]
LEDGER_FIGURES = ["active_energy_kwh", "idle_energy_kwh", "energy_kwh", "emissions_kg_co2eq", "g_per_kwh"]


def _schema(columns: Sequence[Column], names: Sequence[str]) -> pa.Schema:
    types = {column.name: column.arrow_type for column in columns}
    return pa.schema([(name, types[name]) for name in names])


TRIALS = _schema(TRIAL_COLUMNS, ["trial_key", "status", *SUMMED, "discarded_energy_kwh"])
EPOCH_NAMES = ["trial_key", "epoch", "attempt", "energy_segment", "hostname", *SOURCES, "share_method", "coverage"]
EPOCHS = _schema(EPOCH_COLUMNS, [*EPOCH_NAMES, *SUMMED, *RUNNING])
INTERVAL_NAMES = ["host", "interval", "time_s", "part", "trial_key", "segment", "domain", "unmeasured_s", "flags"]
INTERVALS = _schema(INTERVAL_COLUMNS, [*INTERVAL_NAMES, *LEDGER_FIGURES])

INFERENCE_FIGURES = [
    "n_images",
    "window_s",
    "time_per_image_us",
    "energy_per_image_uj",
    "active_energy_per_image_uj",
    "emissions_per_image_ug_co2eq",
    "carbon_intensity_g_per_kwh",
    "compile_energy_kwh",
]
PROCESS = "energy_segment"
INFERENCE_NAMES = ["status", "trial_key", "float_precision", "batch_size", "repetition", *INFERENCE_FIGURES]
INFERENCE = _schema(INFERENCE_COLUMNS, [*INFERENCE_NAMES, PROCESS])


@dataclass(frozen=True)
class Tables:
    """What a run recorded; null figures are NaN.

    Attributes:
        trials: One row per trial, those included that others start from.
        epochs: One row per epoch and attempt.
        intervals: One row per interval, part and domain, of all hosts.
        inference: One row per finished measurement of a deployed network; None where nothing was deployed.
        deployment_intervals: As ``intervals``, of the ledger while deployed networks were measured.
    """

    folder: Path
    trials: pd.DataFrame
    epochs: pd.DataFrame
    intervals: pd.DataFrame
    inference: pd.DataFrame | None = None
    deployment_intervals: pd.DataFrame | None = None

    @property
    def counted(self) -> pd.DataFrame:
        """Of each epoch the last attempt, in order."""
        ordered = self.epochs.sort_values(["trial_key", "epoch", "attempt"])
        return ordered.drop_duplicates(["trial_key", "epoch"], keep="last")


def load_tables(run_dir: Path) -> Tables:
    """Return the tables of one run, no row left out.

    Raises:
        AnalysisError: The folder holds no sweep or no intervals, or its tables cannot be read.
    """
    folder = run_dir.resolve()
    trials = trials_file(folder)
    epochs = sorted((folder / "epochs").glob("*.parquet"))
    intervals = sorted((folder / "energy").glob("*.parquet"))
    if not intervals:
        raise AnalysisError(
            f"an audit adds up the intervals of the energy ledger, {folder} has no energy/*.parquet: it ran with "
            "--no-energy, is older than the ledger, or has not ended; audit a sweep that measured energy to its end"
        )
    inference = folder / INFERENCE_FILE
    deployed = sorted((folder / "deployed" / "energy").glob("*.parquet"))
    has_inference = inference.is_file()
    return Tables(
        folder=folder,
        trials=read_tables([trials], TRIALS),
        epochs=read_tables(epochs, EPOCHS).fillna({"energy_segment": ""}),
        intervals=_read_intervals(intervals),
        inference=_read_inference(inference) if has_inference else None,
        deployment_intervals=_read_intervals(deployed) if has_inference else None,
    )


def _read_intervals(files: Sequence[Path]) -> pd.DataFrame:
    return read_tables(files, INTERVALS).fillna({"trial_key": "", "segment": ""})


def _read_inference(file: Path) -> pd.DataFrame:
    """Return the finished measurements; those of earlier versions do not name their process."""
    rows = read_tables([file], INFERENCE, added={PROCESS: ""}).fillna({PROCESS: ""})
    return rows[rows["status"] == "done"].reset_index(drop=True)
