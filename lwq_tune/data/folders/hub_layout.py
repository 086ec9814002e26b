"""Which Parquet files of a folder are its training images, and which its test images. No torch, no file is opened.

A repository as the Hugging Face Hub serves it is read as it is: files named by their split (``train-*.parquet``) or in
folders named by it (``train/*.parquet``), directly in the folder or in one folder per configuration (``data/``,
``plain_text/``).
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lwq_tune.data.address import ALTERNATIVES, DatasetAddress
from lwq_tune.errors import DatasetError

SPLITS = ("train", "test")
# The words that the Hub knows for each split; where nothing is a test split, validation images are taken for it.
SPLIT_WORDS = {
    "train": ("train", "training"),
    "test": ("test", "testing", "eval", "evaluation"),
    "validation": ("validation", "valid", "val", "dev"),
}
MAX_DEPTH = 3  # folders between the one given and a file: data/CONFIGURATION/SPLIT
MAX_LISTED = 5
_I_OF_N = re.compile(r"(\d+)[-_ ]?of[-_ ]?(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class HubLayout:
    """The files of a data set.

    Attributes:
        folder: Folder that was given.
        files: Files of ``train`` and of ``test``, in order.
        test_split: Word by which the test files are named.
        unused: Other Parquet files below the folder.
        is_test_chosen: Whether the user named the split that serves as test images.
    """

    folder: Path
    files: Mapping[str, tuple[Path, ...]]
    test_split: str
    unused: tuple[Path, ...]
    is_test_chosen: bool = False

    def describe(self, n_images: Mapping[str, int]) -> str:
        """Return which files are taken as what, in one line.

        Args:
            n_images: Images of ``train`` and of ``test``.
        """
        taken = [f"{split} images are {self._list(self.files[split])} ({n_images[split]:,} images)" for split in SPLITS]
        line = f"{self.folder}: {'; '.join(taken)}"
        if self.test_split not in SPLIT_WORDS["test"] and not self.is_test_chosen:
            line += f"; there is no test split, so {self.test_split} serves as one"
        return line + (f"; not used: {self._list(self.unused)}" if self.unused else "")

    def _list(self, files: Sequence[Path]) -> str:
        names = [str(file.relative_to(self.folder)) for file in files]
        return shown(names) if len(names) <= 2 else f"{names[0]} to {names[-1]}, {len(names)} files"


def find_layout(address: DatasetAddress) -> HubLayout:
    """Return which files of a folder are its training and its test images.

    Raises:
        DatasetError: There are none, several choices, or parts of a set are missing, doubled or no files.
    """
    folder, named = address.folder, named_splits(address)
    found = parquet_files(folder)
    configurations: dict[Path, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for file in found:
        place = _place(file, folder, named)
        if place is not None:
            configurations[place[0]][place[1]].append(file)
    splits = configurations[_choose_configuration(configurations, found, address)]
    test_split = choose_test(splits, address, "test-*.parquet or validation-*.parquet")
    chosen = {"train": _training_files(splits, address), "test": splits[test_split]}
    for split, files in chosen.items():
        check_shards(files, address.options.get("train", split) if split == "train" else test_split)
    used = {file for files in chosen.values() for file in files}
    for file in sorted(used):
        if file.exists() and not file.is_file():  # opening a named pipe waits for its writer
            raise DatasetError(f"a data set is read from regular files, {file} is none; write its content into a file")
    unused = tuple(file for file in found if file not in used)
    return HubLayout(
        folder, {split: tuple(files) for split, files in chosen.items()}, test_split, unused, "test" in address.options
    )


def parquet_files(folder: Path) -> list[Path]:
    """Return the Parquet files of a folder and of those in it, in order.

    Raises:
        DatasetError: A folder cannot be listed.
    """
    try:
        return sorted(_parquet_files(folder))
    except OSError as error:
        raise DatasetError(f"the folders below {folder} cannot be listed ({error}); {ALTERNATIVES}") from error


def _parquet_files(folder: Path) -> Iterator[Path]:
    for depth in range(MAX_DEPTH + 1):
        for file in folder.glob("*/" * depth + "*.parquet"):
            if not file.is_dir() and not any(part.startswith((".", "__")) for part in file.relative_to(folder).parts):
                yield file


def named_splits(address: DatasetAddress) -> frozenset[str]:
    """Return the words that name a split: those of the Hub, and those that the user chose, in small letters."""
    known = {word for words in SPLIT_WORDS.values() for word in words}
    return frozenset(known | {address.options[split].lower() for split in SPLITS if split in address.options})


def splits_of_parquet(address: DatasetAddress) -> list[Path]:
    """Return the Parquet files of a folder that belong to a split."""
    folder, named = address.folder, named_splits(address)
    return [file for file in parquet_files(folder) if _place(file, folder, named) is not None]


def _place(file: Path, folder: Path, named: frozenset[str]) -> tuple[Path, str] | None:
    """Return the configuration's folder and the split of a file, named by the file or else by the folder it is in.

    A split is the word before the first ``-`` or ``.`` of a file's name. A folder ``train.parquet`` with parts in it,
    as Spark writes it, is one named by its split.
    """
    word = _split_of_name(file.name, named)
    if word is not None:
        return file.parent, word
    word = file.parent.name.lower().removesuffix(".parquet")
    return (file.parent.parent, word) if word in named and file.parent != folder else None


def name_from_split(file: Path, address: DatasetAddress) -> str:
    """Return the part of a file's path that names its split.

    >>> address = DatasetAddress("set", {})
    >>> [name_from_split(Path(file), address) for file in ("set/train-0.parquet", "set/train/0.parquet")]
    ['train-0.parquet', 'train/0.parquet']
    """
    return file.name if _split_of_name(file.name, named_splits(address)) else f"{file.parent.name}/{file.name}"


def _split_of_name(name: str, named: frozenset[str]) -> str | None:
    """Return the split that a file is named by: the word before the first dash or dot, or a longer one that was chosen.

    >>> named = frozenset({"train", "train-small"})
    >>> [_split_of_name(f"{name}-00000.parquet", named) for name in ("train", "train-small", "train_large")]
    ['train', 'train-small', None]
    """
    beginnings = [name.lower()[: found.start()] for found in re.finditer(r"[-.]", name)]
    return next((word for word in reversed(beginnings) if word in named), None)


def train_words(address: DatasetAddress) -> tuple[str, ...]:
    """Return the words of the split that serves as training images."""
    given = address.options.get("train")
    return SPLIT_WORDS["train"] if given is None else (given.lower(),)


def _training_files(splits: Mapping[str, list[Path]], address: DatasetAddress) -> list[Path]:
    return sorted(file for word in train_words(address) for file in splits.get(word, ()))


def _choose_configuration(
    configurations: Mapping[Path, Mapping[str, list[Path]]], found: Sequence[Path], address: DatasetAddress
) -> Path:
    """Return the folder whose files are read: the one given where it holds training images, else the only other."""
    folder = address.folder
    with_train = [place for place, splits in configurations.items() if _training_files(splits, address)]
    if not with_train and "train" in address.options:
        words = sorted({word for splits in configurations.values() for word in splits})
        listed = ", ".join(words) or "none"
        raise DatasetError(f"train={address.options['train']} must name a split of {folder}, there are {listed}")
    if not with_train:
        there = f"; its Parquet files are {shown([str(file.relative_to(folder)) for file in found])}" if found else ""
        there += "; train_split: WORD takes those whose names, or folders, begin with that word" if found else ""
        raise DatasetError(f"a data set folder holds train-*.parquet, none found in {folder}{there}; {ALTERNATIVES}")
    if folder in with_train:
        return folder
    if len(with_train) > 1:
        names = [str(place.relative_to(folder)) for place in sorted(with_train)]
        raise DatasetError(
            f"a data set folder holds one configuration, {folder} has {len(names)}: {shown(names)}; choose one by its "
            f"path, such as dataset={folder / names[0]}"
        )
    return with_train[0]


def choose_test(splits: Collection[str], address: DatasetAddress, wanted: str) -> str:
    """Return the word of the files that serve as test images.

    Args:
        splits: Words of the splits that are there.
        address: The folder, and what was chosen.
        wanted: What the files would be called, for the message.

    Raises:
        DatasetError: There are none, or several that could.
    """
    given = address.options.get("test")
    others = sorted(word for word in splits if word not in train_words(address))
    if given is not None:
        if given.lower() in others:
            return given.lower()
        listed = ", ".join(others) or "none besides train"
        raise DatasetError(f"test={given} must name a split of {address.folder}, there are {listed}")
    for role in ("test", "validation"):
        words = [word for word in others if word in SPLIT_WORDS[role]]
        if len(words) == 1:
            return words[0]
        if words:
            raise DatasetError(
                f"one split serves as test images, {address.folder} has {', '.join(words)}; choose one with "
                f"test_split: {words[0]}, or dataset='{address.folder}?test={words[0]}'"
            )
    raise DatasetError(
        f"a data set folder holds {wanted} beside its training images, none found in {address.folder}; {ALTERNATIVES}"
    )


def check_shards(files: Sequence[Path], split: str) -> None:
    """Check that files whose names say "i of n" make one complete set.

    Args:
        files: All files of a split.
        split: Its name.

    Raises:
        DatasetError: Some numbers are missing or doubled, sets of different sizes are mixed, or some files have none.
    """
    numbers = {file: (int(m[1]), int(m[2])) for file in files if (m := _I_OF_N.search(file.stem))}
    if not numbers:
        return
    folder, advice = files[0].parent, "copy the data set again, or move what does not belong to it"
    rule = f"files of one split must make one whole set, those of {split} in {folder}"
    unnumbered = [file.name for file in files if file not in numbers]
    if unnumbered:
        raise DatasetError(f"{rule} mix numbered files with {shown(unnumbered)}; {advice}")
    sizes = sorted({size for _, size in numbers.values()})
    if len(sizes) > 1:
        raise DatasetError(f"{rule} mix sets of {' and '.join(map(str, sizes))} files; {advice}")
    indices = sorted(index for index, _ in numbers.values())
    doubled = sorted({index for index in indices if indices.count(index) > 1})
    if doubled:
        names = [file.name for file, (index, _) in numbers.items() if index in doubled]
        raise DatasetError(f"{rule} have a number twice: {shown(names)}; {advice}")
    size = sizes[0]
    first = 1 if indices[-1] == size and indices[0] > 0 else 0  # the Hub counts from 0
    outside = [index for index in indices if not first <= index < first + size]
    if outside:
        raise DatasetError(f"{rule} have numbers beyond {first + size - 1}: {shown(list(map(str, outside)))}; {advice}")
    if len(indices) < size:
        n_missing, present = size - len(indices), set(indices)
        missing = (str(index) for index in range(first, first + size) if index not in present)  # of any number of files
        numbered = shown(list(itertools.islice(missing, MAX_LISTED)), n_missing)
        if first == 0 and 0 not in present:
            numbered += f" (number {size} instead of 0 if they are counted from 1)"
        raise DatasetError(f"{rule} lack {n_missing} of {size} files, number {numbered}; {advice}")


def shown(names: Sequence[str], n_names: int | None = None) -> str:
    """Return the first of some names, and how many there are beyond.

    >>> shown(["a", "b"]), shown(list("abcdefg")), shown(list("abcde"), 100)
    ('a, b', 'a, b, c, d, e and 2 more', 'a, b, c, d, e and 95 more')
    """
    n_more = (len(names) if n_names is None else n_names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {n_more:,} more" if n_more > 0 else "")
