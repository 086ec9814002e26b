"""Runs that an earlier version began: resumed where their data is read as it was, else refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lwq_tune.data.catalog import describe_dataset
from lwq_tune.data.decoded_cache import FOLDER_VARIABLE
from lwq_tune.errors import ResultsError
from lwq_tune.output_streams import say
from lwq_tune.results.recorded_dataset import check_init_run, find_as_before, load_as_before
from lwq_tune.results.run_folder import RunFolder
from tests.support.hub_folders import png
from tests.support.manifests import manifest_of


def make(folder: Path, labels: Sequence[int], shape: tuple[int, ...] = (32, 32, 3)) -> str:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for split, n_images in (("train", len(labels)), ("test", 4)):
        pixels = [rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(n_images)]
        table = pa.table({"image": [{"bytes": png(one)} for one in pixels], "label": list(labels)[:n_images]})
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")
    return str(folder)


def as_an_earlier_version_recorded(folder: str, labels: Sequence[int]) -> dict[str, object]:
    """Return what it kept: the largest label counted, no classes."""
    return {"dataset": folder, "num_classes": max(labels) + 1, "digest": describe_dataset(folder).digest}


def test_plain_labels_and_pixels_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    labels = [0, 1, 2] * 10
    folder = make(tmp_path / "set", labels)
    recorded = as_an_earlier_version_recorded(folder, labels)
    assert find_as_before(recorded, 0.1) == describe_dataset(folder)
    load_as_before(recorded, tmp_path, say)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 7] * 10, "own classes, 8 were counted in .* and 2 distinct labels are"),
        ([0] * 30 + [1] * 2, "own validation images, the version that began it held none of the smallest classes"),
    ],
)
def test_labels_that_were_taken_otherwise_are_refused(tmp_path: Path, labels: list[int], message: str) -> None:
    folder = make(tmp_path / "set", labels)
    with pytest.raises(ResultsError, match=f"{message}.*start a new sweep"):
        find_as_before(as_an_earlier_version_recorded(folder, labels), 0.1)
    assert find_as_before(describe_dataset(folder).record(), 0.1).num_classes == 2, "a run of this version goes on"


def test_pixels_that_were_read_otherwise_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    labels = [0, 1] * 10
    folder = make(tmp_path / "set", labels, (32, 32, 4))  # transparency was left out
    for _ in range(2):  # decoded, and from the cache
        with pytest.raises(ResultsError, match="the pixels it began with, 24 images .*start a new sweep"):
            load_as_before(as_an_earlier_version_recorded(folder, labels), tmp_path, say)
    load_as_before(describe_dataset(folder).record(), tmp_path, say)


def test_gray_images_that_were_read_in_three_channels_are_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "set", [0, 1] * 10, (32, 32))
    recorded = describe_dataset(folder).record()
    assert (recorded["channels"], recorded["height"], recorded["width"]) == (1, 32, 32)
    find_as_before(json.loads(json.dumps(recorded)), 0.1)
    before = {name: value for name, value in recorded.items() if name not in ("channels", "height", "width")}
    with pytest.raises(ResultsError, match="the channels it began with, .* are gray, .*start a new sweep"):
        find_as_before(before, 0.1)


def test_networks_of_data_that_was_taken_otherwise_are_no_start(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()

    def check(labels: list[int], n_read_otherwise: int = 0) -> None:
        folder = make(tmp_path / f"set{len(list(tmp_path.iterdir()))}", labels)
        recorded = as_an_earlier_version_recorded(folder, labels)
        manifest_of(dataset=recorded).write(RunFolder(run))
        check_init_run(run, describe_dataset(folder), 0.1, n_read_otherwise)

    check([0, 1, 2] * 10)
    manifest_of(dataset={"dataset": "cifar10", "num_classes": 10, "digest": None}).write(RunFolder(run))
    check_init_run(run, describe_dataset("cifar100"), 0.1)  # other data: nothing starts from its networks
    for arguments, message in ((([0, 7] * 10,), "its own classes, 8"), (([0, 1] * 10, 5), "pixels it began with, 5 ")):
        with pytest.raises(
            ResultsError, match=f"networks to start from must .* was trained with .*{message}.*leave out --init-run"
        ):
            check(*arguments)


def test_other_content_is_refused(tmp_path: Path) -> None:
    recorded = describe_dataset(make(tmp_path / "set", [0, 1] * 10)).record()
    (tmp_path / "set").rename(tmp_path / "old")
    make(tmp_path / "set", [1, 0] * 10)
    with pytest.raises(ResultsError, match="had digest .* and now has .*; put the old files back"):
        find_as_before(recorded, 0.1)
