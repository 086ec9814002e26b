"""The networks of a run: their layers as a table, and a copy of the code of a user's own.

A run goes on, and its networks are exported, with the code that it began with, whatever becomes of the file.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pyarrow.parquet as pq

from lwq_tune.config.trial import TrialConfig
from lwq_tune.errors import ResultsError
from lwq_tune.files.atomic import whole_file
from lwq_tune.models.description import describe_network
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.models.inference_costs import ModelCosts, model_costs
from lwq_tune.models.layer_shapes import FULL_PRECISION_BITS
from lwq_tune.models.network import Layer
from lwq_tune.models.spec import file_of, is_file, source_digest, split_factory
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.results.schema import NETWORK_COLUMNS
from lwq_tune.results.tables import write_table

KEY_LENGTH = 12


def network_key(trial: TrialConfig, images: ImageFormat) -> str:
    """Return what tells networks apart that differ in layers or units: 12 hex digits."""
    spec = asdict(trial.network) | {"weights": None, "source": trial.source_digest, "images": asdict(images)}
    if trial.source_digest is not None:
        spec["model"] = split_factory(trial.model)[1]
    canonical = json.dumps(spec, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:KEY_LENGTH]


def trial_costs(trial: TrialConfig, images: ImageFormat) -> ModelCosts:
    """Return the modelled inference costs of a trial.

    Raises:
        ConfigError: Its network cannot be built, or cannot work on these images.
    """
    return costs_of_layers(trial, describe_network(trial.network, images).layers)


def costs_of_layers(trial: TrialConfig, layers: Iterable[Layer]) -> ModelCosts:
    """Return the modelled inference costs of a trial whose layers are known."""
    first_last = FULL_PRECISION_BITS if trial.is_full_precision else trial.first_last_bit_width
    return model_costs(tuple(layers), trial.bit_widths, trial.act_bit_widths, first_last)


def write_networks(
    folder: RunFolder, trials: Iterable[TrialConfig], images: ImageFormat, metadata: dict[str, Any]
) -> None:
    """Write the layers of all networks of a run, and keep the code of a user's own in it.

    Raises:
        ConfigError: A network cannot be built.
        ResultsError: The run folder cannot be written.
    """
    networks = {network_key(trial, images): trial for trial in trials}
    rows = (row for key, trial in networks.items() for row in _rows(key, trial, images))
    write_table(folder.network, NETWORK_COLUMNS, rows, metadata)
    for trial in networks.values():
        if is_file(trial.model):
            _keep(folder, trial)


def _rows(key: str, trial: TrialConfig, images: ImageFormat) -> Iterator[dict[str, Any]]:
    network = describe_network(trial.network, images)
    for layer in network.layers:
        yield {
            **asdict(layer),
            "network": key,
            "layer": layer.name,
            "unit_name": None if layer.unit is None else network.units[layer.unit - 1],
            "is_first_or_last": int(layer.is_first_or_last),
        }


def _keep(folder: RunFolder, trial: TrialConfig) -> None:
    """Copy the code of a factory into the run folder."""
    kept, file = folder.sources / f"{trial.source_digest}.py", file_of(trial.model)
    if kept.exists():
        return
    try:
        kept.parent.mkdir(exist_ok=True)
        with whole_file(kept) as part:
            shutil.copyfile(file, part)
    except OSError as error:
        raise ResultsError(f"a run keeps the code of its network, {kept} cannot be written ({error})") from error


def with_kept_code(folder: RunFolder, trials: Mapping[str, TrialConfig]) -> dict[str, TrialConfig]:
    """Return the trials of a run, by key, with the code that the run began with in the place of a user's file.

    Raises:
        ResultsError: A module that makes networks of the run has changed.
    """
    found = {}
    for key, trial in trials.items():
        kept = folder.sources / f"{trial.source_digest}.py"
        if is_file(trial.model) and kept.exists():
            found[key] = trial.model_copy(update={"model": f"{kept}:{split_factory(trial.model)[1]}"})
        else:
            found[key] = trial
    modules = {(one.model, one.source_digest) for one in found.values() if one.source_digest is not None}
    for model, digest in modules:
        if not is_file(model) and source_digest(model) != digest:
            raise ResultsError(
                f"a run is continued with its own networks, the code or the version of {model} has changed since it "
                "began; install the old one, or start a new sweep"
            )
    return found


def kept_model(folder: RunFolder, model: object) -> str | None:
    """Return a user's network with the code that a run keeps of it, as its space names it; None if it keeps none."""
    kept = sorted(folder.sources.glob("*.py"), key=lambda file: file.stat().st_mtime)
    if not kept or not isinstance(model, str) or not is_file(model):
        return None
    return f"{kept[-1]}:{split_factory(model)[1]}"  # an extended space is of the file that was kept last


def edited_since(folder: RunFolder, trials: Iterable[TrialConfig]) -> list[str]:
    """Return a line for each file that makes networks of a run and was edited or removed since."""
    digests = {(trial.model, trial.source_digest) for trial in trials if is_file(trial.model)}
    return [
        f"{file_of(model)} was edited or removed since the run began; it goes on with the network as it was"
        for model, digest in sorted(digests)
        if (folder.sources / f"{digest}.py").exists()
        and (not file_of(model).exists() or source_digest(model) != digest)
    ]


def recorded_costs(folder: RunFolder, trials: Mapping[str, TrialConfig], images: ImageFormat) -> dict[str, ModelCosts]:
    """Return the modelled inference costs of the trials of a run, from its own table of layers where it has one."""
    layers, costs = _read_layers(folder), {}
    for key, trial in trials.items():
        found = layers.get(network_key(trial, images))
        costs[key] = costs_of_layers(trial, found) if found else trial_costs(trial, images)
    return costs


def _read_layers(folder: RunFolder) -> dict[str, list[Layer]]:
    if not folder.network.exists():  # of an earlier version
        return {}
    found: dict[str, list[Layer]] = {}
    for row in pq.read_table(folder.network).to_pylist():
        layer = Layer(
            name=row["layer"],
            kind=row["kind"],
            unit=row["unit"],
            n_weights=row["n_weights"],
            macs=row["macs"],
            n_inputs=row["n_inputs"],
            n_outputs=row["n_outputs"],
            is_first_or_last=bool(row["is_first_or_last"]),
        )
        found.setdefault(row["network"], []).append(layer)
    return found
