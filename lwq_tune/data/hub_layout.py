"""Which Parquet files of a folder are its training images, and which its test images. No torch, no file is opened.

A repository as the Hugging Face Hub serves it is read as it is: files named by their split (``train-*.parquet``) or in
folders named by it (``train/*.parquet``), directly in the folder or in one folder per configuration (``data/``,
``plain_text/``).
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

from lwq_tune.errors import DatasetError, near_miss

ALTERNATIVES = (
    "use digits (embedded), cifar10 or cifar100 (downloaded into --data-dir), or the path of a folder "
    "that holds train-*.parquet and test-*.parquet"
)
SPLITS = ("train", "test")
# The words that the Hub knows for each split; where nothing is a test split, validation images are taken for it.
SPLIT_WORDS = {
    "train": ("train", "training"),
    "test": ("test", "testing", "eval", "evaluation"),
    "validation": ("validation", "valid", "val", "dev"),
}
OPTIONS = {"test": "split that serves as test images", "image": "column of images", "label": "column of labels"}
MAX_DEPTH = 3  # folders between the one given and a file: data/CONFIGURATION/SPLIT
MAX_LISTED = 5
_I_OF_N = re.compile(r"(\d+)[-_ ]?of[-_ ]?(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class FolderAddress:
    """A folder with choices behind it, as in ``DIR?test=validation&label=coarse_label``.

    Attributes:
        folder: The folder.
        options: Choices by name, see `OPTIONS`.
    """

    folder: Path
    options: Mapping[str, str]

    @classmethod
    def parse(cls, dataset: str) -> FolderAddress:
        """Return the address that a user wrote.

        Raises:
            DatasetError: A choice is unknown, empty or given twice, or the path cannot be looked up.

        >>> FolderAddress.parse("images?test=dev").options
        {'test': 'dev'}
        """
        folder, separator, query = dataset.rpartition("?")
        if not separator or is_folder(_expanded(dataset)):
            return cls(_expanded(dataset), {})
        pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)  # a plus sign is itself, no space
        options = dict(pairs)
        unknown = next((name for name, value in pairs if name not in OPTIONS or not value), None)
        if unknown is not None or len(options) != len(pairs) or not pairs:
            known = ", ".join(f"{name} ({meaning})" for name, meaning in OPTIONS.items())
            hint = near_miss(unknown or "", OPTIONS)
            raise DatasetError(
                f"what follows ? in a dataset must be NAME=VALUE of {known}, each once, got {query}{hint}"
            )
        return cls(_expanded(folder), options)

    def __str__(self) -> str:
        return str(self.folder) + (f"?{urlencode(self.options, quote_via=quote)}" if self.options else "")


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # ~NAME of nobody
        raise DatasetError(f"dataset {path!r} cannot be looked up ({error}); {ALTERNATIVES}") from error


def is_folder(path: Path) -> bool:
    """Return whether a path is one of a folder.

    Raises:
        DatasetError: It cannot be looked up.
    """
    try:
        return path.is_dir()
    except OSError as error:  # no permission, a name too long
        raise DatasetError(f"dataset '{path}' cannot be looked up ({error.strerror}); {ALTERNATIVES}") from error


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


def find_layout(address: FolderAddress) -> HubLayout:
    """Return which files of a folder are its training and its test images.

    Raises:
        DatasetError: There are none, several choices, or parts of a set are missing, doubled or no files.
    """
    folder = address.folder
    try:
        found = sorted(_parquet_files(folder))
    except OSError as error:
        raise DatasetError(f"the folders below {folder} cannot be listed ({error}); {ALTERNATIVES}") from error
    configurations: dict[Path, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for file in found:
        place = _place(file, folder)
        if place is not None:
            configurations[place[0]][place[1]].append(file)
    splits = configurations[_choose_configuration(configurations, found, folder)]
    test_split = _choose_test(splits, address)
    chosen = {"train": _of_split(splits, "train"), "test": splits[test_split]}
    for split, files in chosen.items():
        check_shards(files, split if split == "train" else test_split)
    used = {file for files in chosen.values() for file in files}
    for file in sorted(used):
        if file.exists() and not file.is_file():  # opening a named pipe waits for its writer
            raise DatasetError(f"a data set is read from regular files, {file} is none; write its content into a file")
    unused = tuple(file for file in found if file not in used)
    return HubLayout(
        folder, {split: tuple(files) for split, files in chosen.items()}, test_split, unused, "test" in address.options
    )


def _parquet_files(folder: Path) -> Iterator[Path]:
    for depth in range(MAX_DEPTH + 1):
        for file in folder.glob("*/" * depth + "*.parquet"):
            if not file.is_dir() and not any(part.startswith((".", "__")) for part in file.relative_to(folder).parts):
                yield file


def _place(file: Path, folder: Path) -> tuple[Path, str] | None:
    """Return the configuration's folder and the split of a file, named by the file or else by the folder it is in.

    A split is the word before the first ``-`` or ``.`` of a file's name. A folder ``train.parquet`` with parts in it,
    as Spark writes it, is one named by its split.
    """
    word = _split_of_name(file.name)
    if word is not None:
        return file.parent, word
    known = {word for words in SPLIT_WORDS.values() for word in words}
    word = file.parent.name.lower().removesuffix(".parquet")
    return (file.parent.parent, word) if word in known and file.parent != folder else None


def name_from_split(file: Path) -> str:
    """Return the part of a file's path that names its split.

    >>> name_from_split(Path("set/train-0.parquet")), name_from_split(Path("set/train/0.parquet"))
    ('train-0.parquet', 'train/0.parquet')
    """
    return file.name if _split_of_name(file.name) else f"{file.parent.name}/{file.name}"


def _split_of_name(name: str) -> str | None:
    word = re.split(r"[-.]", name.lower())[0]
    return word if any(word in words for words in SPLIT_WORDS.values()) else None


def _of_split(splits: Mapping[str, list[Path]], split: str) -> list[Path]:
    return sorted(file for word in SPLIT_WORDS[split] for file in splits.get(word, ()))


def _choose_configuration(
    configurations: Mapping[Path, Mapping[str, list[Path]]], found: Sequence[Path], folder: Path
) -> Path:
    """Return the folder whose files are read: the one given where it holds training images, else the only other."""
    with_train = [place for place, splits in configurations.items() if _of_split(splits, "train")]
    if not with_train:
        there = f"; its Parquet files are {shown([str(file.relative_to(folder)) for file in found])}" if found else ""
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


def _choose_test(splits: Mapping[str, list[Path]], address: FolderAddress) -> str:
    """Return the word of the files that serve as test images."""
    given = address.options.get("test")
    others = sorted(word for word in splits if word not in SPLIT_WORDS["train"])
    if given is not None:
        if given in others:
            return given
        listed = ", ".join(others) or "none besides train"
        raise DatasetError(f"test={given} must name a split of {address.folder}, there are {listed}")
    for role in ("test", "validation"):
        words = [word for word in others if word in SPLIT_WORDS[role]]
        if len(words) == 1:
            return words[0]
        if words:
            raise DatasetError(
                f"one split serves as test images, {address.folder} has {', '.join(words)}; choose one, such as "
                f"dataset='{address.folder}?test={words[0]}'"
            )
    raise DatasetError(
        f"a data set folder holds test-*.parquet or validation-*.parquet beside its training images, none found in "
        f"{address.folder}; {ALTERNATIVES}"
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
