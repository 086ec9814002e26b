from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lwq_tune.errors import ResultsError
from lwq_tune.results.manifest import SOURCE_COLUMNS, SpaceRecord, read_manifest
from lwq_tune.results.run_folder import RunFolder
from tests.conftest import small_config
from tests.support.manifests import manifest_of


def write_changed(folder: Path, **changes: Any) -> None:
    manifest_of().write(RunFolder(folder))
    values = json.loads((folder / "manifest.json").read_text()) | changes
    (folder / "manifest.json").write_text(json.dumps({key: value for key, value in values.items() if value != "gone"}))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    trial = small_config()
    space = SpaceRecord("mine", "/a/mine.yaml", "feed", ("epochs=2",), "version: 1\n", is_adaptive=True)
    written = manifest_of(
        space=space, trials=[trial.model_dump(mode="json")], init_energies_kwh={"ab": None, "cd": 1e-6}
    )
    written.write(RunFolder(tmp_path))
    read = read_manifest(tmp_path)
    assert read == written
    assert read.configs() == {trial.trial_key: trial}


def test_a_run_of_the_first_version_with_searches_has_no_word_of_them(tmp_path: Path) -> None:
    write_changed(tmp_path, space={"name": "a", "path": "", "sha256": "", "overrides": [], "text": ""}, estimate="gone")
    read = read_manifest(tmp_path)
    assert not read.space.is_adaptive
    assert read.estimate is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": "gone", "run": "gone"}, "lacks run, trials"),
        ({"schema_version": 3}, "reads runs of schema version 4, .* has 3; use the lwq_tune that wrote it"),
        ({"space": {"name": "a"}}, "the space of a manifest holds name, path, .*was changed: 'overrides'"),
        ({"space": None}, "the space of a manifest holds"),
    ],
)
def test_a_manifest_that_was_changed_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write_changed(tmp_path, **changes)
    with pytest.raises(ResultsError, match=message):
        read_manifest(tmp_path)


def test_what_its_parts_hold_is_checked_when_it_is_asked_for() -> None:
    asked = "a run is continued as it was asked for, "
    with pytest.raises(ResultsError, match=asked + "the sweep of its manifest.json was changed"):
        manifest_of(sweep={"results_dir": 3}).sweep_config()
    with pytest.raises(ResultsError, match=asked + "its carbon intensity was changed"):
        manifest_of(carbon_intensity={"": {}}).intensities()
    with pytest.raises(ResultsError, match=asked + "its manifest.json or rows.jsonl was changed"):
        manifest_of(trials=[{"bit_widths": [99]}]).configs()


def test_a_session_that_ends_adds_statuses_and_sources() -> None:
    row = {"hostname": "box", **{name: f"of {name}" for name in SOURCE_COLUMNS}}
    rows = [{**row, "status": "done"}, {**row, "status": "failed"}, {"status": "done", "hostname": None}]
    before = manifest_of(sessions=[{"started_at_utc": "1"}, {"started_at_utc": "2", "ended_at_utc": None}])
    after = before.after_session(rows, "3")
    assert after.sessions == [{"started_at_utc": "1"}, {"started_at_utc": "2", "ended_at_utc": "3"}]
    assert after.trial_statuses == {"done": 2, "failed": 1}
    assert after.energy_sources == {"box": {name: f"of {name}" for name in SOURCE_COLUMNS}}
    assert replace(after, sessions=before.sessions, trial_statuses=None, energy_sources=None) == before
