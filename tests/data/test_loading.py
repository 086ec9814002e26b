from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import pickle
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io
import torch
from PIL import Image

from lwq_tune.data import decoded_images
from lwq_tune.data.builtin import BUILTIN_SETS
from lwq_tune.data.catalog import describe_dataset, open_folder
from lwq_tune.data.decoded_images import channel_statistics
from lwq_tune.data.folders.folder_images import decode_folder
from lwq_tune.data.loading import load_dataset, load_digits, load_folder, load_torchvision
from lwq_tune.errors import DatasetError
from lwq_tune.models.image_format import ImageFormat
from tests.support.hub_folders import png, write_hub_folder


def test_digits_are_the_1797_real_ones_at_32_pixels() -> None:
    data = load_digits()
    assert (len(data.train), len(data.test)) == (1437, 360)
    assert data.train.images.shape[1:] == (3, 32, 32)
    assert data.train.images.dtype == torch.uint8
    assert data.train.labels.unique().tolist() == list(range(10))
    assert torch.equal(data.train.images[:, 0], data.train.images[:, 2])
    assert int(data.train.images.max()) > 240


def test_digits_of_another_size_are_enlarged_or_averaged_from_their_own_pixels() -> None:
    from sklearn.datasets import load_digits as load_sklearn_digits

    own = np.round(load_sklearn_digits().images * (255 / 16)).astype(np.uint8)
    is_train = np.arange(len(own)) % 5 != 0
    assert np.array_equal(load_digits(8).train.images[:, 1].numpy(), own[is_train])
    # To half the size, the filter is a triangle over four pixels: 1, 3, 3, 1 of 8; at the border what is left of it.
    half = np.array([[3, 3, 1, 0, 0, 0, 0, 0], [0, 1, 3, 3, 1, 0, 0, 0], [0, 0, 0, 1, 3, 3, 1, 0], [0] * 5 + [1, 3, 3]])
    half = half / half.sum(axis=1, keepdims=True)
    assert np.abs(load_digits(4).train.images[:, 2].numpy() - half @ own[is_train] @ half.T).max() <= 0.5001
    assert load_digits(40).image_format == ImageFormat(3, 40, 40, 10)


@pytest.mark.parametrize("shape", [(7, 3, 32, 32), (5, 1, 28, 28), (3, 3, 40, 17)])
def test_channel_statistics_agree_with_a_float_computation(shape: tuple[int, ...]) -> None:
    images = torch.randint(0, 256, shape, dtype=torch.uint8)
    mean, std = (torch.from_numpy(values) for values in channel_statistics(images))
    pixels = images.double().permute(1, 0, 2, 3).flatten(1) / 255
    assert torch.allclose(mean.double(), pixels.mean(dim=1))
    assert torch.allclose(std.double(), pixels.std(dim=1, correction=0))


@pytest.mark.parametrize(("image", "label"), [("img", "label"), ("image", "fine_label")])
def test_a_hub_folder_gives_back_the_pixels_that_went_in(tmp_path: Path, image: str, label: str) -> None:
    pixels = write_hub_folder(tmp_path / "set", image=image, label=label)
    data = load_folder(str(tmp_path / "set"))
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


@pytest.mark.parametrize("size", [8, 28, 45])
def test_images_of_any_size_come_back_as_they_went_in(tmp_path: Path, size: int) -> None:
    pixels = write_hub_folder(tmp_path, size=size)
    data = load_folder(str(tmp_path))
    assert np.array_equal(data.train.images.permute(0, 2, 3, 1).numpy(), pixels["train"])
    assert data.image_format == describe_dataset(str(tmp_path)).image_format == ImageFormat(3, size, size, 2)


def test_images_of_several_sizes_are_refused_unless_they_are_resized(tmp_path: Path) -> None:
    write_hub_folder(tmp_path, size=28)
    (tmp_path / "train-00000-of-00001.parquet").rename(tmp_path / "train-00000-of-00002.parquet")
    write_hub_folder(tmp_path, size=20)
    (tmp_path / "train-00000-of-00001.parquet").rename(tmp_path / "train-00001-of-00002.parquet")
    with pytest.raises(DatasetError) as caught:
        load_folder(str(tmp_path))
    assert "must have one size, got 20x20 pixels (width x height) in row 0 of" in str(caught.value)
    assert "train-00001-of-00002.parquet and 28x28 in row 0 of" in str(caught.value)
    assert "say image_size: N, such as 28" in str(caught.value)
    resized = load_folder(f"{tmp_path}?size=24")
    assert resized.train.images.shape == (80, 3, 24, 24)
    assert describe_dataset(f"{tmp_path}?size=24").image_format == resized.image_format


def test_images_are_resized_as_torchvision_resizes_pictures(tmp_path: Path) -> None:
    from torchvision.transforms.functional import resize

    pixels = write_hub_folder(tmp_path, size=50)["train"]
    images = load_folder(f"{tmp_path}?size=16").train.images
    expected = [np.asarray(resize(Image.fromarray(one), [16, 16])) for one in pixels]
    assert np.array_equal(images.permute(0, 2, 3, 1).numpy(), expected)
    # Antialiased: each pixel is a mean over some 6x6, so that noise of deviation 29 keeps 6; over 2x2 it would keep 13.
    assert images[::2].float().std() < 8
    digests = {describe_dataset(f"{tmp_path}{options}").digest for options in ("", "?size=16", "?size=17")}
    assert len(digests) == 3


@pytest.mark.parametrize("name", ["digit", "cifar", "no/such/folder"])
def test_an_unknown_name_lists_the_alternatives(name: str) -> None:
    with pytest.raises(DatasetError, match="use digits .*, mnist, fashion_mnist, svhn or stl10 .downloaded"):
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


def gz(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def idx(array: np.ndarray) -> bytes:
    """Return an array of bytes in the format of MNIST."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4) for size in array.shape) + array.tobytes()


def pack(folder: Path, address: str, name: str) -> tuple[dict[str, object], dict[str, tuple[np.ndarray, list[int]]]]:
    """Write what a server of a data set has and return the class attributes that point to it, and what it holds."""
    rng = np.random.default_rng(0)
    shape = {"svhn": (32, 32, 3), "stl10": (96, 96, 3)}.get(name, (28, 28))
    labels = {"train": [*range(10), 3, 3], "test": [9, 0, 4]}
    held = {split: (rng.integers(0, 256, (len(of), *shape), dtype=np.uint8), of) for split, of in labels.items()}

    def md5(content: bytes) -> str:
        return hashlib.md5(content).hexdigest()

    if name == "svhn":
        for split, (pixels, of) in held.items():
            classes = np.array([[label or 10] for label in of], dtype=np.uint8)  # the digit 0 has label 10
            scipy.io.savemat(folder / f"{split}_32x32.mat", {"X": pixels.transpose(1, 2, 3, 0), "y": classes})
        files = {split: (folder / f"{split}_32x32.mat").read_bytes() for split in held}
        return {"split_list": {s: [f"{address}/{s}_32x32.mat", f"{s}_32x32.mat", md5(files[s])] for s in held}}, held
    if name == "stl10":
        files = {"unlabeled_X.bin": b""}
        for split, (pixels, of) in held.items():
            files[f"{split}_X.bin"] = pixels.transpose(0, 3, 2, 1).tobytes()  # columns first
            files[f"{split}_y.bin"] = bytes(label + 1 for label in of)
        (folder / "stl10_binary").mkdir()
        for file, content in files.items():
            (folder / "stl10_binary" / file).write_bytes(content)
        with tarfile.open(folder / "stl10.tar.gz", "w:gz") as tar:
            tar.add(folder / "stl10_binary", arcname="stl10_binary")
        lists = {
            "train_list": [[file, md5(files[file])] for file in ("train_X.bin", "train_y.bin", "unlabeled_X.bin")],
            "test_list": [[file, md5(files[file])] for file in ("test_X.bin", "test_y.bin")],
        }
        archive = {"filename": "stl10.tar.gz", "tgz_md5": md5((folder / "stl10.tar.gz").read_bytes())}
        return {**lists, **archive, "url": f"{address}/stl10.tar.gz"}, held
    resources = []
    for split, prefix in (("train", "train"), ("test", "t10k")):
        pixels, of = held[split]
        for file, content in (("images-idx3", idx(pixels)), ("labels-idx1", idx(np.array(of, dtype=np.uint8)))):
            (folder / f"{prefix}-{file}-ubyte.gz").write_bytes(gz(content))
            resources.append((f"{prefix}-{file}-ubyte.gz", md5(gz(content))))
    return {"resources": resources, "mirrors": [f"{address}/"]}, held


SOURCES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "svhn": "SVHN", "stl10": "STL10"}


@pytest.mark.parametrize("name", SOURCES)
def test_other_sets_of_torchvision_are_downloaded_once_and_checked(
    served: tuple[Path, str], datasets: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    attributes, held = pack(*served, name)
    for attribute, value in attributes.items():
        monkeypatch.setattr(getattr(datasets, SOURCES[name]), attribute, value)
    data_dir = tmp_path / "data"
    data = load_torchvision(name, data_dir, download=True)
    for split, part in (("train", data.train), ("test", data.test)):
        pixels, labels = held[split]
        pixels = pixels if pixels.ndim == 4 else pixels[..., None]
        assert np.array_equal(part.images.permute(0, 2, 3, 1).numpy(), pixels)
        assert part.images.is_contiguous()
        assert part.labels.tolist() == labels
    assert data.image_format == BUILTIN_SETS[name].image_format
    for file in served[0].iterdir():
        if file.is_file():
            file.unlink()
    again = load_torchvision(name, data_dir, size=14, download=False)
    assert again.train.images.shape == (12, data.image_format.channels, 14, 14)

    damaged = next(file for file in sorted(data_dir.rglob("tr*")) if file.suffix != ".gz")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=f"{name} is not there or damaged"):
        load_torchvision(name, data_dir, download=False)


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_served_otherwise_than_published_is_refused_and_leaves_no_empty_folder(
    served: tuple[Path, str], datasets: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    attributes, _ = pack(*served, name)
    for file in served[0].iterdir():
        if file.is_file():
            file.unlink()
    for attribute, value in attributes.items():
        monkeypatch.setattr(getattr(datasets, SOURCES[name]), attribute, value)
    with pytest.raises(DatasetError, match=f"{name} could not be downloaded .*; use digits"):
        load_torchvision(name, tmp_path / "data", download=True)
    assert not (tmp_path / "data").exists()


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


GREY = np.arange(1024, dtype=np.uint8).reshape(32, 32)
COLOR = np.stack([GREY, GREY.T, GREY[::-1]], axis=2)


def write_pictures(folder: Path, train: list[np.ndarray], test: list[np.ndarray]) -> str:
    for split, pictures in (("train", train), ("test", test)):
        rows = [{"bytes": png(picture), "path": ""} for picture in pictures]
        pq.write_table(pa.table({"image": rows, "label": [0, 1]}), folder / f"{split}-0.parquet")
    return str(folder)


def test_grey_stays_one_channel(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path, [GREY, GREY.T], [GREY, GREY])
    data = load_folder(folder)
    assert torch.equal(data.train.images, torch.from_numpy(np.stack([GREY, GREY.T])[:, None]))
    assert data.mean.shape == data.std.shape == (1,)
    assert data.image_format == describe_dataset(folder).image_format == ImageFormat(1, 32, 32, 2)


@pytest.mark.parametrize("colored", range(4))
def test_one_picture_in_colour_makes_all_colour(tmp_path: Path, colored: int) -> None:
    pictures = [COLOR if place == colored else GREY + np.uint8(place) for place in range(4)]
    folder = write_pictures(tmp_path, pictures[:2], pictures[2:])
    decoded = decode_folder(open_folder(folder))
    found = [*decoded.train_images, *decoded.test_images]
    expected = [one if one.ndim == 3 else np.stack([one] * 3, axis=2) for one in pictures]
    assert np.array_equal(np.stack(found).transpose(0, 2, 3, 1), expected)
    assert "3 of 4 images are gray and were converted to colour, which the others have" in decoded.notes
    assert describe_dataset(folder).image_format.channels == 3


def test_images_that_do_not_fit_into_memory_are_refused_with_a_size_that_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_hub_folder(tmp_path, n_train=30, n_test=10, size=16)
    monkeypatch.setattr(decoded_images, "free_memory_mib", lambda: 100 * 100 * 3 * 40 / 2**20)
    assert load_folder(f"{tmp_path}?size=100").image_format.shape == (3, 100, 100)
    with pytest.raises(DatasetError, match="40 of 3x101x101 in .* take 1 MiB .*say image_size: N, at most 100"):
        load_folder(f"{tmp_path}?size=101")
