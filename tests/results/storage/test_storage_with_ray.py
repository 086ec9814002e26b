"""Ray Tune writes its checkpoints straight into an S3 server, and they are found and fetched from there."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from lwq_tune.results.storage.storage import Storage
from lwq_tune.results.storage.stored_runs import count_sessions, fetch_folder, list_checkpoints
from lwq_tune.sweep.cluster.ray_session import ENVIRONMENT, LOCAL_ENVIRONMENT
from tests.conftest import run_python
from tests.support.s3_server import CREDENTIALS, S3Server

pytestmark = pytest.mark.slow

SWEEP = """
import hashlib, json, logging, os, sys
from pathlib import Path

import ray
from ray import tune

from lwq_tune.results.storage.storage import Storage

class Counter(tune.Trainable):
    def setup(self, config):
        self.key, self.epoch = config["job"], 0

    def step(self):
        self.epoch += 1
        died = Path(sys.argv[2], self.key)
        if self.epoch == 3 and not died.exists():
            died.touch()
            os._exit(9)
        return {"done": self.epoch == 4}

    def save_checkpoint(self, folder):
        state = os.urandom(1000)
        description = {"trial_key": self.key, "epoch": self.epoch, "sha256": hashlib.sha256(state).hexdigest()}
        Path(folder, "trial.pt").write_bytes(state)
        Path(folder, "trial.json").write_text(json.dumps(description))

    def load_checkpoint(self, folder):
        self.epoch = json.loads(Path(folder, "trial.json").read_text())["epoch"]
        Path(sys.argv[2], self.key).write_text(str(self.epoch))


def key_of(trial):
    return trial.config["job"]


place = Storage.parse(sys.argv[1])
ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
results = tune.Tuner(
    Counter,
    param_space={"job": tune.grid_search(["trial_a"])},
    tune_config=tune.TuneConfig(
        max_concurrent_trials=1, trial_name_creator=key_of, trial_dirname_creator=key_of
    ),
    run_config=tune.RunConfig(
        name="session_001",
        storage_path=place.path,
        storage_filesystem=place.filesystem,
        verbose=0,
        failure_config=tune.FailureConfig(max_failures=2),
        checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=1, num_to_keep=2, checkpoint_at_end=False),
    ),
).fit()
assert not results.errors, results.errors
"""


def test_tune_writes_checkpoints_into_the_store_and_resumes_from_them(s3_server: S3Server, tmp_path: Path) -> None:
    place = Storage.parse(s3_server.uri(s3_server.make_bucket("tune"))).child("a run ü/ray")
    script = tmp_path / "sweep.py"
    script.write_text(SWEEP.replace("sys.argv[2]", repr(str(tmp_path))))
    result = run_python(str(script), place.uri, cwd=tmp_path, **ENVIRONMENT, **LOCAL_ENVIRONMENT)
    assert result.returncode == 0, result.stderr

    assert count_sessions(place) == 1
    found = list_checkpoints(place, ["trial_a"])
    for key, checkpoints in found.items():
        assert (tmp_path / key).read_text() == "2", "the retry went on from the store's checkpoint"
        assert [checkpoint.epoch for checkpoint in checkpoints] == [4, 3]
        folder = fetch_folder(checkpoints[0].location, tmp_path / "fetched" / key)
        description = json.loads((folder / "trial.json").read_text())
        assert description["trial_key"] == key
        assert description["sha256"] == hashlib.sha256((folder / "trial.pt").read_bytes()).hexdigest()
    for name in place.files():
        content = place.read(name)
        assert not any(secret.encode() in content for secret in CREDENTIALS.values()), name
