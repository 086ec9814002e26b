from __future__ import annotations

import importlib.util
import os
import sqlite3
import struct
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from lwq_tune.errors import ConfigError
from lwq_tune.sweep.loggers.choice import LoggerChoice, check_installed, make_loggers
from tests.conftest import REPOSITORY, run_python
from tests.support.logged_run import EPOCHS, FAILING_SEED, WAVES, config_of, row_of

SEEDS = [seed for wave in WAVES for seed in wave]
EPOCHS_OF = {seed: 1 if seed == FAILING_SEED else EPOCHS for seed in SEEDS}


def key_of(seed: int) -> str:
    key: str = config_of(seed)["job"].trial_key
    return key


def expected(seed: int, name: str) -> list[tuple[int, float]]:
    epochs = range(1, EPOCHS_OF[seed] + 1)
    return [(epoch, pytest.approx(row_of(seed, epoch)[name], rel=1e-6)) for epoch in epochs]


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a real sweep with all loggers that are installed, on a path with a space and other letters."""
    place = tmp_path_factory.mktemp("logged") / "a földér"
    place.mkdir()
    found = [f"--{package}" for package in ("mlflow", "wandb") if importlib.util.find_spec(package)]
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    result = run_python(
        "-m",
        "tests.support.logged_run",
        "run",
        "--tensorboard",
        *found,
        cwd=place,
        PYTHONPATH=path,
        WANDB_MODE="offline",
    )
    assert result.returncode == 0, result.stderr
    assert "dropped" not in result.stderr
    assert result.stdout == ""
    return place / "run"


def test_nobody_asked_for_a_logger_and_there_is_none() -> None:
    check_installed(LoggerChoice())
    assert make_loggers(LoggerChoice(), Path("run"), "night") == {}


def test_each_flag_makes_one_logger_per_trial_and_nothing_is_written_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    choice = LoggerChoice(tensorboard=True, mlflow="http://tracking.example", wandb="p")
    loggers = make_loggers(choice, tmp_path, "night")
    assert list(loggers) == ["--tensorboard", "--mlflow", "--wandb"]
    for make in loggers.values():
        assert make() is not make()
    assert list(tmp_path.iterdir()) == []


def test_wandb_is_offline_unless_the_user_says_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "")  # so that it is put back
    monkeypatch.delenv("WANDB_MODE")
    make_loggers(LoggerChoice(wandb="p"), tmp_path, "night")
    assert os.environ["WANDB_MODE"] == "offline"
    monkeypatch.setenv("WANDB_MODE", "online")
    make_loggers(LoggerChoice(wandb="p"), tmp_path, "night")
    assert os.environ["WANDB_MODE"] == "online"


def test_all_missing_packages_are_named_before_anything_starts(tmp_path: Path) -> None:
    code = (
        "import importlib.util as u; u.find_spec = lambda name: None\n"
        "import sys; from lwq_tune.sweep.loggers.choice import *\n"
        "try: check_installed(LoggerChoice(tensorboard=True, mlflow=RUN_STORE, wandb='p'))\n"
        "except Exception as error: print(type(error).__name__, error, sep=': ')\n"
        "print('ray' in sys.modules)"
    )
    result = run_python("-c", code, cwd=tmp_path)
    assert result.stdout.splitlines() == [
        "ConfigError: --tensorboard needs packages that are not installed here: tensorboardX; "
        "pip install tensorboardX, or pip install 'lwq-tune[loggers]' for all loggers",
        "--mlflow needs packages that are not installed here: mlflow-skinny, sqlalchemy, alembic; "
        "pip install mlflow-skinny sqlalchemy alembic, or pip install 'lwq-tune[loggers]' for all loggers",
        "--wandb needs packages that are not installed here: wandb; "
        "pip install wandb, or pip install 'lwq-tune[loggers]' for all loggers",
        "False",
    ]


def test_a_folder_that_wandb_left_behind_is_no_package(tmp_path: Path) -> None:
    (tmp_path / "wandb").mkdir()
    code = (
        "import sys; sys.path[:] = [entry for entry in sys.path if not (__import__('pathlib').Path(entry) / 'wandb' / "
        "'__init__.py').exists()]\n"
        "from lwq_tune.sweep.loggers.choice import *\n"
        "try: check_installed(LoggerChoice(wandb='p'))\n"
        "except Exception as error: print(type(error).__name__)"
    )
    path = os.pathsep.join([str(REPOSITORY), str(tmp_path)])
    assert run_python("-c", code, cwd=tmp_path, PYTHONPATH=path).stdout == "ConfigError\n"


def test_a_password_in_a_uri_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_PASSWORD") as caught:
        LoggerChoice(mlflow="https://anna:s3cret@tracking.example")
    assert "s3cret" not in str(caught.value)


@pytest.mark.slow
def test_tensorboard_shows_the_epochs_of_each_trial(logged: Path) -> None:
    folder = logged / "tensorboard"
    assert {path.name for path in folder.iterdir()} == {key_of(seed) for seed in SEEDS}
    for seed in SEEDS:
        values, hparams = read_events(folder / key_of(seed))
        assert set(values) == {"train_loss", "val_accuracy", "energy_kwh"}
        for name, points in values.items():
            assert points == expected(seed, name)
        assert hparams["schedule"] == "ascending_234"
        assert hparams["seed"] == seed
        assert hparams["dataset"] == "birds"


@pytest.mark.slow
def test_mlflow_keeps_a_run_of_each_trial_in_the_run_folder(logged: Path) -> None:
    pytest.importorskip("mlflow")
    with sqlite3.connect(logged / "mlflow.db") as database:
        experiments = dict(database.execute("select experiment_id, name from experiments"))
        runs = database.execute("select run_uuid, name, status, experiment_id from runs").fetchall()
        assert {name for _, name, _, _ in runs} == {key_of(seed) for seed in SEEDS}
        for uuid, name, status, experiment in runs:
            seed = next(seed for seed in SEEDS if key_of(seed) == name)
            assert experiments[experiment] == "night"
            assert status == ("FAILED" if seed == FAILING_SEED else "FINISHED")
            columns = database.execute("select distinct key from metrics where run_uuid = ?", (uuid,)).fetchall()
            assert {column for (column,) in columns} == {"train_loss", "val_accuracy", "energy_kwh"}
            for (column,) in columns:
                of_column = "select step, value from metrics where run_uuid = ? and key = ? order by step"
                assert database.execute(of_column, (uuid, column)).fetchall() == expected(seed, column)
            of_run = "select key, value from {} where run_uuid = ?"
            parameters = dict(database.execute(of_run.format("params"), (uuid,)))
            assert parameters["bit_widths"] == "2-3-4"
            assert not any("/" in value for value in parameters.values())
            assert dict(database.execute(of_run.format("tags"), (uuid,)))["schedule"] == "ascending_234"
    database.close()
    assert not list(logged.parent.glob("mlruns*"))


@pytest.mark.slow
def test_wandb_writes_a_run_of_each_trial_offline(logged: Path) -> None:
    pytest.importorskip("wandb")
    files = list((logged / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == len(SEEDS)
    for seed in SEEDS:
        (content,) = (file.read_bytes() for file in files if key_of(seed) in file.name)
        assert content.count(b"val_accuracy") >= EPOCHS_OF[seed]
        for words in (b"schedule:ascending_234", b"train_loss", f"seed:{seed}".encode(), b"birds"):
            assert words in content
        assert b"/data/birds" not in content
        assert b"/secret" not in content


def read_events(folder: Path) -> tuple[dict[str, list[tuple[int, float]]], dict[str, Any]]:
    """Return the scalars by tag and the hyperparameters in the event files of a folder, which are TFRecords."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    values: dict[str, list[tuple[int, float]]] = defaultdict(list)
    hparams: dict[str, Any] = {}
    (file,) = folder.iterdir()
    content, begin = file.read_bytes(), 0
    while begin < len(content):
        (length,) = struct.unpack_from("<Q", content, begin)
        event = Event.FromString(content[begin + 12 : begin + 12 + length])
        begin += length + 16
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "hparams":
                start = HParamsPluginData.FromString(value.metadata.plugin_data.content).session_start_info
                hparams |= {name: getattr(held, held.WhichOneof("kind")) for name, held in start.hparams.items()}
            else:
                values[value.tag].append((event.step, value.simple_value))
    return dict(values), hparams
