from __future__ import annotations

from pathlib import Path

import pytest

from lwq_tune.data.catalog import ImageCounts, count_images
from lwq_tune.data.folders import folder_images
from lwq_tune.data.loading import load_digits, load_folder
from lwq_tune.errors import DatasetError
from tests.support.hub_folders import write_hub_folder


def test_digits_are_counted_as_they_are_loaded() -> None:
    digits = load_digits()
    assert count_images("digits") == ImageCounts(len(digits.train), len(digits.test))


def test_a_folder_is_counted_without_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_hub_folder(tmp_path, n_train=40, n_test=20)
    (tmp_path / "train-00000-of-00001.parquet").rename(tmp_path / "train-00000-of-00002.parquet")
    write_hub_folder(tmp_path, n_train=7, n_test=21, seed=1)
    (tmp_path / "train-00000-of-00001.parquet").rename(tmp_path / "train-00001-of-00002.parquet")
    loaded = load_folder(str(tmp_path))
    monkeypatch.delattr(folder_images, "decode_image")
    assert count_images(str(tmp_path)) == ImageCounts(47, 21, are_encoded=True, class_counts=(24, 23))
    assert (len(loaded.train), len(loaded.test)) == (47, 21)


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="train-"):
        count_images(str(tmp_path))
    write_hub_folder(tmp_path)
    (tmp_path / "test-00000-of-00001.parquet").write_bytes(b"no parquet")
    with pytest.raises(DatasetError, match="readable as Parquet"):
        count_images(str(tmp_path))
