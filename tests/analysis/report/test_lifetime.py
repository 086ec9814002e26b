"""The section on lifetimes: its numbers, its tables, and what is said where nothing was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest

from analysis.__main__ import main
from tests.analysis.report.conftest import data_of, section_of
from tests.support.synthetic_inference import write_deployed_run
from tests.support.synthetic_runs import write_run


def report(run: Path, *flags: str) -> str:
    out = run.parent / "page.html"
    assert main(["report", str(run), "--out", str(out), *flags]) == 0
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    run = write_deployed_run(
        tmp_path_factory.mktemp("lifetime") / "run", training_spread=0.0,
        changes={"executed_layers": '{"a": ["u8", "brgconv_I8"], "b": ["f32", "gemm"]}', "same_class": 0.9987},
    )  # fmt: skip
    return report(run)


def test_the_slider_has_the_front_of_each_of_its_positions(page: str) -> None:
    data: Any = data_of(page)["lifetime"]
    networks, steps = data["networks"], data["steps"]
    assert [step["n"] for step in steps] == pytest.approx([10 ** (3 + place / 10) for place in range(91)])
    assert (steps[0]["text"], steps[-1]["text"]) == ("1,000", "1 trillion")
    by_label = {network["label"]: network for network in networks}
    assert by_label["fixed_4"]["training"] == pytest.approx(28)
    assert by_label["fixed_4"]["use"] == pytest.approx(5e-3 / 3.6e6 * 500)
    for step in steps:
        front = [networks[place] for place in step["front"]]
        totals = [each["training"] + step["n"] * each["use"] for each in front]
        assert totals == sorted(totals)
        assert [each["accuracy"] for each in front] == sorted(each["accuracy"] for each in front)
        # Equal accuracy, less of both: f32 is on no front. fixed_2 trains with less, until that is less than 5 %.
        assert "full_precision (f32)" not in [each["label"] for each in front]
    labels = [[networks[place]["label"] for place in step["front"]] for step in steps]
    assert labels[0] == ["full_precision (bf16)"]
    assert labels[-1] == ["fixed_4", "full_precision (bf16)"]
    # 28 g - 20 g of training over (6 mJ - 5 mJ) at 500 g/kWh: 57.6 million images.
    first = next(step["n"] for step, front in zip(steps, labels, strict=True) if "fixed_4" in front)
    assert 57.6e6 <= first <= 57.6e6 * 10**0.1


def test_plotly_knows_every_word_of_the_figure(page: str) -> None:
    (figure,) = [figure for figure in data_of(page)["figures"] if figure["key"] == "lifetime"]
    assert len(go.Figure(data=figure["data"], layout=figure["layout"]).data) == 4
    assert "openvino 2026.4.1" in figure["note"]


def test_the_deployment_is_a_table(page: str) -> None:
    text = section_of(page, "lifetime")
    assert "fixed_4 u8 brgconv_I8 500 5,000 92.40 / 92.40 99.87 977 / - 14 of 16 none" in text
    assert "full_precision (f32) f32 brgconv_I8, gemm 1,000 10,000" in text


def test_estimated_power_is_said_beside_each_energy(tmp_path: Path) -> None:
    text = section_of(
        report(write_deployed_run(tmp_path / "run", changes={"cpu_source": "estimated:tdp*load^3"})), "lifetime"
    )
    assert "uJ/image (measured time, estimated power)" in text
    assert "measured energy" not in text


def test_quantized_layers_that_ran_in_float_are_the_first_alert(tmp_path: Path) -> None:
    page = report(write_deployed_run(tmp_path / "run", changes={"float_fallbacks": "layer2.0.conv1"}))
    alert = page[page.index('<aside class="alert"') :]
    first = alert[alert.index("<li>") : alert.index("</li>")]
    assert "QUANTIZED LAYERS RAN IN FLOAT" in first
    assert "layer2.0.conv1" in first


def test_without_inference_the_section_says_how_to_measure_it(tmp_path: Path) -> None:
    page = report(write_run(tmp_path / "run"))
    assert "inference of run was not measured; `python -m lwq_tune deploy RUN_DIR` measures it" in section_of(
        page, "lifetime"
    )
    assert "lifetime" not in data_of(page)
    assert 'id="images"' not in page


def test_the_batch_size_of_the_section_can_be_chosen(tmp_path: Path) -> None:
    run = write_deployed_run(tmp_path / "run", batch_sizes=(1, 64))
    assert "batch size 64" in section_of(report(run, "--batch", "64"), "lifetime")
    assert "also measured: 64 (--batch)" in section_of(report(run), "lifetime")
