from __future__ import annotations

import functools
import hashlib
import http.server
import pickle
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from lwq_tune.data.catalog import describe_dataset
from lwq_tune.data.decoded_images import channel_statistics
from lwq_tune.data.loading import load_dataset, load_digits, load_hub_folder, load_torchvision
from lwq_tune.errors import DatasetError
from tests.support.hub_folders import png, write_hub_folder


def test_digits_are_the_1797_real_ones_at_32_pixels() -> None:
    data = load_digits()
    assert (len(data.train), len(data.test)) == (1437, 360)
    assert data.train.images.shape[1:] == (3, 32, 32)
    assert data.train.images.dtype == torch.uint8
    assert data.train.labels.unique().tolist() == list(range(10))
    assert torch.equal(data.train.images[:, 0], data.train.images[:, 2])
    assert int(data.train.images.max()) > 240


def test_channel_statistics_agree_with_a_float_computation() -> None:
    images = torch.randint(0, 256, (7, 3, 32, 32), dtype=torch.uint8)
    mean, std = (torch.from_numpy(values) for values in channel_statistics(images))
    pixels = images.double().permute(1, 0, 2, 3).flatten(1) / 255
    assert torch.allclose(mean.double(), pixels.mean(dim=1))
    assert torch.allclose(std.double(), pixels.std(dim=1, correction=0))


@pytest.mark.parametrize(("image", "label"), [("img", "label"), ("image", "fine_label")])
def test_a_hub_folder_gives_back_the_pixels_that_went_in(tmp_path: Path, image: str, label: str) -> None:
    pixels = write_hub_folder(tmp_path / "set", image=image, label=label)
    data = load_hub_folder(str(tmp_path / "set"))
    assert np.array_equal(data.train.images.permute(0, 2, 3, 1).numpy(), pixels["train"])
    assert np.array_equal(data.test.images.permute(0, 2, 3, 1).numpy(), pixels["test"])
    assert data.train.labels.tolist() == [0, 1] * 20
    assert data.num_classes == 2


def test_a_folder_is_known_by_its_content(tmp_path: Path) -> None:
    write_hub_folder(tmp_path / "one")
    write_hub_folder(tmp_path / "two")
    write_hub_folder(tmp_path / "three", n_train=42)
    digests = [describe_dataset(str(tmp_path / name)).digest for name in ("one", "two", "three")]
    assert digests[0] == digests[1] != digests[2]


def damage(folder: Path, how: str) -> None:
    train = folder / "train-00000-of-00001.parquet"
    if how == "truncated":
        train.write_bytes(train.read_bytes()[:-200])
    elif how == "overwritten":
        train.write_bytes(b"not parquet at all")
    elif how == "no test split":
        (folder / "test-00000-of-00001.parquet").unlink()
    elif how == "empty":
        write_hub_folder(folder, n_train=0)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", "readable as Parquet"),
        ("overwritten", "readable as Parquet"),
        ("no test split", "test-*.parquet or validation-*.parquet beside its training images, none found"),
        ("empty", "got 0 rows"),
    ],
)
def test_a_damaged_folder_is_refused_before_anything_starts(tmp_path: Path, how: str, message: str) -> None:
    write_hub_folder(tmp_path)
    damage(tmp_path, how)
    with pytest.raises(DatasetError) as caught:
        describe_dataset(str(tmp_path))
    assert message in str(caught.value)


def test_wrong_columns_are_named(tmp_path: Path) -> None:
    write_hub_folder(tmp_path, image="picture")
    with pytest.raises(DatasetError, match="got picture, label"):
        describe_dataset(str(tmp_path))


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    write_hub_folder(tmp_path, size=28)
    with pytest.raises(DatasetError, match="must be 32x32 pixels, got 28x28 in row 0"):
        load_hub_folder(str(tmp_path))


@pytest.mark.parametrize("name", ["digit", "cifar", "no/such/folder"])
def test_an_unknown_name_lists_the_alternatives(name: str) -> None:
    with pytest.raises(DatasetError, match="use digits \\(embedded\\), cifar10 or cifar100"):
        describe_dataset(name)


# torchvision's download, for real, from a small archive of the same format on loopback.


def pack_cifar(folder: Path, name: str) -> dict[str, object]:
    """Write an archive like CIFAR's with 10 images a batch and return the class attributes that point to it."""
    base = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}[name]
    key = {"cifar10": "labels", "cifar100": "fine_labels"}[name]
    batches = {"cifar10": [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"], "cifar100": ["train", "test"]}[
        name
    ]
    meta = {"cifar10": "batches.meta", "cifar100": "meta"}[name]
    source = folder / base
    source.mkdir()
    rng = np.random.default_rng(0)
    for batch in batches:
        content = {"data": rng.integers(0, 256, (10, 3072), dtype=np.uint8), key: list(range(10))}
        (source / batch).write_bytes(pickle.dumps(content))
    names = {"cifar10": "label_names", "cifar100": "fine_label_names"}[name]
    (source / meta).write_bytes(pickle.dumps({names: [str(i) for i in range(10)]}))
    archive = folder / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source, arcname=base)

    def md5(path: Path) -> str:
        return hashlib.md5(path.read_bytes()).hexdigest()

    return {
        "filename": archive.name,
        "tgz_md5": md5(archive),
        "train_list": [[b, md5(source / b)] for b in batches if not b.startswith("test")],
        "test_list": [[b, md5(source / b)] for b in batches if b.startswith("test")],
        "meta": {"filename": meta, "key": names, "md5": md5(source / meta)},
    }


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Serve a folder on loopback."""
    folder = tmp_path / "www"
    folder.mkdir()
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def datasets() -> ModuleType:
    """Torchvision's, imported here: it loads the compiler of PyTorch into every process that collects tests."""
    from torchvision import datasets

    return datasets


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_is_downloaded_once_and_checked(
    served: tuple[Path, str], datasets: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder, address = served
    source = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    for attribute, value in pack_cifar(folder, name).items():
        monkeypatch.setattr(source, attribute, value)
    monkeypatch.setattr(source, "url", f"{address}/{name}.tar.gz")
    data_dir = tmp_path / "data"
    data = load_torchvision(name, data_dir, download=True)
    assert len(data.train) == (50 if name == "cifar10" else 10)
    assert data.test.images.shape == (10, 3, 32, 32)
    (folder / f"{name}.tar.gz").unlink()
    again = load_torchvision(name, data_dir, download=False)
    assert torch.equal(again.train.images, data.train.images)

    batch = next(data_dir.glob("*/data_batch_1" if name == "cifar10" else "*/train"))
    batch.write_bytes(batch.read_bytes()[:-1])
    with pytest.raises(DatasetError, match="is not there or damaged"):
        load_torchvision(name, data_dir, download=False)


def test_a_download_with_a_wrong_checksum_is_refused(
    served: tuple[Path, str], datasets: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    for attribute, value in pack_cifar(folder, "cifar10").items():
        monkeypatch.setattr(datasets.CIFAR10, attribute, value)
    monkeypatch.setattr(datasets.CIFAR10, "url", f"{address}/cifar10.tar.gz")
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", "0" * 32)
    with pytest.raises(DatasetError, match="could not be downloaded"):
        load_torchvision("cifar10", tmp_path / "data", download=True)


def test_no_network_is_one_clear_error(datasets: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.CIFAR10, "url", "http://127.0.0.1:9/cifar10.tar.gz")
    with pytest.raises(DatasetError, match="use digits"):
        load_torchvision("cifar10", tmp_path / "data", download=True)
    assert list(tmp_path.iterdir()) == [], "nothing is left half-written"


def test_trials_of_one_process_share_a_data_set(tmp_path: Path) -> None:
    assert load_dataset("digits", tmp_path) is load_dataset("digits", tmp_path)


def test_pngs_may_be_grey(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    grey = np.arange(1024, dtype=np.uint8).reshape(32, 32)
    for split in ("train", "test"):
        rows = [{"bytes": png(grey), "path": ""}] * 2
        pq.write_table(pa.table({"image": rows, "label": [0, 1]}), tmp_path / f"{split}-0.parquet")
    images = load_hub_folder(str(tmp_path)).train.images
    assert torch.equal(images, torch.from_numpy(grey).expand(2, 3, 32, 32))
