"""An exported network is run from its file alone, in NumPy, by `examples/run_export.py`, beside the network in torch.

Both compute in float32, in another order, so that a value closer to the middle between two levels than the rounding
error of either may fall to one level here and to its neighbour there. For these values alone, the NumPy pass goes on
from the level of torch; how many they may be is stated and asserted. Every other level must be the same.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from lwq_tune.config.trial import Quantizer, TrialConfig
from lwq_tune.data.images import Dataset
from lwq_tune.deployment.archive import FORMAT_VERSION, export_network, load_export
from lwq_tune.deployment.network import describe_network
from lwq_tune.energy.meter import NullMeter
from lwq_tune.errors import ResultsError
from lwq_tune.models.cifar_resnet import CifarResNet
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.training.model import build_model
from lwq_tune.training.trial import Trial
from tests.conftest import REPOSITORY, small_config
from tests.support import quantizer_twins as twins
from tests.support.example_reader import EXAMPLE, run_export
from tests.support.small_networks import DATA, FINER, IMAGES, PIXELS, small_network

FLOAT_ERROR = 4e-6  # of the largest value of a tensor
MAX_TIES = 0.005  # share of the activations of a network


def rebuilt_logits(model: nn.Module, file: Path) -> tuple[NDArray[np.float32], float]:
    """Return the logits of the file, computed in NumPy, and which share of the activations torch decided."""
    description, arrays = run_export.read_network(file)
    levels_of_torch: list[NDArray[np.float32]] = []
    for name in description["activations"]:
        model.get_submodule(name).register_forward_hook(lambda *call: levels_of_torch.append(call[-1].detach().numpy()))
    with torch.no_grad():
        model(IMAGES)
    theirs: Iterator[NDArray[np.float32]] = iter(levels_of_torch)
    n_ties = n_activations = 0

    def quantize(x: Any, *, highest: int, scale: Any, zero_point: Any) -> Any:
        nonlocal n_ties, n_activations
        mine, other = run_export.quantize(x, highest=highest, scale=scale, zero_point=zero_point), next(theirs)
        position = x.astype(np.float64) / scale + zero_point
        error = min(FLOAT_ERROR * float(np.abs(x).max()) / float(scale), 0.5)
        is_inside = (position > -1) & (position < highest + 1)
        is_tie = (np.abs(position - np.floor(position) - 0.5) <= error) & is_inside
        assert np.allclose(mine[~is_tie], other[~is_tie], rtol=1e-6, atol=0)
        assert np.abs(mine - other).max() <= 1.001 * scale, "a tie is between neighbours"
        n_ties, n_activations = n_ties + int(is_tie.sum()), n_activations + x.size
        return np.where(is_tie, other, mine)

    images = run_export.normalize(PIXELS.numpy(), description["data"])
    logits = run_export.forward(description, arrays, images, {**run_export.OPERATIONS, "quantize": quantize})
    assert next(theirs, None) is None, "every quantizer has its step"
    return logits, n_ties / max(n_activations, 1)


def check_rebuilt(model: CifarResNet, config: TrialConfig, tmp_path: Path) -> None:
    file = tmp_path / "network.npz"
    export_network(describe_network(model), config, file, data=DATA)
    logits, share_of_ties = rebuilt_logits(model, file)
    expected = model(IMAGES).detach().numpy()
    assert logits.dtype == np.float32
    assert np.abs(logits - expected).max() <= 10 * FLOAT_ERROR * np.abs(expected).max()
    assert (logits.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert share_of_ties <= MAX_TIES


@pytest.mark.parametrize("scales", [{}, FINER], ids=["per tensor", "per channel, ends at 8 bits"])
@pytest.mark.parametrize(("quantizer", "bits"), [(name, bits) for name in get_args(Quantizer) for bits in range(2, 9)])
def test_a_file_alone_gives_the_logits_of_its_network_at_every_bit_width(
    quantizer: str, bits: int, scales: dict[str, Any], tmp_path: Path
) -> None:
    config = small_config(quantizer=quantizer, bit_widths=(bits,) * 3, **scales)
    check_rebuilt(small_network(config), config, tmp_path)


@pytest.mark.parametrize("scales", [{}, FINER], ids=["per tensor", "per channel, ends at 8 bits"])
def test_so_does_a_file_of_binary_weights(scales: dict[str, Any], tmp_path: Path) -> None:
    config = small_config(quantizer="dorefa", bit_widths=(1, 1, 2), act_bit_widths=(2, 4, 32), **scales)
    check_rebuilt(small_network(config), config, tmp_path)


@pytest.mark.parametrize("quantizer", get_args(Quantizer))
@pytest.mark.parametrize(
    "settings",
    [
        {"bit_widths": (2, 3, 4), "blocks": (2, 1, 2)},
        {"bit_widths": (4, 3, 2), "act_bit_widths": (8, 2, 3), **FINER},
        {"bit_widths": (32, 4, 2), "act_bit_widths": (3, 32, 2)},
        {"bit_widths": (2, 32, 4), **FINER},
    ],
    ids=lambda settings: "-".join(str(bits) for bits in settings["bit_widths"]),
)
def test_so_does_a_file_of_mixed_bit_widths(quantizer: str, settings: dict[str, Any], tmp_path: Path) -> None:
    config = small_config(quantizer=quantizer, **settings)
    check_rebuilt(small_network(config), config, tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"bit_widths": (32, 32, 32)},
        {"bit_widths": (4, 4, 4), "mode": "ptq"},
        {"bit_widths": (4, 4, 4), "mode": "ptq", "quantizer": "minmax", **FINER},
    ],
    ids=["full precision", "ptq lsq", "ptq minmax"],
)
def test_so_does_a_file_of_a_network_that_was_not_trained_in_few_bits(settings: dict[str, Any], tmp_path: Path) -> None:
    config = small_config(**settings)
    check_rebuilt(small_network(config), config, tmp_path)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("quantizer", "names"),
    [
        ("lsq", ["layer1.0.conv2.act_quantizer.scale", "layer2.0.conv1.weight_quantizer.scale"]),
        ("pact", ["layer1.0.conv2.act_quantizer.alpha"]),
    ],
)
def test_so_does_a_file_of_steps_below_the_smallest(
    quantizer: str, names: list[str], sign: int, tmp_path: Path
) -> None:
    config = small_config(quantizer=quantizer, bit_widths=(3, 3, 3))
    model = small_network(config)
    for name in names:
        model.get_parameter(name).data.fill_(sign * 1e-12)
    check_rebuilt(model, config, tmp_path)


def test_grids_in_a_file_are_those_of_the_formulas(tmp_path: Path) -> None:
    file = tmp_path / "network.npz"
    place, weight = "layer1.0.conv2.act_quantizer", "layer1.0.conv1.weight"
    changed = {
        "lsq": {"scale": -0.25},
        "pact": {"alpha": -6.0},
        "dorefa": {},
        "minmax": {"smallest": -1.0, "largest": 2.0},
    }
    expected = {"lsq": (0.25, 0), "pact": (2.0, 0), "dorefa": (1 / 3, 0), "minmax": (1.0, 1)}
    of_weights = {"lsq": 2, "pact": 1.5, "dorefa": 1.5}  # zero points: of levels -2 to 1, and of symmetrical ones
    for quantizer, values in changed.items():
        config = small_config(quantizer=quantizer, bit_widths=(2, 2, 2))
        model = small_network(config)
        state = model.state_dict()
        for name, value in values.items():
            state[f"{place}.{name}"].fill_(value)
        export_network(describe_network(model), config, file)
        description, arrays = run_export.read_network(file)
        assert (arrays[f"{place}.scale"], arrays[f"{place}.zero_point"]) == pytest.approx(expected[quantizer])
        assert description["activations"][place] == {
            "bit_width": 2,
            "highest": 3,
            "signed": quantizer == "minmax",
        }
        assert description["weights"][weight] == {"bit_width": 2, "signed": True, "shape": [4, 4, 3, 3]}
        scale, zero_point = twins.affine_grid(float(state[weight].min()), float(state[weight].max()), 2)
        assert arrays[f"{weight}.zero_point"] == of_weights.get(quantizer, zero_point)
        if quantizer == "minmax":
            assert arrays[f"{weight}.scale"] == pytest.approx(scale)
        assert arrays[f"{weight}.scale"] > 0
        assert description["data"] is None


def test_a_file_holds_what_its_steps_name_and_nothing_else(tmp_path: Path) -> None:
    config = small_config(quantizer="lsq", bit_widths=(2, 32, 4), first_last_bit_width=8)
    file = tmp_path / "network.npz"
    export_network(describe_network(small_network(config)), config, file)
    with np.load(file) as archive:
        found = set(archive.files)
        steps = json.loads(archive["description"].tobytes())["steps"]
        packed = set(json.loads(archive["description"].tobytes())["weights"])
    grids = packed | {step["grid"] for step in steps if step["op"] == "quantize"}
    named = {step[part] for step in steps for part in ("weight", "bias") if part in step} - packed
    norms = {step["name"] for step in steps if step["op"] == "batch_norm"}
    assert found == (
        {"description"}
        | {f"{name}.packed" for name in packed}
        | {f"{name}.{part}" for name in grids for part in ("scale", "zero_point")}
        | {f"{name}.{part}" for name in norms for part in ("weight", "bias", "running_mean", "running_var")}
        | named
    )
    assert {"layer2.0.conv1.weight", "fc.bias"} <= named
    assert {"conv1.weight", "fc.weight"} <= packed


def test_a_packed_network_is_the_quantized_network_of_a_trial(tiny_dataset: Dataset, tmp_path: Path) -> None:
    config = small_config(bit_widths=(2, 3, 4), epochs=1, first_last_bit_width=8, weight_scales="per_channel")
    trial = Trial(config, tiny_dataset, NullMeter())
    trial.run_epoch()
    state = trial.state_dict()
    network = describe_network(trial.model.eval())
    sizes = export_network(network, config, tmp_path / "network.npz", data=state["data"])
    description, tensors = load_export(tmp_path / "network.npz")
    assert description["trial"]["bit_widths"] == [2, 3, 4]
    assert torch.equal(torch.tensor(description["data"]["mean"]), tiny_dataset.mean)
    assert torch.equal(torch.tensor(description["data"]["std"]), tiny_dataset.std)
    n_weights = dict.fromkeys((2, 3, 4, 8), 0)
    for name, about in description["weights"].items():
        layer = trial.model.get_submodule(name.removesuffix(".weight"))
        expected = layer.weight_quantizer(layer.weight).detach()  # type: ignore[operator]
        assert torch.equal(tensors[name], expected), name
        n_weights[about["bit_width"]] += expected.numel()
    assert all(n_weights.values())
    assert sizes["float_bytes"] == 4 * sum(n_weights.values())
    assert sizes["packed_bytes"] == pytest.approx(sum(b * n for b, n in n_weights.items()) / 8, abs=len(tensors))


def test_the_example_in_the_documentation_reads_a_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (REPOSITORY / "docs" / "quantization.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    config = small_config(bit_widths=(3, 3, 3), weight_scales="per_channel")
    model = small_network(config)
    export_network(describe_network(model), config, tmp_path / "net.npz")
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(code, found)
    layer: Any = model.get_submodule("layer2.0.conv1")
    assert torch.equal(torch.from_numpy(found["weight"]), layer.weight_quantizer(layer.weight).detach())
    quantizer: Any = model.get_submodule("layer2.0.conv2.act_quantizer")
    x = torch.linspace(-1, 3, 1001) * float(found["scale"])
    assert torch.allclose(torch.from_numpy(found["quantized"](x.numpy())), quantizer(x).detach())


def test_the_example_needs_nothing_of_ours() -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(EXAMPLE.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported == {"__future__", "argparse", "collections", "json", "math", "numpy", "pathlib", "typing"}


def test_a_file_of_version_2_is_read_as_one_of_today(tmp_path: Path) -> None:
    config = small_config(bit_widths=(3, 3, 3))
    model = small_network(config)
    file = tmp_path / "network.npz"
    export_network(describe_network(model), config, file, data=DATA)
    description, tensors = load_export(file)
    with np.load(file) as archive:
        arrays = dict(archive)
    old = json.loads(arrays.pop("description").tobytes())
    assert old.pop("image_shape") == [3, 32, 32]
    for step in old["steps"]:
        if step["op"] == "conv":
            assert (step.pop("dilation"), step.pop("groups")) == ([1, 1], 1)
    assert {about.pop("highest") for about in old["activations"].values()} == {7}
    arrays["description"] = np.frombuffer(json.dumps({**old, "format_version": 2}).encode(), dtype=np.uint8)
    np.savez(file, **arrays)
    read, of_old = load_export(file)
    assert read == description
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in of_old.items())
    images = run_export.normalize(PIXELS.numpy(), DATA)
    logits = run_export.forward(*run_export.read_network(file), images)
    assert logits == pytest.approx(run_export.forward(description, run_export.read_network(file)[1], images))


@pytest.mark.parametrize("version", [1, FORMAT_VERSION + 1])
def test_a_file_of_another_version_is_refused(version: int, tmp_path: Path) -> None:
    description = np.frombuffer(json.dumps({"format_version": version, "weights": {}}).encode(), dtype=np.uint8)
    np.savez(tmp_path / "other.npz", description=description)
    with pytest.raises(ResultsError, match=f"format version 2 or 3, .*other.npz is of {version}; export it anew"):
        load_export(tmp_path / "other.npz")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    with pytest.raises(ResultsError, match="whole archive"):
        load_export(tmp_path / "bad.npz")


def test_a_network_without_ranges_is_refused() -> None:
    with pytest.raises(ResultsError, match="layer1.0.input_quantizer has none"):
        describe_network(build_model(small_config(), ImageFormat()))
