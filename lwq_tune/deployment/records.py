"""Rows of ``inference.parquet``, and the log that they are written from, so that a killed measurement is continued."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lwq_tune.config.trial import TrialConfig
from lwq_tune.deployment.onnx_graph import LayerPlan, executed_layers, float_fallbacks
from lwq_tune.deployment.runtimes.base import ExecutedLayer
from lwq_tune.files.jsonl import append, cut_unfinished_line, line_of, open_log, whole_lines
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.results.schema import CONFIG, INFERENCE_COLUMNS
from lwq_tune.results.tables import write_table

Record = dict[str, Any]


@dataclass(frozen=True)
class Turn:
    """One load of one network, in which it is measured at each batch size.

    Attributes:
        trial_key: Its trial.
        precision: What float layers compute with.
        repetition: From 1.
    """

    trial_key: str
    precision: str
    repetition: int


@dataclass(frozen=True)
class PreparedNetwork:
    """An exported network, or why there is none.

    Attributes:
        trial_key: Its trial.
        layers: How each layer is written.
        packed_weight_bytes: Size of its quantized weights at their bits.
        simulated_test_accuracy: Test accuracy of the trained network in torch.
        simulated_classes: The class that it gives each test image.
        error: Why it was not exported, else None.
    """

    trial_key: str
    layers: Sequence[LayerPlan] = ()
    packed_weight_bytes: int | None = None
    simulated_test_accuracy: float | None = None
    simulated_classes: Sequence[int] = ()
    error: str | None = None


class InferenceLog:
    """The measurements of a run, a line each in ``deployed/inference.jsonl``.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.path = folder.path / "deployed" / "inference.jsonl"
        self.path.parent.mkdir(exist_ok=True)
        if self.path.exists():
            cut_unfinished_line(self.path)

    def append(self, records: Sequence[Record]) -> None:
        """Add records; either all are in the file or none."""
        with open_log(self.path) as log:
            append(log, b"".join(line_of(record) for record in records), is_synced=True)

    def read(self) -> list[Record]:
        """Return all records, in order."""
        return [json.loads(line) for line in whole_lines(self.path)] if self.path.exists() else []


def turns_done(records: Sequence[Record], conditions: Mapping[str, Any]) -> set[Turn]:
    """Return the turns that were measured under some conditions."""
    return {
        Turn(record["trial_key"], record["float_precision"], record["repetition"])
        for record in records
        if record["kind"] == "window" and record["conditions"] == conditions and record["status"] == "done"
    }


def without_overcome_failures(records: Sequence[Record]) -> list[Record]:
    """Return records without failures of turns that were measured later, or that failed again, under their conditions.

    >>> turn = {"trial_key": "k", "float_precision": "f32", "repetition": 1, "conditions": {}}
    >>> failed, done = ({"kind": "window", "status": status, **turn} for status in ("failed", "done"))
    >>> [one["status"] for one in without_overcome_failures([failed, done])]
    ['done']
    """
    last = {_turn_and_conditions(one): index for index, one in enumerate(records) if one["kind"] == "window"}
    return [
        one
        for index, one in enumerate(records)
        if one.get("status") != "failed" or last[_turn_and_conditions(one)] == index
    ]


def _turn_and_conditions(record: Record) -> tuple[Any, ...]:
    conditions = json.dumps(record["conditions"], sort_keys=True)
    return record["trial_key"], record["float_precision"], record["repetition"], conditions


def identity(run: str, config: TrialConfig) -> Record:
    """Return the columns that say which network a row is of."""
    values = config.model_dump(mode="json")
    return {
        "run": run,
        "trial_key": config.trial_key,
        "schedule": config.schedule,
        "family": config.family,
        "bit_widths": values["bit_widths"],
        "act_bit_widths": values["act_bit_widths"],
        **{column.name: values[column.name.removeprefix("config_")] for column in CONFIG},
    }


def layer_columns(layers: Sequence[LayerPlan], executed: Sequence[Sequence[str]]) -> Record:
    """Return the columns on what ran.

    Args:
        layers: How each layer is written in the file.
        executed: Name, precision and primitive of each layer in the runtime's words; empty where it does not tell.
    """
    ran = executed_layers(layers, [ExecutedLayer(*one) for one in executed])
    quantized = sorted({ran[one.name].precision for one in layers if one.is_integer and one.name in ran})
    fallbacks = float_fallbacks(layers, ran)
    return {
        "n_layers": len(layers),
        "n_integer_layers": sum(one.is_integer for one in ran.values()) if executed else None,
        "precision_class": "+".join(quantized) or None,
        "float_fallbacks": ", ".join(fallbacks) or None,
        "executed_layers": json.dumps({name: [one.precision, one.primitive] for name, one in ran.items()})
        if executed
        else None,
    }


def write_inference_table(folder: RunFolder, rows: Sequence[Record], metadata: Mapping[str, Any]) -> Path:
    """Write ``inference.parquet`` and return it."""
    file = folder.path / "inference.parquet"
    write_table(file, INFERENCE_COLUMNS, list(rows), dict(metadata))
    return file


def as_record(network: PreparedNetwork) -> Record:
    """Return a prepared network as JSON knows it."""
    return {**asdict(network), "layers": [asdict(layer) for layer in network.layers]}


def from_record(record: Mapping[str, Any]) -> PreparedNetwork:
    """Return the network of a record."""
    return PreparedNetwork(**{**record, "layers": [LayerPlan(**layer) for layer in record["layers"]]})
