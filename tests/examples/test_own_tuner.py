from __future__ import annotations

import re
from pathlib import Path

import pytest

from lwq_tune import load_space
from lwq_tune.errors import ConfigError
from lwq_tune.sweep.tune.job import make_jobs
from tests.conftest import REPOSITORY, run_python


@pytest.mark.slow
def test_a_tuner_of_ones_own_trains_the_trials_of_a_space(tmp_path: Path) -> None:
    example = REPOSITORY / "examples" / "own_tuner.py"
    result = run_python(str(example), str(tmp_path / "run"), cwd=tmp_path, HOME=str(tmp_path))
    assert result.returncode == 0, result.stderr
    found = re.findall(r"^(\w+): epoch ([12]), validation accuracy (0\.\d{4})$", result.stdout, re.MULTILINE)
    names = ["ascending_234", "descending_432", "fixed_2", "fixed_3", "fixed_4", "full_precision"]
    assert sorted(name for name, _, _ in found) == names
    assert "2" in {epoch for _, epoch, _ in found}
    assert len(list((tmp_path / "run" / "logs").glob("*.log"))) == 6
    assert list((tmp_path / "run" / "energy").glob("*.jsonl"))


def test_trials_that_start_from_others_are_left_to_a_sweep(tmp_path: Path) -> None:
    space = load_space("named_schedules", ("init_from=full_precision",))
    with pytest.raises(ConfigError, match="must start from scratch, .* use run_sweep"):
        make_jobs(space, tmp_path)
