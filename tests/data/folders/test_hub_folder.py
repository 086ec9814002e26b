"""Columns, labels and pixels of folders that other people made, against values worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lwq_tune.data.catalog import describe_dataset
from lwq_tune.data.decoded_cache import FOLDER_VARIABLE
from lwq_tune.data.folders.folder_images import cached_folder, decode_folder
from lwq_tune.data.folders.hub_folder import open_hub_folder
from lwq_tune.data.labels import UNKNOWN_CLASS
from lwq_tune.errors import DatasetError
from tests.support.hub_folders import png


def images(n: int, first: int = 0) -> list[dict[str, object]]:
    """Return different images: noise drawn by their number."""
    noise = [np.random.default_rng(i).integers(0, 256, (32, 32, 3), dtype=np.uint8) for i in range(first, first + n)]
    return [{"bytes": png(pixels), "path": None} for pixels in noise]


def write(file: Path, labels: object, first: int = 0, **columns: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"image": images(len(labels), first), "label": labels, **columns})  # type: ignore[arg-type]
    pq.write_table(table, file)


def make(folder: Path, train: object, test: object) -> str:
    write(folder / "train-00000-of-00001.parquet", train)
    write(folder / "test-00000-of-00001.parquet", test, first=1000)
    return str(folder)


CATEGORIES = pa.DictionaryArray.from_arrays(pa.array([2, 0, 1, 0]), pa.array(["eel", "cat", "dog"]))
LABELS = {
    "holes": ([0, 7, 100_000, 7], [100_000, 0], (0, 7, 100_000), [0, 1, 2, 1], [2, 0]),
    "negative": ([-1, 1, 1, -1], [1, -1], (-1, 1), [0, 1, 1, 0], [1, 0]),
    "strings": (["eel", "cat", "dog", "cat"], ["dog", "eel"], ("cat", "dog", "eel"), [2, 0, 1, 0], [1, 2]),
    "booleans": ([True, False, True, True], [False, True], (False, True), [1, 0, 1, 1], [0, 1]),
    # Dictionary [eel, cat, dog] with indices 2, 0, 1, 0 says dog, eel, cat, eel.
    "categories": (CATEGORIES, CATEGORIES[:2], ("cat", "dog", "eel"), [1, 2, 0, 2], [1, 2]),
    "of 8 bits": (pa.array([3, 5, 3], pa.uint8()), pa.array([5], pa.int32()), (3, 5), [0, 1, 0], [1]),
    "large strings": (
        pa.array(["b", "a"], pa.large_string()),
        pa.array(["a"], pa.string_view()),
        ("a", "b"),
        [1, 0],
        [0],
    ),
}


@pytest.mark.parametrize("kind", LABELS)
def test_the_distinct_labels_of_the_training_images_are_the_classes_in_order(tmp_path: Path, kind: str) -> None:
    train, test, values, train_classes, test_classes = LABELS[kind]
    hub = open_hub_folder(make(tmp_path, train, test))
    assert hub.labels.values == values
    assert np.concatenate(hub.labels.classes_of["train"]).tolist() == train_classes
    assert np.concatenate(hub.labels.classes_of["test"]).tolist() == test_classes
    info = describe_dataset(str(tmp_path))
    assert (info.num_classes, info.classes) == (len(values), values)
    assert json.loads(json.dumps(info.record()))["classes"] == list(values), "a manifest holds them"


def test_a_class_that_only_test_images_have_is_told_with_its_share(tmp_path: Path) -> None:
    hub = open_hub_folder(make(tmp_path, [0, 1, 0, 1], [0, 1, 2, 2, 1]))
    assert hub.labels.classes_of["test"][0].tolist() == [0, 1, UNKNOWN_CLASS, UNKNOWN_CLASS, 1]
    (_, warning) = hub.describe()
    assert warning.startswith("warning: 2 of 5 test images (40.0%) have a label that no training image has; they count")


def test_long_labels_are_cut_in_messages_and_nowhere_else(tmp_path: Path) -> None:
    hub = open_hub_folder(make(tmp_path, ["b" * 99_999, "a"], ["a"]))
    assert hub.labels.describe() == f"2 classes (labels 'a', '{'b' * 39}…)"
    assert hub.labels.values == ("a", "b" * 99_999)


def test_a_file_moved_to_another_split_makes_another_data_set(tmp_path: Path) -> None:
    for place, first in (("train/0", 0), ("test/1", 10), ("test/2", 20)):
        write(tmp_path / f"{place}.parquet", [0, 1], first)
    before = open_hub_folder(str(tmp_path)).digest()
    (tmp_path / "test/1.parquet").rename(tmp_path / "train/1.parquet")
    assert open_hub_folder(str(tmp_path)).digest() != before


def test_a_pointer_of_git_lfs_is_called_that(tmp_path: Path) -> None:
    make(tmp_path, [0, 1], [0, 1])
    (tmp_path / "test-00000-of-00001.parquet").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d\n")
    with pytest.raises(DatasetError, match="test-00000-of-00001.parquet is not: .* run `git lfs pull`"):
        open_hub_folder(str(tmp_path))


def test_names_of_the_hubs_metadata_are_kept(tmp_path: Path) -> None:
    for split, labels in (("train", [0, 2, 0, 2]), ("test", [2, 0])):
        table = pa.table({"image": images(len(labels)), "label": labels})
        features = {"label": {"names": ["plane", "car", "bird"], "_type": "ClassLabel"}}
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        pq.write_table(table.replace_schema_metadata(metadata), tmp_path / f"{split}.parquet")
    info = describe_dataset(str(tmp_path))
    assert (info.classes, info.class_names) == ((0, 2), ("plane", "bird"))


def test_splits_and_columns_of_other_names_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "held-out").mkdir()
    for file, first in (("supervised-train-0", 0), ("supervised-0", 20), ("held-out/0", 40)):
        columns = {"picture": images(4, first), "kind": ["cat", "dog", "cat", "eel"]}
        pq.write_table(pa.table(columns), tmp_path / f"{file}.parquet")
    with pytest.raises(DatasetError, match="none found in .*; its .* are held-out/0.parquet, .*train_split: W"):
        open_hub_folder(str(tmp_path))
    chosen = "image=picture&label=kind&test=held-out"
    with pytest.raises(DatasetError, match="train=train must name a split of .*, there are held-out"):
        open_hub_folder(f"{tmp_path}?train=train&{chosen}")
    hub = open_hub_folder(f"{tmp_path}?train=supervised-train&{chosen}")
    assert [file.name for file in hub.parts("train")] == ["supervised-train-0.parquet"]
    assert [file.parent.name for file in hub.parts("test")] == ["held-out"]
    assert hub.labels.values == ("cat", "dog", "eel")
    other = open_hub_folder(f"{tmp_path}?train=supervised&{chosen}")
    assert other.n_images == {"train": 8, "test": 4}, "the word before the first dash is that of both files"
    assert other.digest() != hub.digest()


def test_the_label_column_can_be_chosen(tmp_path: Path) -> None:
    for split in ("train", "test"):
        columns = {"image": images(4), "fine_label": [0, 1, 2, 3], "coarse_label": [0, 0, 1, 1]}
        pq.write_table(pa.table(columns), tmp_path / f"{split}.parquet")
    fine, coarse = describe_dataset(str(tmp_path)), describe_dataset(f"{tmp_path}?label=coarse_label")
    assert (fine.num_classes, coarse.num_classes) == (4, 2)
    assert fine.digest != coarse.digest
    assert "labels are fine_label, not coarse_label (?label=COLUMN)" in fine.notes[0]
    assert describe_dataset(coarse.dataset) == coarse, "a run that is resumed finds the same"
    with pytest.raises(DatasetError, match="did you mean 'coarse_label'"):
        describe_dataset(f"{tmp_path}?label=coarse_lable")


REFUSED_LABELS = {
    "a missing one": ([0, None, 1], "got 1 empty, the first in row 1, in column label"),
    "fractions": ([0.0, 1.0, 1.0], "got double in column label"),
    "several for an image": ([[0], [1], [1]], "labels must be integers, strings, booleans"),
    "one class": ([4, 4, 4], "all have label 4"),
    "beyond 64 bits": (pa.array([2**63, 1, 2], pa.uint64()), "labels must be integers below 2\\*\\*63"),
    "none at all": (pa.array([None, None, None], pa.null()), "labels must be integers, strings, booleans"),
}


@pytest.mark.parametrize("kind", REFUSED_LABELS)
def test_labels_that_name_no_class_are_refused(tmp_path: Path, kind: str) -> None:
    labels, message = REFUSED_LABELS[kind]
    with pytest.raises(DatasetError, match=message):
        open_hub_folder(make(tmp_path, labels, [0, 1]))


def test_labels_that_are_no_text_are_refused(tmp_path: Path) -> None:
    labels = pa.array([b"a", b"\xff"]).view(pa.string())
    with pytest.raises(DatasetError, match="strings in UTF-8, column label of .* has others"):
        open_hub_folder(make(tmp_path, labels, labels))


def test_test_images_without_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="training has 0, 1 …, test -1 …; take another split"):
        open_hub_folder(make(tmp_path, [0, 1, 1], [-1, -1]))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (pa.table({"image": images(2), "label": ["a", "b"]}), "label kind is integer in .* and string in"),
        (pa.table({"img": images(2), "label": [0, 1]}), "image is image in .* and img in"),
        (pa.table({"image": images(2), "labels": [0, 1]}), "label is label in .* and labels in"),
        (pa.table({"image": images(0), "label": pa.array([], pa.int64())}), "got 0 rows"),
        (pa.table([images(2), [0, 1], [1, 0]], names=["image", "label", "label"]), "each column once, got label twice"),
        (pa.table({"image": ["a.png", "b.png"], "label": [0, 1]}), "must hold encoded bytes.* got string"),
        (pa.table({"image": images(2), "text": ["a", "b"]}), "needs an img or image column and a label column"),
    ],
)
@pytest.mark.parametrize("place", ["train-00001-of-00002.parquet", "test-00001-of-00002.parquet"])
def test_a_shard_of_another_schema_is_refused(tmp_path: Path, other: pa.Table, message: str, place: str) -> None:
    for split in ("train", "test"):
        n_parts = 2 if place.startswith(split) else 1
        write(tmp_path / f"{split}-00000-of-{n_parts:05}.parquet", [0, 1, 0])
    pq.write_table(other, tmp_path / place)
    with pytest.raises(DatasetError, match=message):
        open_hub_folder(str(tmp_path))


def test_tables_that_pandas_wrote_are_read(tmp_path: Path) -> None:
    for split in ("train", "test"):
        frame = pd.DataFrame({"image": [row["bytes"] for row in images(4)], "label": pd.Categorical(list("abab"))})
        frame.index = pd.Index([10, 20, 30, 40])
        frame.to_parquet(tmp_path / f"{split}.parquet")
    assert describe_dataset(str(tmp_path)).classes == ("a", "b")


def test_rows_that_stand_again_under_another_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "train-a.parquet", [0, 1, 0, 1])
    write(tmp_path / "test.parquet", [0, 1], first=1000)
    table = pq.read_table(tmp_path / "train-a.parquet")
    pq.write_table(table.slice(1), tmp_path / "train-b.parquet", compression="zstd")
    with pytest.raises(DatasetError, match="3 of 3 images of train stand in .*train-a.parquet and again in .*train-b"):
        decode_folder(open_hub_folder(str(tmp_path)))


def test_single_repeated_images_are_told_with_their_count(tmp_path: Path) -> None:
    write(tmp_path / "train-a.parquet", [0, 1, 0, 1, 0])
    write(tmp_path / "train-b.parquet", [1, 1, 1, 0, 1], first=3)  # image 3 again, and 4 with another label
    write(tmp_path / "test.parquet", [0, 1, 1, 0], first=7)  # image 7 again
    table = pq.read_table(tmp_path / "test.parquet")
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), tmp_path / "test.parquet")  # image 7 once more
    decoded = decode_folder(open_hub_folder(str(tmp_path)))
    assert decoded.notes == (
        "warning: 1 images of train stand in train-a.parquet and again in train-b.parquet",
        "warning: 1 images of test stand again in the same file, test.parquet",
        "warning: 2 of 5 test images (40.0%) are training images too, so the test accuracy is higher than on new "
        "images",
    )


def gray_folder(folder: Path, levels: list[list[int]]) -> str:
    for split in ("train", "test"):
        pixels = [np.tile(np.array(rgb, dtype=np.uint8), (32, 32, 1)) for rgb in levels]
        rows = [{"bytes": png(one), "path": None} for one in pixels]
        folder.mkdir(exist_ok=True)
        pq.write_table(pa.table({"image": rows, "label": [0, 1]}), folder / f"{split}.parquet")
    return str(folder)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([[255] * 3] * 2, "are all equal \\(mean ± standard deviation of 0 to 255: R 255.00 ± 0.00, G"),
        ([[10, 7, 200], [60, 7, 20]], "hardly vary in a channel .*G 7.00 ± 0.00"),
    ],
)
def test_training_pixels_that_do_not_vary_are_refused(tmp_path: Path, levels: list[list[int]], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        decode_folder(open_hub_folder(gray_folder(tmp_path / "set", levels)))


def test_what_is_odd_about_the_images_is_told_again_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        rows = [{"bytes": png(rng.integers(0, 256, (32, 32, 4), dtype=np.uint8)), "path": None} for _ in range(3)]
        pq.write_table(pa.table({"image": rows, "label": [0, 1, 1]}), tmp_path / f"{split}.parquet")
    told: list[str] = []
    first, again = (cached_folder(open_hub_folder(str(tmp_path)), told.append) for _ in range(2))
    assert told == [f"decoding 6 images of {tmp_path}, once on this host"], "decoded once"
    assert first.notes == again.notes == ("6 images have transparent pixels, which were put on a white background",)
    assert first.n_read_otherwise == again.n_read_otherwise == 6
