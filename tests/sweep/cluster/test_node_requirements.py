from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from lwq_tune.data.catalog import describe_dataset
from lwq_tune.data.decoded_cache import FOLDER_VARIABLE
from lwq_tune.results.storage.storage import Storage
from lwq_tune.sweep.cluster import node_requirements as preflight
from lwq_tune.sweep.cluster.node_requirements import Requirements, check_this_node
from tests.support.hub_folders import write_hub_folder


@pytest.fixture
def needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Requirements:
    """What a node is to find, with the driver's probe in place."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(preflight, "SEEN_TIMEOUT_S", 0.3)
    write_hub_folder(tmp_path / "images")
    digest = describe_dataset(str(tmp_path / "images")).digest
    run = tmp_path / "run"
    requirements = Requirements(run, "1234", ((str(tmp_path / "images"), digest), ("digits", None)), tmp_path, None)
    requirements.probe.mkdir(parents=True)
    (requirements.probe / "driver").write_text("1234")
    return requirements


def problems(needed: Requirements) -> list[str]:
    found: list[str] = check_this_node(needed, "node")["problems"]
    return found


def test_a_node_that_has_everything_leaves_its_probe_and_tells_its_memory(needed: Requirements) -> None:
    answer = check_this_node(needed, "node")
    assert answer["problems"] == []
    assert answer["usable_memory_mib"] > 100
    assert (needed.probe / "node").read_text() == "1234"


def test_a_run_folder_that_is_not_there_is_not_made(needed: Requirements, tmp_path: Path) -> None:
    for file in needed.probe.iterdir():
        file.unlink()
    needed.probe.rmdir()
    needed.run_dir.rmdir()
    (problem,) = problems(needed)
    assert problem.startswith(f"the run folder {needed.run_dir} is not there; give --results a folder that all hosts")
    assert not needed.run_dir.exists()


@pytest.fixture
def stored(needed: Requirements, tmp_path: Path) -> Requirements:
    """The same where the run has a storage, so that the run folder may be missing."""
    storage = Storage.parse(str(tmp_path / "storage")).uri
    requirements = dataclasses.replace(needed, run_dir=tmp_path / "elsewhere", storage=storage)
    assert requirements.stored_probe is not None
    requirements.stored_probe.write("driver", b"1234")
    return requirements


def test_with_a_storage_a_node_leaves_its_probe_there_and_needs_no_run_folder(stored: Requirements) -> None:
    assert problems(stored) == []
    assert stored.stored_probe is not None
    assert stored.stored_probe.files().keys() == {"driver", "node"}
    stored.stored_probe.delete()
    stored.stored_probe.delete()
    assert stored.stored_probe.files() == {}
    assert not stored.run_dir.exists()


@pytest.mark.parametrize("content", [None, b"5678"])
def test_a_storage_that_is_another_folder_there_is_seen(stored: Requirements, content: bytes | None) -> None:
    assert stored.stored_probe is not None
    stored.stored_probe.delete()
    if content is not None:
        stored.stored_probe.write("driver", content)
    (problem,) = problems(stored)
    assert problem.startswith(f"{stored.storage} is another folder there than where the sweep starts; give --storage")


def test_a_storage_that_cannot_be_written_is_seen(stored: Requirements, tmp_path: Path) -> None:
    (tmp_path / "storage" / ".probe-1234" / "node").mkdir()  # stands for a read-only one
    (problem,) = problems(stored)
    assert problem.startswith("it cannot use the storage (")


@pytest.mark.parametrize("content", [None, "5678"])
def test_another_folder_of_the_same_name_is_seen(needed: Requirements, content: str | None) -> None:
    if content is None:
        (needed.probe / "driver").unlink()
    else:
        (needed.probe / "driver").write_text(content)
    (problem,) = problems(needed)
    assert "is another folder there than where the sweep starts; give --results" in problem


def test_a_run_folder_that_cannot_be_written_is_seen(needed: Requirements) -> None:
    (needed.probe / "node").mkdir()  # stands for a read-only folder, which root could write all the same
    (problem,) = problems(needed)
    assert "cannot be written there (Is a directory)" in problem


def test_data_that_differ_or_lack_and_a_missing_first_run_are_told_together(
    needed: Requirements, tmp_path: Path
) -> None:
    write_hub_folder(tmp_path / "images", n_train=44)
    changed = Requirements(
        needed.run_dir,
        "1234",
        (*needed.datasets, ("cifar10", None), (str(tmp_path / "gone"), "d")),
        tmp_path / "none",
        tmp_path / "first_run",
    )
    first_run, images, cifar, gone = problems(changed)
    assert "first_run of --init-run is not there" in first_run
    assert "images holds other data there (digest" in images
    assert "cifar10 is not there or damaged" in cifar
    assert "gone' is neither a built-in name nor a folder" in gone
