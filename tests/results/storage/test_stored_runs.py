from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lwq_tune.errors import ConfigError, ResultsError
from lwq_tune.results.storage import stored_runs
from lwq_tune.results.storage.mirror import Mirror
from lwq_tune.results.storage.storage import Storage
from lwq_tune.results.storage.stored_runs import (
    StoredCheckpoint,
    check_new_run,
    count_sessions,
    fetch_folder,
    fetch_run,
    list_checkpoints,
)
from lwq_tune.training import checkpoint
from tests.conftest import run_python
from tests.support.s3_server import S3Server
from tests.support.store_servers import new_bucket

KEY, OTHER = "0123456789ab", "ba9876543210"


@pytest.fixture(params=["folder", "s3", "gs"])
def ray(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Folder of Ray Tune's files in a run's storage; nothing is in it yet."""
    if request.param == "folder":
        return Storage.parse(str(tmp_path / "storage ü" / "a run" / "ray"))
    return new_bucket(request, request.param, tmp_path).child("a run ü/ray")


def add(ray: Storage, session: int, number: int, epoch: int, key: str = KEY, **changes: object) -> str:
    """Write a checkpoint as Ray Tune does and return its location."""
    folder = f"session_{session:03d}/{key}/checkpoint_{number:06d}"
    description = {"trial_key": key, "epoch": epoch, "sha256": "0" * 64, **changes}
    ray.write(f"{folder}/trial.pt", f"{session} {number}".encode())
    ray.write(f"{folder}/trial.json", json.dumps(description).encode())
    return ray.child(folder).uri


def test_the_files_of_a_checkpoint_have_the_names_that_training_gives_them() -> None:
    assert (stored_runs.STATE_FILE, stored_runs.DIGEST_FILE) == (checkpoint.STATE_FILE, checkpoint.DIGEST_FILE)


def test_checkpoints_of_all_sessions_come_latest_epoch_first(ray: Storage) -> None:
    assert list_checkpoints(ray, [KEY]) == {KEY: []}
    assert count_sessions(ray) == 0
    third = add(ray, 1, 2, epoch=3)
    tenth = add(ray, 2, 0, epoch=10)
    second = add(ray, 1, 1, epoch=2)
    of_other = add(ray, 2, 7, epoch=8, key=OTHER)
    ray.write("session_002/tuner.pkl", b"")
    ray.write(f"session_002/{KEY}/result.json", b"")
    assert list_checkpoints(ray, [KEY, OTHER, "a trial without any"]) == {
        KEY: [StoredCheckpoint(tenth, 10), StoredCheckpoint(third, 3), StoredCheckpoint(second, 2)],
        OTHER: [StoredCheckpoint(of_other, 8)],
        "a trial without any": [],
    }
    assert count_sessions(ray) == 2


def test_broken_checkpoints_are_left_out(ray: Storage) -> None:
    whole = add(ray, 1, 0, epoch=1)
    add(ray, 1, 1, epoch=2, trial_key=OTHER)
    add(ray, 1, 2, epoch=3, epoch_of_another_kind=0)
    ray.write(f"session_001/{KEY}/checkpoint_000002/trial.json", b'{"trial_key": "' + KEY.encode())
    ray.write(f"session_001/{KEY}/checkpoint_000003/trial.pt", b"no description: cut off while it was written")
    ray.write(f"session_001/{KEY}/checkpoint_000004/trial.json", b'{"trial_key": "%s", "epoch": 9}' % KEY.encode())
    ray.write(f"session_001/{KEY}/checkpoint_000004/trial.pt", b"no digest")
    add(ray, 1, 5, epoch=6)
    ray.filesystem.delete_file(f"{ray.path}/session_001/{KEY}/checkpoint_000005/trial.pt")
    ray.write(f"session_001/{KEY}/checkpoint_000006/trial.json", b"[1, 2]")
    ray.write(f"session_001/{KEY}/checkpoint_000006/trial.pt", b"")
    assert list_checkpoints(ray, [KEY]) == {KEY: [StoredCheckpoint(whole, 1)]}


def test_of_two_checkpoints_of_an_epoch_the_later_written_comes_first(tmp_path: Path) -> None:
    ray = Storage.parse(str(tmp_path))
    earlier = add(ray, 2, 0, epoch=4)
    later = add(ray, 1, 0, epoch=4)
    assert [found.location for found in list_checkpoints(ray, [KEY])[KEY]] == [later, earlier]


FETCH = """
import sys
from pathlib import Path
from lwq_tune.results.storage.stored_runs import fetch_folder
print(fetch_folder(sys.argv[1], Path(sys.argv[2])))
"""


def test_another_process_fetches_a_checkpoint_by_its_location_alone(ray: Storage, tmp_path: Path) -> None:
    location = add(ray, 1, 3, epoch=4)
    result = run_python("-c", FETCH, location, str(tmp_path / "target"), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    folder = Path(result.stdout.strip())
    assert (folder / "trial.pt").read_bytes() == b"1 3"
    assert json.loads((folder / "trial.json").read_text())["epoch"] == 4
    assert sorted(file.name for file in folder.iterdir()) == ["trial.json", "trial.pt"]
    assert folder == (Path(ray.path, f"session_001/{KEY}/checkpoint_000003") if ray.is_local else tmp_path / "target")


def test_a_path_is_itself_and_is_not_copied(tmp_path: Path) -> None:
    assert fetch_folder(str(tmp_path), tmp_path / "target") == tmp_path
    assert not (tmp_path / "target").exists()


def test_a_checkpoint_that_is_gone_is_not_found(s3_server: S3Server, tmp_path: Path) -> None:
    location = s3_server.uri(f"{s3_server.make_bucket('gone')}/checkpoint_000001")
    with pytest.raises(FileNotFoundError, match="holds nothing"):
        fetch_folder(location, tmp_path / "target")


def test_a_store_that_cannot_be_asked_is_never_taken_for_one_without_checkpoints(s3_server: S3Server) -> None:
    with pytest.raises(ResultsError, match="it has no bucket no-such-bucket"):
        list_checkpoints(Storage.parse(s3_server.uri("no-such-bucket/a run/ray")), [KEY])


RUN = {
    "manifest.json": b"{}",
    "rows.jsonl": b"{}\n" * 1000,
    "epochs/a.parquet": b"PAR1",
    "energy/h.jsonl": b"{}",
    "analysis/plots/front.png": b"png",
}


def test_a_fetched_run_is_the_run_without_tunes_files(ray: Storage, tmp_path: Path) -> None:
    run_dir = tmp_path / "first" / "a run"
    for name, content in (RUN | {"ray/session_001/tuner.pkl": b"local"}).items():
        (run_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (run_dir / name).write_bytes(content)
    address = ray.uri.replace("/ray", "", 1)
    Mirror(run_dir, Storage.parse(address)).update()
    add(ray, 1, 1, epoch=1)
    fetched = fetch_run(address, tmp_path / "second ü")
    assert fetched == tmp_path / "second ü" / Storage.parse(address).address.name
    assert {
        file.relative_to(fetched).as_posix(): file.read_bytes() for file in fetched.rglob("*") if file.is_file()
    } == RUN
    assert [file.name for file in (tmp_path / "second ü").iterdir()] == [fetched.name]
    with pytest.raises(ResultsError, match="is fetched where none is, .* exists; resume it"):
        fetch_run(address, tmp_path / "second ü")


def test_a_place_without_a_run_is_refused_and_nothing_is_made(ray: Storage, tmp_path: Path) -> None:
    ray.write("something", b"")
    with pytest.raises(ResultsError, match=re.escape("name STORAGE/RUN")):
        fetch_run(ray.uri, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()
    with pytest.raises(ConfigError, match="no user and no password"):
        fetch_run("s3://a:b@bucket/run", tmp_path / "fetched")


def test_a_new_run_needs_a_place_of_its_own(ray: Storage) -> None:
    check_new_run(ray)
    ray.write("manifest.json", b"{}")
    with pytest.raises(ResultsError, match="choose another --run, or resume it: python -m lwq_tune resume"):
        check_new_run(ray)
