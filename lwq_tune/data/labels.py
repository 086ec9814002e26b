"""Labels of any values to classes 0 to k-1. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwq_tune.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

UNKNOWN_CLASS = -100  # of a test image whose label no training image has; torch's losses leave this number out
_MAX_SHOWN, _MAX_SHOWN_LENGTH = 4, 40
Label = int | str | bool


def _shown(labels: Sequence[Label]) -> str:
    """Return labels as a message shows them.

    >>> _shown([7, "cat", "x" * 1000])
    "7, 'cat', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"
    """
    texts = [repr(label) for label in labels]
    return ", ".join(text if len(text) <= _MAX_SHOWN_LENGTH else f"{text[:_MAX_SHOWN_LENGTH]}…" for text in texts)


@dataclass(frozen=True)
class LabelMap:
    """The classes of a data set.

    Attributes:
        values: Label of each class: the distinct labels of the training images, in order.
        names: Name of each class where the Hub's metadata give one, else empty.
        classes_of: Class of each image, file by file, by split; `UNKNOWN_CLASS` where training has no such label.
        counts: Training images of each class.
    """

    values: tuple[Label, ...]
    names: tuple[str, ...]
    classes_of: Mapping[str, Sequence[np.ndarray[Any, Any]]]
    counts: tuple[int, ...]

    @property
    def n_unknown(self) -> int:
        """Test images whose label no training image has."""
        return sum(int((part == UNKNOWN_CLASS).sum()) for part in self.classes_of["test"])

    def describe(self) -> str:
        """Return how many classes there are, with their labels where these are not 0 to k-1.

        >>> LabelMap((0, 7, 100000), (), {}, (40, 40, 40)).describe()
        '3 classes (labels 0, 7, 100000)'
        """
        count = f"{len(self.values):,} classes"
        if all(type(value) is int for value in self.values) and self.values == tuple(range(len(self.values))):
            return count
        more = f", … {_shown(self.values[-1:])}" if len(self.values) > _MAX_SHOWN else ""
        return f"{count} (labels {_shown(self.values[:_MAX_SHOWN])}{more})"

    def warnings(self) -> list[str]:
        """Return what a user should know about the labels, a line each."""
        n_test = sum(len(part) for part in self.classes_of["test"])
        if not self.n_unknown:
            return []
        return [
            f"warning: {self.n_unknown:,} of {n_test:,} test images ({self.n_unknown / n_test:.1%}) have a label that "
            "no training image has; they count as wrong in the test accuracy and are left out of the test loss"
        ]


def map_labels(labels: Mapping[str, Sequence[pa.ChunkedArray]], class_names: Sequence[str], folder: Path) -> LabelMap:
    """Return the classes of a data set: the distinct labels of its training images, in order.

    Integers are ordered by value, strings by code point, False before True.

    Args:
        labels: Labels of each file, by split; integers, strings or booleans.
        class_names: Names of the labels 0, 1, …, where the files hold them.
        folder: Of the data set, for messages.

    Raises:
        DatasetError: There is one class only, or the test images have none of the classes.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    train = pa.chunked_array([chunk for part in labels["train"] for chunk in part.chunks])
    counted = sorted((entry["values"], entry["counts"]) for entry in pc.value_counts(train).to_pylist())
    values = tuple(value for value, _ in counted)
    if len(values) < 2:
        raise DatasetError(
            f"a data set must have two classes or more to tell apart, the training images of {folder} all have label "
            f"{_shown(values)}; see whether another column holds the labels (label_column: COLUMN, or "
            f"dataset='{folder}?label=COLUMN')"
        )
    known = pa.array(values, type=train.type)

    def classes(part: pa.ChunkedArray) -> np.ndarray[Any, Any]:
        found = pc.index_in(part, value_set=known).fill_null(UNKNOWN_CLASS)
        return np.asarray(found, dtype=np.int64)

    classes_of = {split: [classes(part) for part in parts] for split, parts in labels.items()}
    has_names = bool(class_names) and all(isinstance(v, int) and 0 <= v < len(class_names) for v in values)
    names = tuple(class_names[int(value)] for value in values) if has_names else ()
    label_map = LabelMap(values, names, classes_of, tuple(count for _, count in counted))
    if label_map.n_unknown == sum(len(part) for part in classes_of["test"]):
        tested = _shown(pc.unique(labels["test"][0]).to_pylist()[:3])
        raise DatasetError(
            f"test images must have labels that training images have, none of {folder} has: training has "
            f"{_shown(values[:3])} …, test {tested} …; take another split for them "
            f"(test_split: SPLIT, or dataset='{folder}?test=SPLIT')"
        )
    return label_map
