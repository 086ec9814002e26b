from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from analysis.lifetime.sentences import lifetime_sentences
from tests.analysis.lifetime.conftest import lifetime_of
from tests.support.synthetic_inference import DEPLOYED_POINTS, write_deployed_run


def said(folder: Path, **options: Any) -> str:
    """Return the sentences on a run of 1e6 to 1e9 images, as lines."""
    run = write_deployed_run(folder / "run", **{"spread": 0.02, **options})
    return "\n".join(lifetime_sentences(lifetime_of(run, [1e6, 1e9])))


def test_noise_is_said_to_be_no_ground_for_pooling(tmp_path: Path) -> None:
    out = said(tmp_path, spread=0.25)
    assert "that their energies per image agree within 5 % is not shown" in out
    assert "nothing among them is ranked by the energy of use" in out


def test_a_class_whose_members_differ_is_not_pooled(tmp_path: Path) -> None:
    out = said(tmp_path, factors={"fixed_2": 1.3})
    assert re.search(r"but the energies per image differ \(fixed_2 \+2[678]\.\d %", out)  # 1,500 of 5,500 uJ
    assert "not pooled; 2 groups of configurations are told apart" in out


def test_a_layer_that_ran_in_float_is_a_loud_line(tmp_path: Path) -> None:
    points = {"fixed_2": DEPLOYED_POINTS["fixed_2"]}
    out = said(tmp_path, points=points, changes={"float_fallbacks": "stages.0.conv1, stages.1.conv2"})
    assert "QUANTIZED LAYERS RAN IN FLOAT under openvino 2026.4.1: stages.0.conv1 and stages.1.conv2 of fixed_2" in out


def test_what_never_pays_is_said_to(tmp_path: Path) -> None:
    out = said(tmp_path, energies_uj={"f32": 10_000.0, "bf16": 6000.0, "u8": 12_000.0})
    assert "never less than full_precision (bf16) over a lifetime, 95 %" in out
    assert "emits least over its lifetime for every number of images from 1 million to 1 billion" in out
