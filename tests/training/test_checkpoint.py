from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lwq_tune.training.checkpoint import CheckpointError, load_checkpoint, newest_first, save_checkpoint


def save(folder: Path, epoch: int, key: str = "abc") -> Path:
    save_checkpoint({"trial_key": key, "epoch": epoch, "model": {"w": torch.arange(100.0)}}, folder)
    return folder


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    state = load_checkpoint(save(tmp_path / "c", 3))
    assert state["epoch"] == 3
    assert torch.equal(state["model"]["w"], torch.arange(100.0))
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["trial.json", "trial.pt"]


@pytest.mark.parametrize(
    "how", ["flipped byte", "cut short", "no state", "no digest", "digest is no JSON", "digest is no mapping"]
)
def test_a_damaged_checkpoint_is_never_loaded(tmp_path: Path, how: str) -> None:
    folder = save(tmp_path / "c", 3)
    state, digest = folder / "trial.pt", folder / "trial.json"
    content = bytearray(state.read_bytes())
    if how == "flipped byte":
        content[len(content) // 2] ^= 1
        state.write_bytes(content)
    elif how == "cut short":
        state.write_bytes(content[:-10])
    elif how == "no state":
        state.unlink()
    elif how == "no digest":
        digest.unlink()
    else:
        digest.write_text("{" if how == "digest is no JSON" else "[1, 2]")
    with pytest.raises(CheckpointError):
        load_checkpoint(folder)


def test_the_latest_epoch_of_the_right_trial_comes_first(tmp_path: Path) -> None:
    folders = [save(tmp_path / "a", 2), save(tmp_path / "b", 10), save(tmp_path / "c", 11, key="other")]
    (tmp_path / "unfinished").mkdir()
    found = newest_first([*folders, tmp_path / "unfinished"], "abc")
    assert [info.epoch for info in found] == [10, 2]


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (print, ("owned",))

    save_checkpoint({"trial_key": "abc", "epoch": 1, "model": Evil()}, tmp_path)
    with pytest.raises(Exception, match="(?i)weights.?only"):
        load_checkpoint(tmp_path)
