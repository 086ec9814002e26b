from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lwq_tune.data.decoded_cache import FOLDER_VARIABLE, NodeCache, default_cache
from lwq_tune.data.decoded_images import DecodedImages
from lwq_tune.data.images import Dataset, as_arrays, as_dataset
from lwq_tune.data.loading import load_dataset, load_folder
from lwq_tune.errors import DatasetError
from tests.conftest import REPOSITORY, run_python
from tests.support.decoded_images import assert_equal, decoded, never
from tests.support.hub_folders import write_hub_folder

SIZE_BYTES = 30 * 3 * 32 * 32 + 30 * 8 + 2 * 3 * 4


def tensors(data: Dataset) -> list[torch.Tensor]:
    return [data.train.images, data.train.labels, data.test.images, data.test.labels, data.mean, data.std]


def assert_same(found: Dataset, expected: Dataset) -> None:
    assert found.num_classes == expected.num_classes
    for one, other in zip(tensors(found), tensors(expected), strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


@pytest.fixture
def cache(tmp_path: Path) -> NodeCache:
    return NodeCache(tmp_path / "cache", min_free_bytes=0)


def test_a_data_set_is_decoded_once_and_comes_back_bit_for_bit(cache: NodeCache) -> None:
    expected = decoded()
    assert_equal(cache.get("one", decoded), expected)
    assert_equal(cache.get("one", never), expected)


def test_arrays_and_tensors_are_the_same_images() -> None:
    expected = decoded()
    again = as_arrays(as_dataset(expected))
    assert_equal(dataclasses.replace(again, notes=expected.notes, n_read_otherwise=3), expected)


def test_what_a_process_changes_in_its_copy_stays_there(cache: NodeCache) -> None:
    first = cache.get("one", decoded)
    first.train_images[:] = 0
    assert_equal(cache.get("one", never), decoded())


def test_a_folder_of_encoded_images_and_its_copy_elsewhere_share_an_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    for name in ("one", "two"):
        write_hub_folder(tmp_path / name)
    expected = load_folder(str(tmp_path / "one"))
    for name in ("one", "two", "one"):  # the last reads what the others left
        assert_same(load_dataset(str(tmp_path / name), tmp_path), expected)
    assert len(list(default_cache().folder.glob("*/entry.json"))) == 1


LOAD_DIGITS = """
import sys
from pathlib import Path
from lwq_tune.data.loading import load_dataset
print(len(load_dataset("digits", Path()).train.images), "sklearn" in sys.modules)
"""


@pytest.mark.slow
def test_only_the_first_process_of_a_node_imports_scikit_learn_for_the_digits(tmp_path: Path) -> None:
    said = [run_python("-c", LOAD_DIGITS, cwd=tmp_path, **{FOLDER_VARIABLE: str(tmp_path / "cache")}) for _ in range(2)]
    assert [result.stdout.split() for result in said] == [["1437", "True"], ["1437", "False"]]


def test_an_error_of_the_data_set_is_its_own_and_leaves_no_entry(cache: NodeCache) -> None:
    def damaged() -> DecodedImages:
        raise DatasetError("row 7 is no image")

    with pytest.raises(DatasetError, match="row 7"):
        cache.get("one", damaged)
    assert_equal(cache.get("one", decoded), decoded())


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut short": lambda entry: os.truncate(entry / "train_images.npy", 3000),
    "a file gone": lambda entry: (entry / "test_labels.npy").unlink(),
    "no summary": lambda entry: (entry / "entry.json").unlink(),
    "summary cut short": lambda entry: os.truncate(entry / "entry.json", 9),
    "a list for a summary": lambda entry: (entry / "entry.json").write_text("[1]"),
    "another format": lambda entry: (entry / "entry.json").write_text(json.dumps({"format": 0, "sha256": {}})),
    "a folder for a file": lambda entry: [(entry / "mean.npy").unlink(), (entry / "mean.npy").mkdir()],
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_entry_is_made_again_with_a_warning(
    cache: NodeCache, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache.get("one", decoded)
    DAMAGES[how](cache.folder / "one")
    with caplog.at_level(logging.WARNING):
        assert_equal(cache.get("one", decoded), decoded())
    assert [record.message for record in caplog.records] == [
        f"the decoded images in {cache.folder / 'one'} are damaged and were made again"
    ]
    assert_equal(cache.get("one", never), decoded())


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_byte_is_seen(cache: NodeCache, data: st.DataObject) -> None:
    cache.get("one", decoded)
    name = data.draw(st.sampled_from(["train_images", "test_images", "train_labels", "test_labels", "mean", "std"]))
    file = cache.folder / "one" / f"{name}.npy"
    content = bytearray(file.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    assert_equal(cache.get("one", decoded), decoded())
    assert_equal(cache.get("one", never), decoded())


def test_the_entries_not_used_for_longest_make_room(tmp_path: Path) -> None:
    cache = NodeCache(tmp_path, max_bytes=2 * (SIZE_BYTES + 2000), min_free_bytes=0)
    for seconds, key in enumerate(("a", "b")):
        cache.get(key, decoded)
        os.utime(tmp_path / key / "entry.json", (seconds, seconds))
    cache.get("a", never)  # used now, so `b` has to go
    cache.get("c", decoded)
    assert sorted(entry.parent.name for entry in tmp_path.glob("*/entry.json")) == ["a", "c"]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_bytes": SIZE_BYTES - 1, "min_free_bytes": 0, "max_share_of_free": 0.0}, "the cache 0 MiB at most"),
        ({"min_free_bytes": 2**62}, "MiB left"),
    ],
)
def test_what_must_not_be_written_is_decoded_by_each_with_one_warning(
    tmp_path: Path, limits: dict[str, float], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = NodeCache(tmp_path / "cache", **limits)
    with caplog.at_level(logging.WARNING):
        assert_equal(cache.get("one", decoded), decoded())
    (record,) = caplog.records
    assert reason in record.message
    assert f"set {FOLDER_VARIABLE} to a folder with room" in record.message
    assert list(cache.folder.glob("one*/*")) == []


def test_one_data_set_above_the_limit_is_kept_alone_where_the_disk_has_room(tmp_path: Path) -> None:
    cache = NodeCache(tmp_path, max_bytes=2 * (SIZE_BYTES + 2000), min_free_bytes=0)
    for key in ("a", "b"):
        cache.get(key, decoded)
    cache.get("large", lambda: decoded(n_train=100))
    assert [entry.parent.name for entry in tmp_path.glob("*/entry.json")] == ["large"]
    assert_equal(cache.get("large", never), decoded(n_train=100))


@pytest.mark.parametrize("kind", ["a file", "open to all", "no such place"])
def test_a_folder_that_is_not_ones_own_is_left_alone(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "cache"
    if kind == "a file":
        folder.write_text("mine\n")
    elif kind == "open to all":
        folder.mkdir()
        folder.chmod(0o777)
    else:
        folder = Path("/proc/nowhere")
    with caplog.at_level(logging.WARNING):
        assert_equal(NodeCache(folder, min_free_bytes=0).get("one", decoded), decoded())
    assert len(caplog.records) == 1
    assert folder.is_file() or not folder.exists() or list(folder.iterdir()) == []


FULL_DISK = """
import logging, sys
from pathlib import Path
from lwq_tune.data.decoded_cache import NodeCache
from tests.support.decoded_images import assert_equal, decoded
logging.basicConfig(level=logging.WARNING)
cache = NodeCache(Path(sys.argv[1]), min_free_bytes=0)
assert_equal(cache.get("one", lambda: decoded(n_train=1000)), decoded(n_train=1000))
assert list(cache.folder.glob("one*/*")) == [], "nothing half-written is left"
assert_equal(cache.get("two", decoded), decoded())
assert (cache.folder / "two" / "entry.json").exists()
"""


def may(*command: str) -> bool:
    """Return whether a command, such as mounting a file system, works here."""
    return (
        shutil.which(command[0]) is not None
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


needs_a_mount = pytest.mark.skipif(
    not may("unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"), reason="may not mount a small disk"
)


def on_a_small_disk(tmp_path: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script that is told the folder of a disk of 1 MiB."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "script.py").write_text(script)
    mount = f"mount -t tmpfs -o size=1m,mode=700 none '{tmp_path}/disk'"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"{mount} && exec '{sys.executable}' '{tmp_path}/script.py' '{tmp_path}/disk'"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@needs_a_mount
def test_a_disk_that_fills_up_costs_no_trial(tmp_path: Path) -> None:
    done = on_a_small_disk(tmp_path, FULL_DISK)
    assert done.stderr.count("cannot be kept on this node") == 1
    assert "requested and" in done.stderr, "NumPy's words for a write that was cut short"


READ_ONLY_DISK = """
import subprocess, sys
from pathlib import Path
from lwq_tune.data.decoded_cache import NodeCache
from tests.support.decoded_images import assert_equal, decoded, never
cache = NodeCache(Path(sys.argv[1]), min_free_bytes=0)
cache.get("one", decoded)
subprocess.run(["mount", "-o", "remount,ro", sys.argv[1]], check=True)
assert_equal(cache.get("one", never), decoded())
"""


@needs_a_mount
def test_an_entry_on_a_disk_that_is_read_only_is_used(tmp_path: Path) -> None:
    assert on_a_small_disk(tmp_path, READ_ONLY_DISK).stderr == ""


SIDE_BY_SIDE = """
import sys, time
from pathlib import Path
from lwq_tune.data.decoded_cache import NodeCache
from tests.support.decoded_images import assert_equal, decoded
def load():
    with open(sys.argv[2], "a") as stream:
        stream.write("decoded\\n")
    time.sleep(1.0)
    return decoded()
print("ready", flush=True)
sys.stdin.readline()
assert_equal(NodeCache(Path(sys.argv[1]), min_free_bytes=0).get("one", load), decoded())
"""


def start_script(text: str, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", text, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_of_processes_that_start_together_one_decodes_and_the_others_wait(tmp_path: Path) -> None:
    processes = [start_script(SIDE_BY_SIDE, str(tmp_path / "cache"), str(tmp_path / "log")) for _ in range(2)]
    for process in processes:
        process.communicate("go\n", timeout=60)
    assert [process.returncode for process in processes] == [0, 0]
    assert (tmp_path / "log").read_text() == "decoded\n"


def test_a_process_that_is_killed_while_it_writes_keeps_nobody_waiting(tmp_path: Path) -> None:
    process = start_script(SIDE_BY_SIDE, str(tmp_path / "cache"), str(tmp_path / "log"))
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    end_s = time.monotonic() + 60
    while not (tmp_path / "log").exists() and time.monotonic() < end_s:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    cache = NodeCache(tmp_path / "cache", min_free_bytes=0)
    (cache.folder / "one.part").mkdir()
    (cache.folder / "one.part" / "mean.npy").write_text("half")
    assert_equal(cache.get("one", decoded), decoded())
    assert not (cache.folder / "one.part").exists()


MEMORY = """
import sys
from pathlib import Path
from lwq_tune.data.decoded_cache import NodeCache
from tests.support.decoded_images import decoded
def own_mib():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024
cache = NodeCache(Path(sys.argv[1]), min_free_bytes=0)
before_mib = own_mib()
data = cache.get("one", lambda: decoded(n_train=20_000))
total = int(data.train_images.sum())
print(own_mib() - before_mib)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs procfs")
def test_a_process_that_finds_an_entry_holds_no_copy_of_the_images(tmp_path: Path) -> None:
    NodeCache(tmp_path / "cache", min_free_bytes=0).get("one", lambda: decoded(n_train=20_000))
    result = run_python("-c", MEMORY, str(tmp_path / "cache"), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) < 20, "the images alone take 58 MiB"
