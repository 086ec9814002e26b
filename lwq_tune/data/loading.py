"""Load a data set by name or folder; each source has its own function."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lwq_tune.data.catalog import BUILTIN_CLASSES
from lwq_tune.data.decoded_cache import FORMAT, default_cache
from lwq_tune.data.hub_folder import open_hub_folder
from lwq_tune.data.hub_images import cached_hub_folder, decode_hub_folder
from lwq_tune.data.hub_layout import ALTERNATIVES
from lwq_tune.data.images import Dataset, ImageSet, as_arrays, as_dataset, make_dataset
from lwq_tune.errors import DatasetError
from lwq_tune.models.layer_shapes import IMAGE_SIZE

DIGITS_TEST_EVERY = 5


@functools.lru_cache(maxsize=1)
def load_dataset(dataset: str, data_dir: Path, *, download: bool = False) -> Dataset:
    """Return a data set; the last one is kept, so that trials of one process share it, and processes of a node too.

    What has to be decoded is decoded once per node, see `NodeCache`.

    Args:
        dataset: Built-in name, or folder in Hub layout.
        data_dir: Where torchvision keeps its downloads.
        download: Whether torchvision may download what is missing.

    Raises:
        DatasetError: The data set is missing, damaged or of another form.
    """
    if dataset == "digits":  # a file each process reads fast, but importing scikit-learn for it takes a second
        key, load = f"digits-{version('scikit-learn')}-{torch.__version__}", load_digits
    elif dataset in BUILTIN_CLASSES:
        key = f"{dataset}-{_torchvision_digest(dataset)}"
        load = functools.partial(load_torchvision, dataset, data_dir, download=download)
    else:
        return as_dataset(cached_hub_folder(open_hub_folder(dataset)))
    return as_dataset(default_cache().get(f"{key}-{FORMAT}", lambda: as_arrays(load())))


def load_digits() -> Dataset:
    """Return scikit-learn's 1,797 handwritten 8x8 digits, enlarged to 32x32 pixels and three channels.

    Every fifth image is a test image.
    """
    from sklearn.datasets import load_digits as load_sklearn_digits

    bunch = load_sklearn_digits()
    grey = torch.from_numpy(np.round(bunch.images * (255 / 16)).astype(np.uint8))
    images = torch.nn.functional.interpolate(
        grey[:, None].float(), size=IMAGE_SIZE, mode="bilinear", align_corners=False
    )
    images = images.round().to(torch.uint8).expand(-1, 3, -1, -1).contiguous()
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    is_test = torch.arange(len(labels)) % DIGITS_TEST_EVERY == 0
    everything = ImageSet(images, labels)
    train, test = everything.take(~is_test), everything.take(is_test)
    return make_dataset(train, test, BUILTIN_CLASSES["digits"])


def load_torchvision(dataset: str, data_dir: Path, *, download: bool) -> Dataset:
    """Return CIFAR-10 or CIFAR-100 from torchvision, which checks the checksum of every file.

    Raises:
        DatasetError: The files are not there and cannot be downloaded, or a checksum differs.
    """
    train, test = (
        _torchvision_split(dataset, data_dir, train=is_train, download=download) for is_train in (True, False)
    )
    return make_dataset(train, test, BUILTIN_CLASSES[dataset])


def _torchvision_source(dataset: str) -> Any:
    from torchvision import datasets

    return {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[dataset]


def _torchvision_digest(dataset: str) -> str:
    """Return a hash of the checksums that torchvision demands of the files."""
    source = _torchvision_source(dataset)
    return hashlib.sha256(repr((source.train_list, source.test_list)).encode()).hexdigest()[:16]


def _torchvision_split(dataset: str, data_dir: Path, *, train: bool, download: bool) -> ImageSet:
    source = _torchvision_source(dataset)
    existed = data_dir.exists()
    try:
        split = source(root=str(data_dir), train=train, download=download)
    except (RuntimeError, OSError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        attempt = "could not be downloaded" if download else "is not there or damaged"
        if not existed:
            with contextlib.suppress(OSError):  # torchvision made it; what holds part of a download stays
                data_dir.rmdir()
        raise DatasetError(f"{dataset} {attempt} in {data_dir} ({reason}); {ALTERNATIVES}") from error
    images = torch.from_numpy(split.data).permute(0, 3, 1, 2).contiguous()
    return ImageSet(images, torch.tensor(split.targets, dtype=torch.int64))


def load_hub_folder(folder: str) -> Dataset:
    """Return a data set from a folder in Hugging Face Hub layout.

    Raises:
        DatasetError: A file is damaged, a column is missing, or an image is not 32x32 pixels.
    """
    return as_dataset(decode_hub_folder(open_hub_folder(folder)))
