"""Sweeps on two hosts that share a storage and no results folder: complete energy logs all the same, whatever dies."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lwq_tune.energy.ledger.interval_log import EVENT, read_lines
from lwq_tune.results.storage.storage import Storage
from tests.support.ray_nodes import wait_until
from tests.support.sweeps import (
    LONGER,
    assert_whole,
    n_rows,
    read_epochs,
    read_trials,
    rows_of,
    sweep_arguments,
    wait_for,
)
from tests.support.two_hosts import TwoHosts, assert_left_alone, needs_hosts, parts_by_host, two_hosts

pytestmark = [pytest.mark.slow, needs_hosts]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoHosts]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        with two_hosts(tmp_path_factory.mktemp("shared"), tmp_path_factory.mktemp("private")) as found:
            yield found


def arguments_of(hosts: TwoHosts, name: str, *settings: str) -> list[str]:
    """Return a sweep whose results lie in a folder that only the driver's host has."""
    where = ["--storage", str(hosts.shared / name), "--address", hosts.nodes.address]
    return [*sweep_arguments(hosts.private / name, *(settings or LONGER)), *where]


def folder_of_second(hosts: TwoHosts, path: Path) -> Path:
    """Return where a path on the second host can be looked at from here."""
    (raylet,) = (
        one
        for one in psutil.Process(hosts.nodes.processes[1].pid).children(recursive=True)
        if "raylet/raylet" in " ".join(one.cmdline())
    )
    return Path(f"/proc/{raylet.pid}/root{path}")


def assert_logs_of_both(hosts: TwoHosts, run: Path, gaps: bool = False) -> None:
    """See that each epoch counts once, that the energy logs of both hosts are here, and that they add up."""
    assert_whole(run, 6, gaps)
    assert parts_by_host(run).keys() == {"node-a", "node-b"}
    for host, parts in parts_by_host(run).items():
        assert {"ray", "trial", "other"} <= parts, host
    assert set(read_epochs(run)["hostname"]) == {"node-a", "node-b"}
    place = Storage.parse(str(hosts.shared / run.parent.name)).child("run")
    for file in sorted(run.glob("energy/*")):
        assert place.read(f"energy/{file.name}") == file.read_bytes()
    assert_left_alone(hosts.nodes)


def lose(folder: Path) -> None:
    """Remove a folder, into which the ledger may still write until it has seen that the sweep is gone."""

    def is_lost() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    wait_until(is_lost, 30, "the end of the folder")


def spools(hosts: TwoHosts) -> list[Path]:
    return list(Path(hosts.ledger(hosts.second)).glob("outpost-*"))


def kill_ledger(hosts: TwoHosts) -> None:
    """Kill the ledger of the second host."""
    folder = hosts.ledger(hosts.second)
    ours = [one for one in psutil.process_iter(["cmdline"]) if folder in (one.info["cmdline"] or [])]
    assert ours
    for one in ours:
        one.kill()


def test_energy_and_trial_logs_of_a_host_without_the_run_folder_come_to_the_driver_though_its_ledger_is_killed(
    hosts: TwoHosts,
) -> None:
    run = hosts.private / "whole" / "run"
    process = hosts.start(arguments_of(hosts, "whole"))
    wait_for(lambda: n_rows(run) >= 4, process)
    kill_ledger(hosts)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "have come" not in err
    assert_logs_of_both(hosts, run, gaps=True)
    lines = list(read_lines(run / "energy" / "node-b.jsonl"))
    assert [line[EVENT] for line in lines if EVENT in line] == ["opened", "opened", "closed"]
    assert any("ledger-down" in line.get("flags", ()) for line in lines)
    logs = "".join(file.read_text() for file in run.glob("logs/*.log"))
    assert "on node-a" in logs
    assert "on node-b" in logs
    assert logs.count(" leaves process ") == 2
    assert spools(hosts) == []
    there = folder_of_second(hosts, hosts.private)
    assert there.is_dir()
    assert list(there.iterdir()) == [], "nothing of the run is left on a host that does not have its folder"


def test_a_run_whose_driver_and_folder_are_lost_goes_on_from_the_storage_with_the_energy_logs_that_waited_there(
    hosts: TwoHosts,
) -> None:
    run = hosts.private / "lost" / "run"
    process = hosts.start(arguments_of(hosts, "lost"))
    wait_for(lambda: len(rows_of(run)) == 2 and n_rows(run) >= 4, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert_left_alone(hosts.nodes)
    assert len(spools(hosts)) == 1
    lose(run.parent)
    where = [f"file://{hosts.shared / 'lost' / 'run'}", "--results", str(run.parent)]
    resumed = hosts.start(["-m", "lwq_tune", "resume", *where, "--address", hosts.nodes.address])
    _, err = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, err
    assert_logs_of_both(hosts, run)
    events = [line for line in read_lines(run / "energy" / "node-b.jsonl") if EVENT in line]
    assert [line[EVENT] for line in events] == ["opened", "closed"] * 2
    assert spools(hosts) == []


def test_a_host_that_is_cut_off_leaves_the_books_of_its_rows(hosts: TwoHosts) -> None:
    run = hosts.private / "cut" / "run"
    process = hosts.start(arguments_of(hosts, "cut"))
    try:
        wait_for(lambda: len(rows_of(run)) == 2, process)
    finally:
        hosts.second.plug("down")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert_whole(run, 6)
    assert sorted(read_trials(run)["attempts"]) == [1, 2]
    assert {"ray", "trial", "other"} <= parts_by_host(run)["node-b"]
    assert "the energy log of node-b is incomplete" in err
    hosts.second.plug("up")  # its node hears that it was given up, and ends
