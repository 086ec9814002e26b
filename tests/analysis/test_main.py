from __future__ import annotations

import io
import itertools
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from analysis.__main__ import COMMANDS, main
from analysis.fronts.choice import choice_sentence, select_objectives
from analysis.runs.configurations import summarise_trials
from analysis.runs.load import load_run
from lwq_tune.quantization.schedules import schedule_name
from lwq_tune.results.schema import SCHEMA_VERSION
from tests.support.synthetic_inference import inference_rows, write_inference
from tests.support.synthetic_runs import OBJECTIVES, POINTS, change_trials, ledger_run, write_run


def trial_key(run: Path, schedule: str, seed: int) -> str:
    rows = pq.read_table(run / "trials.parquet").to_pylist()
    (key,) = [r["trial_key"] for r in rows if (r["schedule"], r["config_seed"]) == (schedule, seed)]
    return str(key)


def choice_of(run: Path, column: str | None = None) -> str:
    """Return the sentence on which figures decide on the front of a run."""
    loaded = load_run(run)
    return choice_sentence(select_objectives(loaded.trials, loaded.objectives, column)[1])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def test_replicates_become_a_mean_and_a_spread(run: Path) -> None:
    summary = summarise_trials(load_run(run).trials).set_index("schedule")
    assert summary["n_seeds"].tolist() == [2] * len(POINTS)
    assert summary.loc["full_precision", "test_accuracy"] == pytest.approx(0.91)
    assert summary.loc["full_precision", "test_accuracy_std"] == pytest.approx(0.01 * 2**0.5)
    assert summary.loc["ascending_234", "emissions_kg_co2eq"] == pytest.approx(1e-6)


def test_pareto_writes_the_front_and_its_plot(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pareto", str(run)]) == 0
    front = pd.read_csv(run / "analysis" / "pareto.csv").set_index("schedule")
    assert front["on_front"].to_dict() == {
        "ascending_234": True,
        "full_precision": True,
        "fixed_2": False,
        "descending_432": False,
    }
    assert front["rank"].to_dict() == {
        "ascending_234": 1,
        "full_precision": 1,
        "fixed_2": 2,
        "descending_432": 2,
    }
    # By hand: reference accuracy 0.72 - 0.1 * 0.19 = 0.701 and emissions 4e-6 + 0.1 * 3e-6 = 4.3e-6;
    # (4.3 - 1) e-6 * (0.85 - 0.701) + (4.3 - 3) e-6 * (0.91 - 0.85) = 5.697e-7.
    out = capsys.readouterr().out
    assert "hypervolume 5.697e-07, reference point test_accuracy 0.701, emissions_kg_co2eq 4.3e-06" in out
    assert out.splitlines()[-2].endswith("pareto.png")
    with Image.open(run / "analysis" / "pareto.png") as image:
        assert image.width > 1000
        assert len(image.convert("RGB").getcolors(2**24) or []) > 20


def test_the_plot_names_its_axes_with_units_and_its_sources(run: Path) -> None:
    main(["pareto", str(run)])
    text = (run / "analysis" / "pareto.svg").read_text()
    ET.fromstring(text)
    drawn = " ".join(re.findall(r"<!-- (.*?) -->", text))
    for words in (
        "test accuracy (%)",
        "training emissions (mg CO2eq)",
        "full precision",
        "ascending_234",
        "front (means)",
        "measured:rapl-package",
        "500.0 g/kWh",
        "2 seeds",
        "Test CPU",
    ):
        assert words in drawn, words


def test_the_table_has_the_papers_convention_and_that_over_seeds(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", str(run)]) == 0
    out = capsys.readouterr().out
    over_epochs = pd.read_csv(run / "analysis" / "table_over_epochs.csv").set_index("Method")
    over_seeds = pd.read_csv(run / "analysis" / "table_over_seeds.csv").set_index("Method")
    # Epoch 1 has half the accuracy of epoch 2: 45, 90, 46, 92 has mean 68.25 and standard deviation 26.29.
    assert over_epochs.loc["full_precision", "Test accuracy %"] == "68.25 ± 26.29"
    assert over_epochs.loc["full_precision", "n epochs"] == 4
    assert over_seeds.loc["full_precision", "Test accuracy %"] == "91.00 ± 1.41"
    assert over_seeds.loc["full_precision", "Emissions kg CO2eq"] == "3.000e-06 ± 0.000e+00"
    assert list(over_seeds.index) == list(POINTS)
    assert "the paper's convention" in out
    assert "measured:rapl-package" in out


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"fixed_2": ([0.5], 1e-6)})
    main(["table", str(run)])
    table = pd.read_csv(run / "analysis" / "table_over_seeds.csv")
    assert table.loc[0, "Test accuracy %"] == 50.0


def test_two_runs_pool_their_seeds_and_a_repeated_seed_counts_once(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", {"fixed_2": ([0.6, 0.8], 1e-6)})
    two = write_run(tmp_path / "two", {"fixed_2": ([0.7, 0.8, 0.9], 1e-6)})
    assert main(["pareto", str(one), str(two), "--out", str(tmp_path / "out")]) == 0
    front = pd.read_csv(tmp_path / "out" / "pareto.csv")
    assert front["n_seeds"].tolist() == [3]
    # Seed 0 was trained twice: (0.6 + 0.7) / 2; seed 1 twice: 0.8; seed 2 once: 0.9.
    assert front["test_accuracy"].tolist() == pytest.approx([(0.65 + 0.8 + 0.9) / 3])
    assert front["bit_widths"].tolist() == ["(2, 2, 2)"]


def test_runs_of_one_name_in_two_folders_keep_their_epochs(tmp_path: Path) -> None:
    for host in ("h1", "h2"):
        write_run(tmp_path / host / "run", {"fixed_2": ([0.5], 1e-6)})
    assert (
        main(["table", str(tmp_path / "h1" / "run"), str(tmp_path / "h2" / "run"), "--out", str(tmp_path / "o")]) == 0
    )
    assert pd.read_csv(tmp_path / "o" / "table_over_epochs.csv")["n epochs"].tolist() == [4]


def test_the_table_keeps_other_settings_apart(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", {"fixed_2": ([0.5], 1e-6)})
    two = write_run(tmp_path / "two", {"fixed_2": ([0.7], 1e-6)}, config_changes={"width": 0.5})
    assert main(["table", str(one), str(two), "--out", str(tmp_path / "out")]) == 0
    table = pd.read_csv(tmp_path / "out" / "table_over_seeds.csv")
    assert dict(zip(table["width"], table["Test accuracy %"], strict=True)) == {1.0: 50.0, 0.5: 70.0}


def test_a_data_set_is_the_same_wherever_it_lies(tmp_path: Path) -> None:
    points = {"fixed_2": ([0.5], 1e-6)}
    runs = [
        write_run(tmp_path / name, points, config_changes={"dataset": f"/{name}/cifar10", "dataset_digest": "feed"})
        for name in ("one", "two")
    ]
    assert main(["pareto", *map(str, runs), "--out", str(tmp_path / "out")]) == 0
    other = write_run(tmp_path / "x", points, config_changes={"dataset": "/one/cifar10", "dataset_digest": "beef"})
    assert main(["pareto", str(runs[0]), str(other), "--out", str(tmp_path / "out")]) == 2


def test_of_an_epoch_trained_twice_the_last_attempt_counts(run: Path) -> None:
    file = next((run / "epochs").glob("*.parquet"))
    table = pq.read_table(file)
    frame = table.to_pandas()
    again = frame[frame["epoch"] == 1].assign(attempt=2, train_loss=123.0)
    doubled = pd.concat([frame, again])
    import pyarrow as pa

    pq.write_table(pa.Table.from_pandas(doubled, schema=table.schema, preserve_index=False), file)
    epochs = load_run(run).epochs
    mine = epochs[epochs["trial_key"] == file.stem]
    assert mine["epoch"].tolist() == [1, 2]
    assert mine["train_loss"].iloc[0] == 123.0


def spoil(run: Path, how: str) -> None:
    trials = run / "trials.parquet"
    if how == "no such folder":
        trials.unlink()
    elif how == "corrupt":
        trials.write_bytes(trials.read_bytes()[:-50])
    elif how == "other version":
        table = pq.read_table(trials)
        pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"schema_version": b"99"}), trials)
    elif how == "foreign":
        pd.DataFrame({"a": [1]}).to_parquet(trials)
    elif how == "missing column":
        table = pq.read_table(trials)
        pq.write_table(table.drop_columns(["energy_kwh"]), trials)
    elif how == "only failures":
        write_run(run, changes={"status": "failed"})
    elif how == "no trials":
        write_run(run, points={})
    elif how == "not measured":
        write_run(run, changes={"emissions_kg_co2eq": None})
    elif how == "mixed intensities":
        write_run(run.parent / "other", changes={"carbon_intensity_g_per_kwh": 1.0})
    elif how == "mixed data":
        write_run(run.parent / "other", config_changes={"dataset": "cifar10"})
    elif how == "mixed machines":
        write_run(run.parent / "other", changes={"cpu_model": "Another CPU"})
    elif how == "one unmeasured":
        write_run(run.parent / "other", changes={"cpu_source": None})
    elif how == "no figure":
        write_run(run, objectives=[OBJECTIVES[0], {"column": "schedule", "direction": "minimize"}])
    elif how == "no direction":
        write_run(run, objectives=[OBJECTIVES[0], {"column": "bitops", "direction": "up"}])
    elif how == "other objectives":
        write_run(run.parent / "other", objectives=[OBJECTIVES[0], {"column": "bitops", "direction": "minimize"}])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no such folder", "run `python -m lwq_tune sweep` first"),
        ("corrupt", "must be readable as Parquet"),
        ("other version", f"schema version {SCHEMA_VERSION}, "),
        ("foreign", "schema_version and objectives as metadata of the file"),
        ("missing column", "lacks energy_kwh"),
        ("only failures", "got 8 failed"),
        ("no trials", "got none at all"),
        ("not measured", "none has them measured in every seed"),
        ("mixed intensities", "carbon intensities (1.0, 500.0)"),
        ("mixed data", "data sets (cifar10, digits)"),
        ("mixed machines", "processors (Another CPU, Test CPU)"),
        ("one unmeasured", "sources of CPU energy (measured:rapl-package, none)"),
        ("other objectives", "share their objectives"),
        ("no figure", "names two or more figures as objectives"),
        ("no direction", "to maximize or minimize"),
    ],
)
def test_what_cannot_be_answered_is_one_message(
    run: Path, how: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(run, how)
    runs = [run, *run.parent.glob("other")]
    out = ["--out", str(run / "analysis")]
    assert main(["pareto", *map(str, runs), *out]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert len(captured.err.splitlines()) == 1
    assert not (run / "analysis").exists(), "nothing is left half-written"


@pytest.mark.parametrize(
    ("names", "message"), [(("run", "run"), "each run counts once"), (("run", "other"), "give --out DIR")]
)
def test_several_runs_need_a_folder_for_their_files(
    run: Path, names: tuple[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(run.parent / "other")
    out = ["--out", str(run / "out")] if names == ("run", "run") else []
    assert main(["pareto", *(str(run.parent / name) for name in names), *out]) == 2
    assert message in capsys.readouterr().err


def test_an_unwritable_output_folder_is_one_message(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "file").write_text("")
    assert main(["pareto", str(run), "--out", str(run / "file" / "out")]) == 2
    assert "give --out" in capsys.readouterr().err


def test_many_configurations_are_drawn_without_naming_them_all(tmp_path: Path) -> None:
    points = {
        f"mixed_{a}{b}{c}": ([0.5 + 0.01 * a], 1e-6 * (a + b + c))
        for a, b, c in [(a, b, c) for a in range(2, 7) for b in range(2, 7) for c in range(2, 7) if a < b > c]
    }
    run = write_run(tmp_path / "run", points)
    assert main(["pareto", str(run)]) == 0
    front = pd.read_csv(run / "analysis" / "pareto.csv")
    drawn = (run / "analysis" / "pareto.svg").read_text()
    assert len(front) > 12
    for _, row in front.iterrows():
        assert (f"<!-- {row['schedule']} -->" in drawn) == row["on_front"], row["schedule"]


def test_a_configuration_that_a_rule_stopped_in_one_seed_is_on_no_front(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run")
    table = pq.read_table(run / "trials.parquet")
    rows = table.to_pylist()
    stopped = next(row for row in rows if row["schedule"] == "fixed_2" and row["config_seed"] == 1)
    stopped["status"], stopped["stop_reason"] = "stopped", "asha: among the worst"
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), run / "trials.parquet")
    assert main(["pareto", str(run)]) == 0
    assert "fixed_2" not in set(pd.read_csv(run / "analysis" / "pareto.csv")["schedule"])
    said = capsys.readouterr().err
    assert "1 stopped" in said
    assert "1 done in a configuration that was stopped in another seed" in said


def test_pareto_says_how_sure_the_front_is(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pareto", str(run), "--epsilon", "test_accuracy=0.1"]) == 0
    front = pd.read_csv(run / "analysis" / "pareto.csv").set_index("schedule")
    assert front.columns[:5].tolist() == ["family", "bit_widths", "on_front", "rank", "n_seeds"]
    assert front["verdict"].unique().tolist() == ["undecided"], "two seeds show next to nothing"
    assert front["on_front_probability"].between(0, 1).all()
    # 0.90 and 0.92: standard error 0.01, t of one degree of freedom 12.706.
    ends = front.loc["full_precision", ["test_accuracy_low", "test_accuracy_high"]].tolist()
    assert ends == pytest.approx([0.91 - 0.12706, 0.91 + 0.12706], abs=1e-5)
    assert front["on_family_front"].all()
    out = capsys.readouterr().out
    for words in (
        choice_of(run),
        "95% confidence",
        "2 seeds",
        "knee: none",
        "--spread pooled",
        "(jackknife over seeds)",
        "tied_with",
    ):
        assert words in out, words
    surfaces = pd.read_csv(run / "analysis" / "attainment.csv")
    assert surfaces["surface"].unique().tolist() == ["best", "median", "worst"]
    drawn = (run / "analysis" / "pareto.svg").read_text()
    assert "attained by some to all of 2 seeds" in drawn
    pdf = (run / "analysis" / "pareto.pdf").read_bytes()
    assert b"/CIDFontType2" in pdf, "TrueType, fonttype 42"
    assert b"/Type3" not in pdf


def test_one_seed_has_no_interval_and_no_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", {"fixed_2": ([0.5], 1e-6), "fixed_4": ([0.9], 2e-6)})
    (run / "analysis").mkdir()
    (run / "analysis" / "attainment.csv").write_text("of an earlier call\n")
    assert main(["pareto", str(run), "--width-in", "3.5"]) == 0
    front = pd.read_csv(run / "analysis" / "pareto.csv")
    assert front["verdict"].tolist() == ["undecided (one seed)"] * 2
    assert front[["on_front_probability", "test_accuracy_low", "emissions_kg_co2eq_high"]].isna().all(axis=None)
    captured = capsys.readouterr()
    assert "no interval: it needs two or more seeds" in captured.out
    assert "none written: attainment surfaces need two or more seeds" in captured.err
    assert not (run / "analysis" / "attainment.csv").exists()
    with Image.open(run / "analysis" / "pareto.png") as image:
        assert image.width == 700


def test_what_the_test_images_would_have_chosen_is_said(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (0, 1):
        change_trials(run, "fixed_2", seed, val_accuracy=0.99)
    assert main(["pareto", str(run)]) == 0
    front = pd.read_csv(run / "analysis" / "pareto.csv").set_index("schedule")
    assert front["on_front"].to_dict() == {
        "ascending_234": True,
        "fixed_2": True,
        "full_precision": False,
        "descending_432": False,
    }
    err = capsys.readouterr().err
    assert "by the reported figures themselves the front would be ascending_234, full_precision" in err
    assert "front (by validation)" in (run / "analysis" / "pareto.svg").read_text()
    assert main(["pareto", str(run), "--select", "test_accuracy"]) == 0
    front = pd.read_csv(run / "analysis" / "pareto.csv").set_index("schedule")
    assert front.loc["full_precision", "on_front"]
    assert choice_of(run, "test_accuracy") in capsys.readouterr().out


def test_the_one_trial_whose_validation_is_no_number_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change_trials(run, "fixed_2", 1, val_accuracy=float("nan"))
    named = f"1 of 8 (fixed_2 seed 1: run/{trial_key(run, 'fixed_2', 1)}) has none"
    assert main(["pareto", str(run)]) == 0
    captured = capsys.readouterr()
    assert (
        "warning: test_accuracy decides on the front, since val_accuracy needs a number in every finished trial for "
        f"that, and {named}\n"
    ) in captured.err
    assert choice_of(run) in captured.out
    assert main(["pareto", str(run), "--select", "val_accuracy"]) == 2
    assert f"{named}; leave --select out, and test_accuracy decides" in capsys.readouterr().err


def test_where_no_trial_has_a_validation_figure_no_single_one_is_blamed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "old", changes={"val_accuracy": None})
    assert main(["pareto", str(run)]) == 0
    captured = capsys.readouterr()
    assert "needs a number" not in captured.err
    assert choice_of(run) in captured.out


@pytest.mark.parametrize("command", ["table", "curves"])
def test_a_missing_table_of_epochs_is_counted_and_so_is_one_that_lacks_rows(
    run: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(run)]) == 0
    assert "warning" not in capsys.readouterr().err
    missing, short = trial_key(run, "fixed_2", 1), trial_key(run, "ascending_234", 0)
    (run / "epochs" / f"{missing}.parquet").unlink()
    file = run / "epochs" / f"{short}.parquet"
    pq.write_table(pq.read_table(file).slice(1), file)
    assert main([command, str(run)]) == 0
    assert capsys.readouterr().err == (
        "warning: 2 of 8 finished trials have no table of epochs, or one that lacks rows "
        f"(fixed_2 seed 1: run/{missing}, ascending_234 seed 0: run/{short}): figures over epochs are without them; "
        "`python -m lwq_tune resume RUN_DIR` writes such tables again\n"
    )


def test_without_any_table_of_epochs_table_3_is_of_seeds_alone_and_there_are_no_curves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run", config_changes={"dataset": "cifar10"})
    for file in (run / "epochs").iterdir():
        file.unlink()
    assert main(["table", str(run)]) == 0
    captured = capsys.readouterr()
    assert "8 of 8 finished trials have no table of epochs" in captured.err
    assert " and 5 more): figures" in captured.err
    assert "time, energy, emissions per epoch)\nnone\n" in captured.out
    assert "91.00 ± 1.41" in captured.out
    assert "the trials of its schedules have no epochs" in captured.out
    assert main(["curves", str(run)]) == 2
    assert "curves need the tables of epochs, the runs have none in epochs/; `python" in capsys.readouterr().err


def test_of_one_configuration_it_is_said_that_nothing_was_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = write_run(tmp_path / "alone", {"fixed_3": ([0.80, 0.83], 1e-6)})
    assert main(["pareto", str(alone)]) == 0
    assert "there is one configuration: the front is it alone, and nothing was compared" in capsys.readouterr().err
    points = {"fixed_3": ([0.80, 0.83], 1e-6), "fixed_2": ([0.70, 0.71], 2e-6)}
    two = write_run(tmp_path / "two", points)
    assert main(["pareto", str(two)]) == 0
    assert "nothing was compared" not in capsys.readouterr().err
    change_trials(two, "fixed_2", 0, emissions_kg_co2eq=None)
    assert main(["pareto", str(two)]) == 0
    assert "there is one measured configuration" in capsys.readouterr().err


def test_a_run_that_goes_on_and_what_was_not_measured_are_warned_of(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_trials(run, "fixed_2", 1, status="pending")
    change_trials(run, "descending_432", 0, emissions_kg_co2eq=None)
    assert main(["pareto", str(run)]) == 0
    err = capsys.readouterr().err
    assert "left out: 1 pending of 8 trials" in err
    assert "1 of 8 trials are not trained to their end yet, so the front may change" in err
    key = trial_key(run, "descending_432", 0)
    assert (
        "1 of 4 configurations lacks an objective in a seed and is on no front: "
        f"no emissions_kg_co2eq of descending_432 seed 0: run/{key}\n"
    ) in err
    front = pd.read_csv(run / "analysis" / "pareto.csv").set_index("schedule")
    assert front.loc["descending_432", "verdict"] == "not measured"
    assert front.loc["fixed_2", "verdict"] == "undecided (one seed)"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--select", "train_accuracy"], "--select takes test_accuracy, val_accuracy"),
        (["--epsilon", "bitops=3"], "a margin is a number from 0 for one of val_accuracy, emissions_kg_co2eq"),
        (["--epsilon", "test_accuracy=-1"], "a margin is a number from 0"),
    ],
)
def test_what_cannot_decide_is_one_message(
    run: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pareto", str(run), *flags]) == 2
    assert message in capsys.readouterr().err
    assert not (run / "analysis").exists()


@pytest.mark.parametrize("command", ["curves", "heatmap", "sensitivity", "ledgers", "table"])
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"points": {}}, "got none at all"),
        ({"changes": {"status": "failed"}}, "got 8 failed"),
        ({"changes": {"status": "pending"}}, "got 8 pending"),
    ],
)
def test_a_run_without_finished_trials_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, how: dict[str, Any], message: str
) -> None:
    run = write_run(tmp_path / "run", **how)
    assert main([command, str(run)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert message in said
    assert len(said.splitlines()) == 1
    assert not (run / "analysis").exists()


@pytest.mark.parametrize("command", ["curves", "heatmap", "sensitivity"])
def test_several_data_sets_are_not_one_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", config_changes={"dataset": "cifar10"})]
    assert main([command, *map(str, runs), "--out", str(tmp_path / "out")]) == 2
    assert "cifar10, digits" in capsys.readouterr().err


@pytest.mark.parametrize("width", ["1", "100"])
def test_a_width_that_no_page_has_is_refused(tmp_path: Path, width: str) -> None:
    with pytest.raises(SystemExit):
        main(["curves", str(tmp_path), "--width-in", width])


@pytest.mark.parametrize("flags", [["--error", "0"], ["--epsilon", "test_accuracy"], ["--spread", "none"]])
def test_malformed_flags_are_refused_by_the_parser(run: Path, flags: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["pareto", str(run), *flags])
    assert refused.value.code == 2


class Witness(io.StringIO):
    """A stream that notes which files there are when the first word is written to it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.files: list[Path] | None = None

    def write(self, text: str) -> int:
        if self.files is None:
            self.files = files_in(self._folder)
        return super().write(text)


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def grid_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that every command has something to say about, also on stderr."""
    triples = list(itertools.product((2, 4), repeat=3))
    points = {schedule_name(triple): ([0.1 * sum(triple) / 2, 0.5], 1e-6 * sum(triple)) for triple in triples}
    run = write_run(tmp_path_factory.mktemp("grid") / "run", {**points, "fixed_3": ([0.5, 0.5], 1e-6)})
    change_trials(run, "fixed_3", 0, status="failed")
    trials = pq.read_table(run / "trials.parquet").to_pylist()
    rows = inference_rows([trial for trial in trials if trial["status"] == "done"], n_repetitions=2, spread=0.01)
    return write_inference(run, rows)


@pytest.mark.slow
@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_command_has_written_its_files_before_it_prints_a_word(
    command: str, grid_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, flag = (ledger_run().write(tmp_path / "run"), "--json") if command == "audit" else (grid_run, "--out")
    out, err = Witness(tmp_path), Witness(tmp_path)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    code = main([command, str(run), flag, str(tmp_path / "out")])
    assert code == 0, err.getvalue()
    assert (tmp_path / "out").exists()
    assert out.files == files_in(tmp_path)
    assert err.files in (None, files_in(tmp_path))
    assert command == "audit" or err.getvalue().startswith("left out: 1 failed of 18 trials\n")
