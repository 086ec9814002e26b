"""Exports the network of a finished trial: `export_trial`, what ``python -m lwq_tune export`` calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import lwq_tune
from lwq_tune.deployment.runtimes.choice import make_runtime
from lwq_tune.deployment.trained import TrainedTrial, TrainedTrials
from lwq_tune.errors import ConfigError, ResultsError
from lwq_tune.files.atomic import whole_file

if TYPE_CHECKING:
    from torch import Tensor

    from lwq_tune.data.images import Dataset
    from lwq_tune.deployment.equality import Agreement
    from lwq_tune.deployment.network import Network
    from lwq_tune.deployment.onnx_graph import LayerPlan
    from lwq_tune.deployment.runtimes.base import Runtime

Format = Literal["onnx", "npz"]
SUFFIXES: dict[str, Format] = {".onnx": "onnx", ".npz": "npz"}
# Validation images that a file is checked on: so many of 32 x 32, fewer of larger ones.
MAX_CHECKED, MIN_CHECKED = 2_000, 256


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        file: The file.
        trial: The trial whose network it holds.
        packed_bytes: Size of its quantized weights at their bits.
        float_bytes: Size of the same in float32.
        layers: How each layer is written, ONNX only.
        agreement: How the file agreed with the simulated network on validation images, ONNX only.
        packed_file: The same network with weights of 4 and 2 bits where they fit, for size alone; None where none do.
    """

    file: Path
    trial: Any
    packed_bytes: int
    float_bytes: int
    layers: Sequence[LayerPlan] = ()
    agreement: Agreement | None = None
    packed_file: Path | None = None


def export_trial(
    run_dir: str | Path, trial: str, out: str | Path | None = None, *, file_format: Format | None = None
) -> Exported:
    """Write the network of a finished trial into a file.

    Args:
        run_dir: Run folder.
        trial: Its ``trial_key``, or the beginning of it.
        out: The file; by default ``exports/KEY.onnx`` or ``.npz`` in the run folder.
        file_format: ``onnx``, which is checked against the trained network on its validation images before it is
            written, or ``npz``; by default what the name of the file says, else ``onnx``.

    Raises:
        UserInputError: There is no such trial, a package is missing, the file cannot be written, or what would be
            written is not the trained network.
    """
    trials = TrainedTrials(Path(run_dir))
    trained = trials.load(trials.choose(trial))
    chosen = _format(None if out is None else Path(out), file_format)
    file = trials.folder.path / "exports" / f"{trained.config.trial_key}.{chosen}"
    if out is not None:
        file = Path(out).expanduser()
    else:
        file.parent.mkdir(exist_ok=True)
    if chosen == "npz":
        from lwq_tune.deployment.archive import export_network
        from lwq_tune.deployment.network import describe_network

        network = describe_network(trained.model(), trained.images.shape)
        sizes = export_network(network, trained.config, file, data=dict(trained.data))
        return Exported(file, trained.config, sizes["packed_bytes"], sizes["float_bytes"])
    return write_onnx(trained, trials.dataset(), file, make_runtime(is_writer_needed=True))


def _format(out: Path | None, file_format: Format | None) -> Format:
    by_name = None if out is None else SUFFIXES.get(out.suffix)
    if out is not None and by_name is None and file_format is None:
        raise ConfigError(f"--out names its format, .onnx or .npz, got {str(out)!r}; or say --format")
    if by_name is not None and file_format not in (None, by_name):
        raise ConfigError(f"--out and --format must agree, got {str(out)!r} and {file_format}")
    return file_format or by_name or "onnx"


def write_onnx(
    trained: TrainedTrial, dataset: Dataset, file: Path, runtime: Runtime, *, is_packed_too: bool = True
) -> Exported:
    """Write an ONNX file once a runtime gives with it what the trained network gives.

    Raises:
        ResultsError: It does not; the message names the layer that departs first.
    """
    from lwq_tune.deployment.equality import check_equality, first_departure
    from lwq_tune.deployment.network import describe_network
    from lwq_tune.deployment.onnx_graph import to_onnx

    model = trained.model()
    network = describe_network(model, trained.images.shape)
    written = to_onnx(network, metadata=_metadata(trained))
    images = validation_images(trained, dataset)
    agreement = check_equality(model, network, written.serialized(), runtime, images)
    if faults := agreement.faults():
        layer = first_departure(network, runtime, images)
        where = f"; {layer} departs first" if layer else ""
        raise ResultsError(
            f"an exported file must give what the trained network gives, in {runtime.name} "
            f"{runtime.version}, {trained.config.schedule} seed {trained.config.seed} does not: "
            f"{'; '.join(faults)}{where}; export it with --format npz, which holds it exactly"
        )
    write_whole(file, written.serialized())
    packed_file = _write_packed(network, trained, file, len(written.serialized())) if is_packed_too else None
    return Exported(
        file, trained.config, network.packed_bytes, network.float_bytes, written.layers, agreement, packed_file
    )


def _write_packed(network: Network, trained: TrainedTrial, file: Path, n_bytes: int) -> Path | None:
    """Write the network with packed weights beside its file, unless that is not smaller: some levels fit no 4 bits."""
    from lwq_tune.deployment.onnx_graph import to_onnx

    packed = to_onnx(network, metadata=_metadata(trained), is_packed=True).serialized()
    if len(packed) >= n_bytes:
        return None
    target = file.with_suffix(".packed.onnx")
    write_whole(target, packed)
    return target


def validation_images(trained: TrainedTrial, dataset: Dataset) -> Tensor:
    """Return normalised validation images of a trial: at most 2,000, of large ones fewer, as far as there are 256."""
    import torch

    from lwq_tune.training.trial_data import TrialData

    data = TrialData(trained.config, dataset, torch.device("cpu"))
    n_images = MAX_CHECKED * 32 * 32 // (trained.images.height * trained.images.width)
    images, _ = next(data.val.batches(min(MAX_CHECKED, max(MIN_CHECKED, n_images))))
    return data.normalize(images)


def _metadata(trained: TrainedTrial) -> dict[str, Any]:
    config = trained.config
    return {
        "trial_key": config.trial_key,
        "schedule": config.schedule,
        "bit_widths": config.bit_widths,
        "act_bit_widths": config.act_bit_widths,
        "trial": config.model_dump(mode="json"),
        "data": dict(trained.data),
        "written_by": f"lwq_tune {lwq_tune.__version__}",
    }


def write_whole(file: Path, content: bytes) -> None:
    """Write a file, whole or not at all.

    Raises:
        ResultsError: It cannot be written.
    """
    try:
        with whole_file(file, is_shared=True) as part:
            part.write_bytes(content)
    except OSError as error:
        raise ResultsError(f"--out must be a writable file, {file} is not ({error.strerror or error})") from error
