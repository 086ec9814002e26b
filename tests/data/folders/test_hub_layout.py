"""Which files of a folder are read as what: a repository as the Hub serves it, or one clear refusal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.data.address import DatasetAddress
from lwq_tune.data.folders.hub_folder import open_hub_folder
from lwq_tune.data.folders.hub_layout import check_shards, find_layout
from lwq_tune.errors import DatasetError

ONE = "00000-of-00001.parquet"


def make(folder: Path, *names: str) -> Path:
    """Make empty files: the layout is found without opening one."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found(folder: Path, options: str = "") -> tuple[list[str], list[str], str]:
    layout = find_layout(DatasetAddress.parse(f"{folder}{options}"))
    train, test = ([str(file.relative_to(folder)) for file in layout.files[split]] for split in ("train", "test"))
    return train, test, layout.test_split


LAYOUTS = {
    "files in the folder": (
        [f"train-{ONE}", f"test-{ONE}", "README.md"],
        ([f"train-{ONE}"], [f"test-{ONE}"], "test"),
    ),
    "the Hub's data folder, no test split": (
        [f"data/train-{ONE}", f"data/validation-{ONE}"],
        ([f"data/train-{ONE}"], [f"data/validation-{ONE}"], "validation"),
    ),
    "valid, as of tiny ImageNet": (
        [f"data/train-{ONE}", f"data/valid-{ONE}"],
        ([f"data/train-{ONE}"], [f"data/valid-{ONE}"], "valid"),
    ),
    "a folder per configuration": (
        [f"plain_text/train-{ONE}", f"plain_text/test-{ONE}"],
        ([f"plain_text/train-{ONE}"], [f"plain_text/test-{ONE}"], "test"),
    ),
    "converted by the Hub, a folder per split": (
        ["default/train/0000.parquet", "default/train/0001.parquet", "default/test/0000.parquet"],
        (["default/train/0000.parquet", "default/train/0001.parquet"], ["default/test/0000.parquet"], "test"),
    ),
    "folders per split right there": (
        ["train/a.parquet", "test/a.parquet"],
        (["train/a.parquet"], ["test/a.parquet"], "test"),
    ),
    "no numbers": (["train.parquet", "test.parquet"], (["train.parquet"], ["test.parquet"], "test")),
    "hashes in the names, as older repositories have": (
        ["data/train-00000-of-00002-0ab1.parquet", "data/train-00001-of-00002-9ff2.parquet", f"data/test-{ONE}"],
        (
            ["data/train-00000-of-00002-0ab1.parquet", "data/train-00001-of-00002-9ff2.parquet"],
            [f"data/test-{ONE}"],
            "test",
        ),
    ),
    "a validation split beside the test split is left alone": (
        [f"train-{ONE}", f"test-{ONE}", f"validation-{ONE}"],
        ([f"train-{ONE}"], [f"test-{ONE}"], "test"),
    ),
    "counted from 1": (
        ["train-1-of-2.parquet", "train-2-of-2.parquet", "test-1-of-1.parquet"],
        (["train-1-of-2.parquet", "train-2-of-2.parquet"], ["test-1-of-1.parquet"], "test"),
    ),
    "the folder itself before those in it": (
        [f"train-{ONE}", f"test-{ONE}", f"small/train-{ONE}", f"small/test-{ONE}"],
        ([f"train-{ONE}"], [f"test-{ONE}"], "test"),
    ),
    "hidden copies of downloads": (
        [f"data/train-{ONE}", f"data/test-{ONE}", f".cache/data/train-{ONE}"],
        ([f"data/train-{ONE}"], [f"data/test-{ONE}"], "test"),
    ),
    "folders as Spark writes them": (
        ["train.parquet/part-00000.snappy.parquet", "train.parquet/_SUCCESS", "test.parquet/part-00000.snappy.parquet"],
        (["train.parquet/part-00000.snappy.parquet"], ["test.parquet/part-00000.snappy.parquet"], "test"),
    ),
    "another split whose name begins alike": (
        [f"train-{ONE}", f"test-{ONE}", f"train_small-{ONE}"],
        ([f"train-{ONE}"], [f"test-{ONE}"], "test"),
    ),
}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_folder_is_read_as_the_hub_serves_it(tmp_path: Path, kind: str) -> None:
    names, expected = LAYOUTS[kind]
    assert found(make(tmp_path, *names)) == expected


def test_one_line_says_what_is_taken_as_what(tmp_path: Path) -> None:
    make(tmp_path, *(f"data/train-{i:05}-of-00003.parquet" for i in range(3)), f"data/dev-{ONE}", f"data/extra-{ONE}")
    line = find_layout(DatasetAddress.parse(str(tmp_path))).describe({"train": 73257, "test": 26032})
    assert line == (
        f"{tmp_path}: train images are data/train-00000-of-00003.parquet to data/train-00002-of-00003.parquet, 3 files "
        f"(73,257 images); test images are data/dev-{ONE} (26,032 images); there is no test split, so dev serves as one"
        f"; not used: data/extra-{ONE}"
    )


REFUSED = {
    "several configurations": (
        [f"cropped/train-{ONE}", f"cropped/test-{ONE}", f"full/train-{ONE}", f"full/test-{ONE}"],
        "has 2: cropped, full; choose one by its path, such as dataset={folder}/cropped",
    ),
    "two that could be the test split": (
        [f"train-{ONE}", f"validation-{ONE}", f"dev-{ONE}"],
        "has dev, validation; choose one with test_split: dev, or dataset='{folder}?test=dev'",
    ),
    "no test images": ([f"train-{ONE}"], "holds test-*.parquet or validation-*.parquet beside its training images"),
    "no training images": ([f"test-{ONE}", "other.parquet"], "none found in {folder}; its Parquet files are other"),
    "nothing": ([], "holds train-*.parquet, none found in {folder}; use digits"),
    "a part missing": (
        ["train-00000-of-00003.parquet", "train-00002-of-00003.parquet", f"test-{ONE}"],
        "those of train in {folder} lack 1 of 3 files, number 1;",
    ),
    "a part of the test images missing": (
        [f"train-{ONE}", "test-00001-of-00002.parquet"],
        "those of test in {folder} lack 1 of 2 files, number 0 (",
    ),
    "a part of what serves as test images missing": (
        [f"data/train-{ONE}", "data/validation-00000-of-00002.parquet"],
        "those of validation in {folder}/data lack 1",
    ),
    "a part missing, in capitals": (["TRAIN-0-OF-2.parquet", f"test-{ONE}"], "lack 1 of 2 files, number 1;"),
    "the last part missing, perhaps counted from 1": (
        ["train-1-of-3.parquet", "train-2-of-3.parquet", f"test-{ONE}"],
        "number 0 (number 3 instead of 0 if they are counted from 1);",
    ),
    "nearly all parts missing": (
        ["train-0-of-99999999999.parquet", f"test-{ONE}"],
        "number 1, 2, 3, 4, 5 and 99,999,999,993 more;",
    ),
    "two sizes": (
        [f"train-{ONE}", "train-00000-of-00002.parquet", "train-00001-of-00002.parquet", f"test-{ONE}"],
        "mix sets of 1 and 2 files",
    ),
    "a number twice": (
        ["train-00000-of-00002-aa.parquet", "train-00000-of-00002-bb.parquet", f"test-{ONE}"],
        "have a number twice: train-00000-of-00002-aa.parquet, train-00000-of-00002-bb.parquet",
    ),
    "numbered and not": (
        [f"train-{ONE}", "train-copy.parquet", f"test-{ONE}"],
        "numbered files with train-copy.parquet",
    ),
    "a number beyond the last": (
        ["train-00000-of-00002.parquet", "train-00007-of-00002.parquet", f"test-{ONE}"],
        "numbers beyond 1: 7",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_missing_doubled_or_ambiguous_is_refused_with_the_choices(tmp_path: Path, kind: str) -> None:
    names, message = REFUSED[kind]
    with pytest.raises(DatasetError) as caught:
        found(make(tmp_path, *names))
    assert message.format(folder=tmp_path) in str(caught.value)


def test_the_choices_behind_a_path_decide(tmp_path: Path) -> None:
    make(tmp_path, f"train-{ONE}", f"validation-{ONE}", f"dev-{ONE}", f"test-{ONE}")
    assert found(tmp_path)[1] == [f"test-{ONE}"]
    assert found(tmp_path, "?test=dev") == ([f"train-{ONE}"], [f"dev-{ONE}"], "dev")
    line = find_layout(DatasetAddress.parse(f"{tmp_path}?test=dev")).describe({"train": 1, "test": 1})
    assert f"test images are dev-{ONE} (1 images); not used: test-{ONE}, validation-{ONE}" in line
    with pytest.raises(DatasetError, match="test=eval must name a split .* there are dev, test, validation"):
        found(tmp_path, "?test=eval")


@pytest.mark.parametrize("query", ["tset=dev", "test", "test=", "test=a&test=b", "", "a=1&test=dev"])
def test_an_unknown_choice_lists_the_known(tmp_path: Path, query: str) -> None:
    with pytest.raises(DatasetError, match="must be NAME=VALUE of train .*, test .*, image .*, label .*, size"):
        DatasetAddress.parse(f"{tmp_path}?{query}")


@pytest.mark.parametrize("dataset", ["~nobody_of_that_name/set", "x" * 300, f"{'x' * 300}?test=dev"])
def test_a_path_that_cannot_be_looked_up_is_refused(dataset: str) -> None:
    with pytest.raises(DatasetError, match="cannot be looked up"):
        open_hub_folder(dataset)


def test_a_named_pipe_is_refused_and_never_opened(tmp_path: Path) -> None:
    make(tmp_path, f"test-{ONE}")
    os.mkfifo(tmp_path / f"train-{ONE}")
    with pytest.raises(DatasetError, match=f"read from regular files, .*train-{ONE} is none"):
        found(tmp_path)


@pytest.mark.parametrize("label", ["my label", "a+b", "a&b=c%20d", "étiquette"])
def test_a_choice_of_any_characters_is_read_back_as_it_was(tmp_path: Path, label: str) -> None:
    address = DatasetAddress(str(tmp_path), {"label": label})
    assert DatasetAddress.parse(str(address)) == address


def test_a_plus_sign_and_a_space_are_themselves() -> None:
    assert DatasetAddress.parse("set?label=my label+1").options == {"label": "my label+1"}


def test_a_folder_whose_name_has_a_question_mark_is_itself(tmp_path: Path) -> None:
    folder = tmp_path / "what?test=dev"
    folder.mkdir()
    assert DatasetAddress.parse(str(folder)).folder == folder


@given(size=st.integers(1, 12), first=st.sampled_from([0, 1]), data=st.data())
def test_a_set_is_whole_exactly_where_each_number_stands_once(size: int, first: int, data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, size), min_size=1, max_size=size + 2))
    files = [Path(f"train-{number:05}-of-{size:05}-{place}.parquet") for place, number in enumerate(numbers)]
    is_whole = sorted(numbers) in (list(range(size)), list(range(1, size + 1)))
    if is_whole:
        check_shards(files, "train")
    else:
        with pytest.raises(DatasetError, match="must make one whole set"):
            check_shards(files, "train")
