from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from lwq_tune.sweep.cluster.ray_limits import explain_failed_start
from tests.conftest import run_python

LIMITED = """
import resource, sys
resource.setrlimit(getattr(resource, sys.argv[1]), (int(sys.argv[2]), int(sys.argv[2])))
from lwq_tune.sweep.cluster.ray_limits import explain_failed_start
print(explain_failed_start(Exception("The current node timed out during startup. It could be overloaded.")))
"""
TIMED_OUT = "it could not start: The current node timed out during startup. It could be overloaded; "


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        (
            "RLIMIT_AS",
            3 * 2**30,
            "Ray and torch take up to 8 GiB of address space, `ulimit -v` gives each process 3.0;",
        ),
        (
            "RLIMIT_NPROC",
            120,
            "`ulimit -u` gives this user 120 processes and threads, a sweep takes a hundred and more;",
        ),
        ("RLIMIT_CORE", 0, "see that the host is not overloaded, then try again"),
    ],
)
def test_a_ray_that_does_not_start_is_put_down_to_the_limit_that_is_low(
    limit: str, value: int, words: str, tmp_path: Path
) -> None:
    result = run_python("-c", LIMITED, limit, str(value), cwd=tmp_path, RAY_TMPDIR=str(tmp_path))
    assert TIMED_OUT + words in result.stdout, result.stderr
    assert ("ulimit" in result.stdout) == ("ulimit" in words)


def test_the_logs_of_the_last_ray_that_this_process_tried_to_start_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert "logs" not in explain_failed_start(RuntimeError("no reason"))
    for name in (f"2026-01-02_0_{os.getpid()}", f"2026-01-01_0_{os.getpid()}", f"2026-01-03_0_{os.getpid() + 1}"):
        (tmp_path / "ray" / f"session_{name}" / "logs").mkdir(parents=True)
    logs = tmp_path / "ray" / f"session_2026-01-02_0_{os.getpid()}" / "logs"
    for error in (RuntimeError("no reason"), OSError("AF_UNIX path length cannot exceed 107 bytes")):
        assert explain_failed_start(error).endswith(f"; Ray's logs are in {logs}")


@pytest.mark.parametrize(
    ("error", "is_the_folder"),
    [
        (OSError("AF_UNIX path length cannot exceed 107 bytes: /a"), True),
        (OSError(errno.EROFS, "Read-only file system", "/a"), True),
        (OSError(errno.ENOSPC, "No space left on device", "/a"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), False),
        (OSError(errno.EAGAIN, "Resource temporarily unavailable"), False),
    ],
)
def test_only_what_is_wrong_with_its_folder_is_put_down_to_it(error: OSError, is_the_folder: bool) -> None:
    message = explain_failed_start(error)
    assert ("set RAY_TMPDIR to one" in message) == is_the_folder
    assert str(error) in message


def test_an_address_space_in_which_ray_aborts_or_hangs_is_refused(tmp_path: Path) -> None:
    start = ["from lwq_tune.sweep.cluster.ray_session import local_ray", "local_ray(1).__enter__()"]
    program = [*LIMITED.splitlines()[1:3], *start]
    result = run_python("-c", "\n".join(program), "RLIMIT_AS", str(2 * 2**30), cwd=tmp_path)
    assert result.stderr.splitlines()[-1] == (
        "lwq_tune.errors.ConfigError: Ray needs 2.5 GiB of address space, torch more, `ulimit -v` gives each process "
        "2.0; raise it, if need be with `ulimit -v unlimited`"
    )
