"""Folders of class folders: what is a class, what is an image, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from lwq_tune.data.catalog import count_images, describe_dataset, open_folder
from lwq_tune.data.folders.folder_images import decode_folder
from lwq_tune.data.labels import UNKNOWN_CLASS
from lwq_tune.errors import DatasetError
from tests.support.hub_folders import png, write_hub_folder


def pixels_of(path: str) -> np.ndarray:
    return np.random.default_rng(list(path.encode())).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def make(folder: Path, *paths: str) -> str:
    """Write a PNG of 6x9 pixels that its path decides, or what is no image by its name."""
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(png(pixels_of(path)) if path.lower().endswith(".png") else b"text")
    return str(folder)


TRAIN = ("train/dog/b.png", "train/dog/a.png", "train/cat/1.png", "train/cat/more/2.PNG", "train/Eel/1.png")
TEST = ("test/dog/1.png", "test/cat/1.png")


def test_the_sorted_names_of_folders_are_the_classes_and_files_come_in_order(tmp_path: Path) -> None:
    dataset = make(tmp_path, *TRAIN, *TEST)
    info = describe_dataset(dataset)
    assert info.classes == ("Eel", "cat", "dog")
    assert info.class_counts == (1, 2, 2)
    assert info.image_format.shape == (3, 6, 9)
    counts = count_images(dataset)
    assert (counts.n_train, counts.n_test, counts.are_encoded) == (5, 2, True)
    decoded = decode_folder(open_folder(dataset))
    assert decoded.train_labels.tolist() == [0, 1, 1, 2, 2]
    assert decoded.test_labels.tolist() == [1, 2]
    order = ["train/Eel/1.png", "train/cat/1.png", "train/cat/more/2.PNG", "train/dog/a.png", "train/dog/b.png"]
    assert np.array_equal(decoded.train_images.transpose(0, 2, 3, 1), [pixels_of(path) for path in order])


def test_a_line_says_what_is_taken_and_what_is_not(tmp_path: Path) -> None:
    dataset = make(
        tmp_path, *TRAIN, "val/dog/1.png", "train/cat/notes.txt", "README.md", "train/.DS_Store", "train/__MACOSX/x.png"
    )
    (line,) = describe_dataset(dataset).notes
    assert line == (
        f"{tmp_path}: train images are train/ (5 images); test images are val/ (1 images); there is no test split, so "
        "val serves as one; not used: train/cat/notes.txt; 3 classes (labels 'Eel', 'cat', 'dog')"
    )


def test_other_splits_can_be_chosen(tmp_path: Path) -> None:
    dataset = make(tmp_path, *TRAIN, *TEST, "Small/dog/1.png", "Small/cat/1.png", "dev/dog/3.png")
    chosen = open_folder(f"{dataset}?train=small&test=dev")
    assert chosen.n_images == {"train": 2, "test": 1}
    assert "not used: test, train" in chosen.describe()[0]
    with pytest.raises(DatasetError, match="holds medium/ with a folder .* per class, .* has dev, test, train; choose"):
        open_folder(f"{dataset}?train=medium")
    with pytest.raises(DatasetError, match="test=eval must name a split of .*, there are dev, test"):
        open_folder(f"{dataset}?test=eval")


def test_a_class_that_only_test_images_have_counts_as_unknown(tmp_path: Path) -> None:
    found = open_folder(make(tmp_path, *TRAIN, *TEST, "test/owl/1.png"))
    assert np.concatenate(found.labels.classes_of["test"]).tolist() == [1, 2, UNKNOWN_CLASS]
    assert found.describe()[1].startswith("warning: 1 of 3 test images (33.3%) have a label that no training image has")


def test_a_copy_elsewhere_is_the_same_set_and_a_file_in_another_class_makes_another(tmp_path: Path) -> None:
    one, two = (make(tmp_path / name, *TRAIN, *TEST) for name in ("one", "two"))
    digest = describe_dataset(one).digest
    assert describe_dataset(two).digest == digest
    assert describe_dataset(f"{two}?size=8").digest != digest
    (tmp_path / "two/train/dog/a.png").rename(tmp_path / "two/train/cat/a.png")
    assert describe_dataset(two).digest != digest


REFUSED = {
    "Parquet files beside them": ((*TRAIN, *TEST, "data/train-0.parquet"), "has both, such as data/train-0.parquet"),
    "an image in no class": ((*TRAIN, *TEST, "train/1.png"), "must lie in the folder of its class, .*train/1.png lies"),
    "a class without images": ((*TRAIN, *TEST, "train/owl/x.txt"), r"must hold images \(.png, .*train/owl has none"),
    "one class": (("train/cat/1.png", "test/cat/1.png"), "train holds one folder, cat; put the images of each"),
    "no test images": (TRAIN, "holds test/ or validation/ with class folders beside its training images, none found"),
    "test images in no class": ((*TRAIN, "test/1.png"), "holds test/ or validation/ with class folders"),
    "two training splits": ((*TRAIN, *TEST, "training/a/1.png"), "has train, training; choose one with train_split"),
    "two test splits": ((*TRAIN, "val/cat/1.png", "dev/cat/1.png"), "has dev, val; choose one with test_split: dev"),
    "test images of other classes": ((*TRAIN, "test/owl/1.png"), "'Eel', 'cat', 'dog' …, test 'owl' …; take another"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_set_of_class_folders_is_refused(tmp_path: Path, kind: str) -> None:
    paths, message = REFUSED[kind]
    with pytest.raises(DatasetError, match=message):
        open_folder(make(tmp_path, *paths))


def test_columns_are_not_of_class_folders(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="label_column names a column of Parquet files, .* holds class folders"):
        open_folder(f"{make(tmp_path, *TRAIN, *TEST)}?label=x")


def test_what_cannot_be_read_is_named_by_its_file(tmp_path: Path) -> None:
    dataset = make(tmp_path, *TRAIN, *TEST)
    (tmp_path / "train/dog/b.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match="must be a whole PNG.* got 10 bytes .* in .*train/dog/b.png; convert it"):
        decode_folder(open_folder(dataset))
    (tmp_path / "train/dog/b.png").unlink()
    os.mkfifo(tmp_path / "train/dog/b.png")
    with pytest.raises(DatasetError, match="read from regular files, .*train/dog/b.png is none"):
        open_folder(dataset)


def test_a_folder_that_contains_itself_by_a_link_is_read_once(tmp_path: Path) -> None:
    dataset = make(tmp_path, *TRAIN, *TEST)
    (tmp_path / "train/dog/again").symlink_to(tmp_path / "train")
    assert open_folder(dataset).n_images == {"train": 5, "test": 2}


def test_images_that_stand_again_are_told_by_their_class(tmp_path: Path) -> None:
    dataset = make(tmp_path, *TRAIN, *TEST)
    (tmp_path / "train/dog/c.png").write_bytes((tmp_path / "train/dog/a.png").read_bytes())
    assert decode_folder(open_folder(dataset)).notes == (
        "warning: 1 images of train stand again in the same folder, dog",
    )


def test_parquet_files_beside_a_stray_folder_of_pictures_are_read(tmp_path: Path) -> None:
    write_hub_folder(tmp_path)
    make(tmp_path, "test/samples/1.png")
    assert open_folder(str(tmp_path)).n_images == {"train": 40, "test": 20}
