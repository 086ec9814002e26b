"""Every column of the results tables, declared once: type, unit and meaning.

Types and units travel in the Parquet files as Arrow field metadata, so that plots can label themselves.
Accuracies are fractions in [0, 1]. A value that was not measured is null, never 0.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lwq_tune.config.settings import Setting, settings_of
from lwq_tune.config.trial import TrialConfig

SCHEMA_VERSION = 4
ENDED = ("done", "failed", "stopped")
STATUSES = (*ENDED, "interrupted", "pending")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        kind: ``str``, ``int``, ``float`` or ``ints`` (a list of integers).
        unit: Empty for names and pure counts, ``1`` for fractions.
        meaning: One line, used as axis label where it is short.
        is_of_quantization: Whether it is a setting that a full-precision trial does not depend on.
        is_added: Whether tables of this schema version that an earlier version wrote lack it.
        before: Its value in those, null by default.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    is_of_quantization: bool = False
    is_added: bool = False
    before: Any = None

    @property
    def arrow_type(self) -> pa.DataType:
        """Arrow type of the column."""
        types = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "ints": pa.list_(pa.int32())}
        return types[self.kind]


def _is_added(one: Setting) -> bool:
    """Return whether a setting came after the first tables: at its default it is in no key, so that keys stayed."""
    return not one.is_in_key_at_default


IDENTITY = (
    Column("run", "str", "", "name of the run"),
    Column("trial_key", "str", "", "first 12 hex digits of the SHA-256 of the trial's configuration"),
    Column("role", "str", "", "trial, or initial: trained only because other trials start from it"),
    Column("init_trial_key", "str", "", "trial whose network this one starts from"),
    Column("schedule", "str", "", "name of the schedule of the weights"),
    Column("family", "str", "", "full_precision, fixed, ascending, descending or mixed"),
    Column("bit_widths", "ints", "bit", "weight bits per unit (by default a residual stage), shallow to deep"),
    Column("act_bit_widths", "ints", "bit", "activation bits per unit"),
)
NETWORK = Column("network", "str", "", "the network, see network.parquet: 12 hex digits of its digest", is_added=True)
CONFIG = tuple(
    Column(
        f"config_{one.name}",
        one.kind,
        one.unit,
        one.meaning,
        is_of_quantization=one.is_of_quantization,
        is_added=_is_added(one),
        before=one.default if _is_added(one) else None,
    )
    for one in settings_of(TrialConfig).values()
    if one.name not in ("bit_widths", "act_bit_widths")
)
METRICS = (
    Column("train_loss", "float", "nat", "training loss"),
    Column("train_accuracy", "float", "1", "training accuracy"),
    Column("val_loss", "float", "nat", "validation loss"),
    Column("val_accuracy", "float", "1", "validation accuracy"),
    Column("test_loss", "float", "nat", "test loss"),
    Column("test_accuracy", "float", "1", "test accuracy"),
)
TIMES = (
    Column("train_time_s", "float", "s", "time of the training passes"),
    Column("eval_time_s", "float", "s", "time of evaluation on validation and test images"),
    Column("epoch_time_s", "float", "s", "time of the epoch"),
    Column("images_per_s", "float", "1/s", "training images per second"),
    Column("peak_memory_mib", "float", "MiB", "peak resident memory of the process, or of the GPU"),
)
SETUP = (
    Column("engine", "str", "", "how steps were executed: eager or compiled"),
    Column("setup_time_s", "float", "s", "time of compiling and calibrating before the first step"),
    Column("setup_energy_kwh", "float", "kWh", "energy of the same, not part of training energy"),
    Column("setup_emissions_kg_co2eq", "float", "kg CO2eq", "emissions of the same"),
)
ENERGY = (
    Column("active_energy_kwh", "float", "kWh", "training energy above idle, the trial's share"),
    Column("idle_energy_kwh", "float", "kWh", "the trial's share of idle and memory energy while training"),
    Column("energy_kwh", "float", "kWh", "training energy"),
    Column("cpu_energy_kwh", "float", "kWh", "training energy of the CPU"),
    Column("gpu_energy_kwh", "float", "kWh", "training energy of the GPU"),
    Column("ram_energy_kwh", "float", "kWh", "training energy of the memory"),
    Column("emissions_kg_co2eq", "float", "kg CO2eq", "training emissions"),
    Column("eval_energy_kwh", "float", "kWh", "energy of evaluation, not part of training energy"),
    Column("eval_emissions_kg_co2eq", "float", "kg CO2eq", "emissions of evaluation"),
    Column("overhead_energy_kwh", "float", "kWh", "energy of the trial's process between passes: loading, checkpoints"),
    Column("overhead_emissions_kg_co2eq", "float", "kg CO2eq", "emissions of the same"),
)
CUMULATIVE = (
    Column("cumulative_energy_kwh", "float", "kWh", "training energy up to this epoch"),
    Column("cumulative_emissions_kg_co2eq", "float", "kg CO2eq", "training emissions up to this epoch"),
)
SOURCES = (
    Column("carbon_intensity_g_per_kwh", "float", "g/kWh", "emissions per energy used for all figures"),
    Column("carbon_intensity_source", "str", "", "where the carbon intensity comes from"),
    Column("cpu_source", "str", "", "how CPU energy was found: measured:… or estimated:…"),
    Column("gpu_source", "str", "", "how GPU energy was found"),
    Column("ram_source", "str", "", "how memory energy was found"),
    Column(
        "idle_source", "str", "", "how idle power is known: model, calibrated, or unknown, then all counts as active"
    ),
    Column("share_method", "str", "", "how the trial's share of its host was found"),
    Column("concurrency", "float", "", "mean number of trials on the host while training, this one included"),
    Column("coverage", "float", "1", "share of the training time that the meter saw"),
    Column("unmeasured_s", "float", "s", "training time that it did not see"),
    Column("pue", "float", "1", "power usage effectiveness that all energies are multiplied by"),
)
HOST = (
    Column("hostname", "str", "", "host"),
    Column("cpu_model", "str", "", "processor of the host"),
    Column("gpu_model", "str", "", "GPU the trial used"),
)
COSTS = (
    Column("weight_bits", "int", "bit", "bits of all packed weights"),
    Column("weight_mib", "float", "MiB", "packed size of all weights"),
    Column("mean_weight_bits", "float", "bit", "mean bits per weight over the units"),
    Column("macs", "int", "", "multiply-accumulates per image"),
    Column("bitops", "int", "", "MACs x weight bits x activation bits per image, whole network"),
    Column("stage_bitops", "int", "", "the same over the units"),
    Column("modelled_inference_energy_uj", "float", "uJ", "modelled MAC energy per image, 45 nm, no memory"),
)
EPOCH_COLUMNS = (
    *IDENTITY[:2],
    Column("ray_trial_id", "str", "", "Ray Tune's name of the trial"),
    Column("attempt", "int", "", "1 for the first start of the trial, one more for each restart"),
    Column("epoch", "int", "epoch", "epoch"),
    Column("energy_segment", "str", "", "start of the trial in one process, as in the energy tables"),
    *IDENTITY[2:],
    *CONFIG,
    *METRICS,
    Column("lr", "float", "1", "learning rate of the first step"),
    *TIMES,
    *SETUP,
    *ENERGY,
    *CUMULATIVE,
    *SOURCES,
    *HOST,
    Column("recorded_at_utc", "str", "", "when the row arrived, ISO 8601"),
)
TRIAL_COLUMNS = (
    *IDENTITY,
    NETWORK,
    Column("status", "str", "", "done, failed, stopped (by a rule, before its end), interrupted or pending"),
    Column("stop_reason", "str", "", "rule that ended the trial early, and why"),
    Column("error", "str", "", "why the trial failed"),
    Column("attempts", "int", "", "starts of the trial"),
    Column("epochs_done", "int", "epoch", "epochs with a row"),
    *CONFIG,
    *METRICS,
    *TIMES,
    *SETUP,
    *ENERGY,
    Column("init_energy_kwh", "float", "kWh", "training energy of all trials it builds on; theirs, not in energy_kwh"),
    Column(
        "discarded_energy_kwh", "float", "kWh", "energy of work that was lost, or trained again; in no other column"
    ),
    Column("discarded_emissions_kg_co2eq", "float", "kg CO2eq", "emissions of the same"),
    *SOURCES,
    *COSTS,
    *HOST,
    Column("started_at_utc", "str", "", "when the first attempt began, ISO 8601"),
    Column("ended_at_utc", "str", "", "when the trial ended, ISO 8601"),
)
# One row per layer of each network of a run, in forward order: every convolution and linear layer, in a unit or not.
NETWORK_COLUMNS = (
    Column("network", "str", "", NETWORK.meaning),
    Column("layer", "str", "", "name of the module"),
    Column("kind", "str", "", "conv or linear"),
    Column("unit", "int", "", "number of the unit that decides its bits, from 1; null where it is in none"),
    Column("unit_name", "str", "", "name of that unit"),
    Column(
        "is_first_or_last",
        "int",
        "",
        "1 for the first and the last layer, which have config_first_last_bit_width where they are in no unit, else 0; "
        "other layers in no unit are in full precision",
    ),
    Column("n_weights", "int", "", "weights, biases not counted"),
    Column("macs", "int", "", "multiply-accumulates per image"),
    Column("n_inputs", "int", "", "values that it reads per image"),
    Column("n_outputs", "int", "", "values that it writes per image"),
)
INTERVAL_COLUMNS = (
    Column("run", "str", "", "name of the run"),
    Column("host", "str", "", "host"),
    Column("interval", "int", "", "number of the interval on this host"),
    Column("begin_s", "float", "s", "begin, Unix time"),
    Column("time_s", "float", "s", "length"),
    Column("part", "str", "", "node, trial, driver, ray, ledger, other or unallocated; node is the sum of the others"),
    Column("trial_key", "str", "", "trial"),
    Column("segment", "str", "", "start of the trial in one process"),
    Column("domain", "str", "", "cpu, ram or gpu:INDEX"),
    Column("active_energy_kwh", "float", "kWh", "energy above idle"),
    Column("idle_energy_kwh", "float", "kWh", "share of idle energy"),
    Column("energy_kwh", "float", "kWh", "energy"),
    Column("emissions_kg_co2eq", "float", "kg CO2eq", "emissions"),
    Column("g_per_kwh", "float", "g/kWh", "carbon intensity"),
    Column("unmeasured_s", "float", "s", "time of the interval that the ledger did not see"),
    Column("flags", "str", "", "what was unusual"),
)
INFERENCE_COLUMNS = (
    *IDENTITY[:2],
    Column("schedule", "str", "", "name of the schedule of the weights"),
    Column("family", "str", "", "full_precision, fixed, ascending, descending or mixed"),
    *IDENTITY[6:],
    *CONFIG,
    Column("runtime", "str", "", "library that executed the network"),
    Column("runtime_version", "str", "", "its version"),
    Column("float_precision", "str", "", "what float layers compute with: f32 or bf16"),
    Column("batch_size", "int", "", "images per call"),
    Column("n_threads", "int", "", "threads of the runtime"),
    Column("repetition", "int", "", "repetition, from 1"),
    Column("position", "int", "", "place in the shuffled order of all measurements, from 1"),
    Column("energy_segment", "str", "", "process that measured it, as in the energy tables of the deployment"),
    Column("status", "str", "", "done or failed"),
    Column("error", "str", "", "why it failed"),
    Column("n_images", "int", "", "images in the window"),
    Column("n_distinct_images", "int", "", "different images that they were taken from in turn"),
    Column("window_s", "float", "s", "length of the window"),
    Column("warm_up_s", "float", "s", "time before the window until the speed was steady"),
    Column("is_steady", "int", "", "1 if the last three seconds of the warm-up agreed within 3 %, else 0"),
    Column("images_per_s", "float", "1/s", "images per second"),
    Column("time_per_image_us", "float", "us", "time per image"),
    Column("energy_per_image_uj", "float", "uJ", "energy per image, the process's share of idle energy included"),
    Column("active_energy_per_image_uj", "float", "uJ", "energy per image above idle"),
    Column("emissions_per_image_ug_co2eq", "float", "ug CO2eq", "emissions per image"),
    Column("compile_time_s", "float", "s", "time of loading and compiling the file"),
    Column("compile_energy_kwh", "float", "kWh", "energy of the same, in no figure per image"),
    Column("deployed_test_accuracy", "float", "1", "test accuracy of the deployed network"),
    Column("simulated_test_accuracy", "float", "1", "test accuracy of the same network simulated in torch"),
    Column("same_class", "float", "1", "share of test images on which both give the same class"),
    Column("file_bytes", "int", "B", "size of the ONNX file"),
    Column("packed_weight_bytes", "int", "B", "size of the quantized weights, packed"),
    Column("process_memory_mib", "float", "MiB", "peak resident memory of the process that ran it"),
    Column("n_layers", "int", "", "convolutions and linear layers"),
    Column("n_integer_layers", "int", "", "those that ran with integers"),
    Column("precision_class", "str", "", "what the quantized layers ran with, in the runtime's words, such as u8"),
    Column("float_fallbacks", "str", "", "quantized layers that ran in float, by name"),
    Column("executed_layers", "str", "", "precision and primitive of each layer as it ran, JSON"),
    Column("idle_power_w", "float", "W", "mean power of the host without load, before and after all measurements"),
    Column("carbon_intensity_g_per_kwh", "float", "g/kWh", "emissions per energy"),
    Column("carbon_intensity_source", "str", "", "where the carbon intensity comes from"),
    Column("cpu_source", "str", "", "how CPU energy was found: measured:… or estimated:…"),
    Column("ram_source", "str", "", "how memory energy was found"),
    Column("idle_source", "str", "", "how idle power is known"),
    Column("share_method", "str", "", "how the process's share of its host was found"),
    Column("coverage", "float", "1", "share of the window that the meter saw"),
    Column("concurrency", "float", "", "mean number of accounts on the host in the window, this one included"),
    Column("other_load", "float", "1", "CPU load of other processes in the window, a share of all CPUs"),
    Column("pue", "float", "1", "power usage effectiveness that all energies are multiplied by"),
    Column("hostname", "str", "", "host"),
    Column("cpu_model", "str", "", "processor of the host"),
    Column("instruction_set", "str", "", "instructions for few bits that the processor has: avx512_vnni, amx_int8, …"),
    Column("governor", "str", "", "frequency governor of the CPUs; empty where the host does not tell"),
    Column("measured_at_utc", "str", "", "when the window ended, ISO 8601"),
)
COLUMNS = {column.name: column for column in (*INFERENCE_COLUMNS, *TRIAL_COLUMNS, *EPOCH_COLUMNS)}
# Columns that tables of earlier versions lack, and their value there.
ADDED = {column.name: column.before for column in COLUMNS.values() if column.is_added}


def arrow_schema(columns: Sequence[Column], metadata: dict[str, Any]) -> pa.Schema:
    """Return the Arrow schema of a table.

    Args:
        columns: Those of the table, such as `TRIAL_COLUMNS`.
        metadata: Added to the file; values are stored as JSON. ``schema_version`` is set here.
    """
    fields = [
        pa.field(column.name, column.arrow_type, metadata={b"unit": column.unit, b"meaning": column.meaning})
        for column in columns
    ]
    described = {"schema_version": SCHEMA_VERSION, **metadata}
    return pa.schema(fields, metadata={key: json.dumps(value) for key, value in described.items()})


def read_metadata(schema: pa.Schema) -> dict[str, Any]:
    """Return what `arrow_schema` stored in a file, without the entries of other writers."""
    metadata = {}
    for key, value in (schema.metadata or {}).items():
        try:
            metadata[key.decode()] = json.loads(value)
        except ValueError:
            continue  # such as pandas' own entry, which is not ours to read
    return metadata
