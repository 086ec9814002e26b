"""What is not the trained network is not written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from lwq_tune.deployment.export import validation_images, write_onnx
from lwq_tune.deployment.runtimes.choice import make_runtime
from lwq_tune.deployment.trained import TrainedTrials
from lwq_tune.errors import ResultsError
from tests.support.faulty_runtime import FaultyRuntime
from tests.support.trained_runs import SCHEDULES, digits_config

pytestmark = pytest.mark.slow  # it trains

KEY = digits_config(SCHEDULES[2]).trial_key


def larger_bias(model: onnx.ModelProto) -> None:
    """Give a class another bias, and all another order."""
    for one in model.graph.initializer:
        if one.name.startswith("fc.bias"):
            values = numpy_helper.to_array(one)
            one.CopyFrom(numpy_helper.from_array(values + np.arange(10, dtype=np.float32), one.name))


def test_a_file_that_a_runtime_computes_otherwise_is_refused_with_the_layer_and_a_way_out(
    made_run: Path, tmp_path: Path
) -> None:
    trials = TrainedTrials(made_run)
    trained, dataset = trials.load(trials.choose(KEY)), trials.dataset()
    with pytest.raises(ResultsError) as refused:
        write_onnx(trained, dataset, tmp_path / "net.onnx", FaultyRuntime(larger_bias))
    message = str(refused.value)
    assert "the class must be the same on at least 99.9% of the images, or on all but one, it is on" in message
    assert "in faulty 1, fixed_4 seed 0 does not" in message
    assert "; fc departs first; export it with --format npz" in message
    assert list(tmp_path.iterdir()) == []
    written = write_onnx(trained, dataset, tmp_path / "net.onnx", make_runtime())
    assert written.agreement is not None
    assert written.agreement.n_images == len(validation_images(trained, dataset)) == 143
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.onnx", "net.packed.onnx"]


def test_the_metadata_says_what_was_trained_and_how_images_are_normalised(made_run: Path, tmp_path: Path) -> None:
    trials = TrainedTrials(made_run)
    trained, dataset = trials.load(trials.choose(KEY)), trials.dataset()
    write_onnx(trained, dataset, tmp_path / "net.onnx", make_runtime(), is_packed_too=False)
    props = onnx.load(tmp_path / "net.onnx").metadata_props
    found = {one.key: json.loads(one.value) for one in props}
    assert (found["trial_key"], found["schedule"]) == (KEY, "fixed_4")
    assert found["bit_widths"] == found["act_bit_widths"] == [4, 4, 4]
    assert found["trial"]["quantizer"] == "lsq"
    assert found["data"]["mean"] == pytest.approx(dataset.mean.tolist())
    assert found["data"]["std"] == pytest.approx(dataset.std.tolist())
    assert found["data"]["classes"] == list(range(10))
    assert found["written_by"].startswith("lwq_tune ")
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]
