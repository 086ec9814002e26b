"""Load a data set by name or folder; each source has its own function."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lwq_tune.data.address import ALTERNATIVES, DatasetAddress
from lwq_tune.data.builtin import BUILTIN_SETS
from lwq_tune.data.catalog import open_folder
from lwq_tune.data.decoded_cache import FORMAT, default_cache
from lwq_tune.data.decoded_images import check_memory
from lwq_tune.data.decoding import resize
from lwq_tune.data.folders.folder_images import cached_folder, decode_folder
from lwq_tune.data.images import Dataset, ImageSet, as_arrays, as_dataset, make_dataset
from lwq_tune.errors import DatasetError

DIGITS_TEST_EVERY = 5


@functools.lru_cache(maxsize=1)
def load_dataset(dataset: str, data_dir: Path, *, download: bool = False) -> Dataset:
    """Return a data set; the last one is kept, so that trials of one process share it, and processes of a node too.

    What has to be decoded is decoded once per node, see `NodeCache`.

    Args:
        dataset: Built-in name, or folder of images, perhaps with choices behind it, see `DatasetAddress`.
        data_dir: Where torchvision keeps its downloads.
        download: Whether torchvision may download what is missing.

    Raises:
        DatasetError: The data set is missing, damaged or of another form.
    """
    address = DatasetAddress.parse(dataset)
    name, size = address.place, address.size
    if name not in BUILTIN_SETS:
        return as_dataset(cached_folder(open_folder(dataset)))
    if name == "digits":  # a file each process reads fast, but importing scikit-learn for it takes a second
        key, load = f"digits-{version('scikit-learn')}-{torch.__version__}", functools.partial(load_digits, size)
    else:
        key = f"{name}-{_torchvision_digest(name)}"
        load = functools.partial(load_torchvision, name, data_dir, size=size, download=download)
    key += "" if size is None else f"-{size}px"
    return as_dataset(default_cache().get(f"{key}-{FORMAT}", lambda: as_arrays(load())))


def load_digits(size: int | None = None) -> Dataset:
    """Return scikit-learn's 1,797 handwritten 8x8 digits, enlarged to 32x32 pixels and three channels.

    Every fifth image is a test image.

    Args:
        size: Width and height instead of 32, bilinear from the 8x8 pixels too.
    """
    from sklearn.datasets import load_digits as load_sklearn_digits

    bunch = load_sklearn_digits()
    grey = torch.from_numpy(np.round(bunch.images * (255 / 16)).astype(np.uint8))
    images = torch.nn.functional.interpolate(
        grey[:, None].float(),
        size=size or BUILTIN_SETS["digits"].image_format.height,
        mode="bilinear",
        align_corners=False,
        antialias=size is not None and size < grey.shape[1],
    )
    images = images.round().to(torch.uint8).expand(-1, 3, -1, -1).contiguous()
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    is_test = torch.arange(len(labels)) % DIGITS_TEST_EVERY == 0
    everything = ImageSet(images, labels)
    train, test = everything.take(~is_test), everything.take(is_test)
    return make_dataset(train, test, BUILTIN_SETS["digits"].image_format.num_classes)


def load_torchvision(dataset: str, data_dir: Path, *, size: int | None = None, download: bool) -> Dataset:
    """Return a data set from torchvision, which checks the checksum of every file that it downloads.

    Args:
        dataset: Its name in `BUILTIN_SETS`.
        data_dir: Where torchvision keeps its downloads.
        size: Width and height that the images are resized to; None for their own.
        download: Whether torchvision may download what is missing.

    Raises:
        DatasetError: The files are not there and cannot be downloaded, a checksum differs, or the images do not fit
            into memory.
    """
    builtin = BUILTIN_SETS[dataset]
    if size is not None:
        check_memory(builtin.n_train + builtin.n_test, (builtin.image_format.channels, size, size), dataset)
    train, test = (
        _torchvision_split(dataset, data_dir, size, is_train=is_train, download=download) for is_train in (True, False)
    )
    return make_dataset(train, test, builtin.image_format.num_classes)


@dataclass(frozen=True)
class _TorchvisionSet:
    """A class of torchvision and how it differs from the others.

    Attributes:
        name: Name of the class.
        labels: Its attribute with the labels.
        checksums: Its attributes that list the files with their checksums.
        axes: Axes of an image in its ``data``: h, w, and c where there are channels.
        has_split_names: Whether a split is chosen as ``split="train"`` instead of ``train=True``.
    """

    name: str
    labels: str
    checksums: tuple[str, ...]
    axes: str
    has_split_names: bool = False

    def source(self) -> Any:
        from torchvision import datasets

        return getattr(datasets, self.name)


_CIFAR_LISTS = ("train_list", "test_list")
_TORCHVISION_SETS = {
    "cifar10": _TorchvisionSet("CIFAR10", "targets", _CIFAR_LISTS, "hwc"),
    "cifar100": _TorchvisionSet("CIFAR100", "targets", _CIFAR_LISTS, "hwc"),
    "mnist": _TorchvisionSet("MNIST", "targets", ("resources",), "hw"),
    "fashion_mnist": _TorchvisionSet("FashionMNIST", "targets", ("resources",), "hw"),
    "svhn": _TorchvisionSet("SVHN", "labels", ("split_list",), "chw", has_split_names=True),
    "stl10": _TorchvisionSet("STL10", "labels", _CIFAR_LISTS, "chw", has_split_names=True),
}


def _torchvision_digest(dataset: str) -> str:
    """Return a hash of the checksums that torchvision demands of the files."""
    known = _TORCHVISION_SETS[dataset]
    source = known.source()
    return hashlib.sha256(repr(tuple(getattr(source, name) for name in known.checksums)).encode()).hexdigest()[:16]


def _torchvision_split(dataset: str, data_dir: Path, size: int | None, *, is_train: bool, download: bool) -> ImageSet:
    known = _TORCHVISION_SETS[dataset]
    which: dict[str, Any] = {"train": is_train}
    if known.has_split_names:
        which = {"split": "train" if is_train else "test"}
    existed = data_dir.exists()
    try:
        split = known.source()(root=str(data_dir), download=download, **which)
    except (RuntimeError, OSError, EOFError, ValueError, AssertionError) as error:  # the last two: a file cut short
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        attempt = "could not be downloaded" if download else "is not there or damaged"
        if not existed:
            _remove_empty_folders(data_dir)  # torchvision made them; what holds part of a download stays
        raise DatasetError(f"{dataset} {attempt} in {data_dir} ({reason}); {ALTERNATIVES}") from error
    images = _channels_first(np.asarray(split.data), known.axes)
    labels = torch.as_tensor(getattr(split, known.labels), dtype=torch.int64)
    return ImageSet(torch.from_numpy(images if size is None else _resized(images, size)), labels)


def _channels_first(images: NDArray[np.uint8], axes: str) -> NDArray[np.uint8]:
    """Return images of shape (n, c, h, w), whatever the order of their axes."""
    if axes == "hw":
        images, axes = images[..., None], "hwc"
    return np.ascontiguousarray(images.transpose(0, *(1 + axes.index(axis) for axis in "chw")))


def _resized(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return images, shape (n, c, h, w), of ``size`` x ``size`` pixels."""
    resized = np.empty((*images.shape[:2], size, size), dtype=np.uint8)
    for image, into in zip(images, resized, strict=True):
        into[:] = resize(image.transpose(1, 2, 0), size).transpose(2, 0, 1)
    return resized


def _remove_empty_folders(folder: Path) -> None:
    for path in (*sorted(folder.rglob("*"), reverse=True), folder):
        with contextlib.suppress(OSError):
            path.rmdir()


def load_folder(folder: str) -> Dataset:
    """Return a data set from a folder of images.

    Raises:
        DatasetError: A file is damaged, a column is missing, or the images differ in size.
    """
    return as_dataset(decode_folder(open_folder(folder)))
