"""Sweeps on running Ray clusters: real nodes, as processes of this machine or as hosts in namespaces of their own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, run_python
from tests.support.hub_folders import write_hub_folder
from tests.support.ray_nodes import RayNodes, free_port, wait_for_line
from tests.support.sweeps import (
    LONGER,
    assert_whole,
    n_rows,
    read_epochs,
    read_trials,
    rows_of,
    start,
    sweep_arguments,
    training_numbers,
    wait_for,
)
from tests.support.two_hosts import TwoHosts, assert_left_alone, needs_hosts, parts_by_host, two_hosts

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def no_token() -> Iterator[None]:
    """Ray on this machine may have a token for its user; these clusters have none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        yield


@pytest.fixture(scope="module")
def nodes(no_token: None) -> Iterator[RayNodes]:
    """A cluster of two nodes with a CPU each, both on this machine."""
    with RayNodes() as cluster:
        cluster.start("--num-cpus=1")
        cluster.start("--num-cpus=1")
        yield cluster


@pytest.fixture(scope="module")
def finished(
    nodes: RayNodes, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A sweep that nothing disturbed."""
    folder = tmp_path_factory.mktemp("cluster")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", nodes.address)  # as in a job that was submitted
        result = run_python(*sweep_arguments(folder, *LONGER), "--address", "auto", cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder / "run", result


def test_a_sweep_uses_all_nodes_and_leaves_the_cluster_as_it_was(
    nodes: RayNodes, finished: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    run, result = finished
    assert result.stdout.splitlines()[-1] == str(run)
    assert "WARNING" not in result.stderr
    assert "Traceback" not in result.stderr
    assert "\nRay cluster: 1 host (2 Ray nodes), 2 CPUs, 0 GPUs, 2 trials at a time\n" in result.stderr
    assert_whole(run, 6)
    assert [host["cpus"] for host in json.loads((run / "hosts.json").read_text())["hosts"]] == [1, 1]
    assert read_epochs(run)["concurrency"].max() == 2
    (parts,) = parts_by_host(run).values()  # two nodes on one host have one ledger
    assert {"driver", "ray", "trial", "other"} <= parts
    assert not list(run.glob(".probe*"))
    assert_left_alone(nodes)


def test_a_driver_that_ends_takes_its_trials_along_and_a_resumed_sweep_ends_with_the_same_numbers(
    nodes: RayNodes, finished: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    first = sweep_arguments(tmp_path, *LONGER)
    again = ["-m", "lwq_tune", "resume", str(run)]
    for arguments, number, code in ((first, signal.SIGINT, 130), (again, signal.SIGKILL, -signal.SIGKILL)):
        n_before = n_rows(run)
        process = start([*arguments, "--address", nodes.address], tmp_path)
        wait_for(lambda: n_rows(run) >= n_before + 3, process)  # noqa: B023 (waited for right here)
        os.killpg(process.pid, number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == code, err
        assert_left_alone(nodes)
    resumed = run_python(*again, "--address", nodes.address, cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert_whole(run, 6)
    assert training_numbers(run) == training_numbers(finished[0])
    assert_left_alone(nodes)


def test_two_sweeps_on_one_cluster_do_not_meet(nodes: RayNodes, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    where = ("--address", nodes.address)
    first = start([*sweep_arguments(folders[0]), *where], tmp_path)
    second = run_python(*sweep_arguments(folders[1]), *where, cwd=tmp_path)
    _, err = first.communicate(timeout=300)
    assert (first.returncode, second.returncode) == (0, 0), err + second.stderr
    for folder in folders:
        assert_whole(folder / "run", 3)
    assert training_numbers(folders[0] / "run") == training_numbers(folders[1] / "run")


def test_a_node_with_another_version_is_named_before_anything_starts(nodes: RayNodes, tmp_path: Path) -> None:
    other = tmp_path / "other" / "torch-9.9.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 9.9\n")
    third = nodes.start("--num-cpus=1", PYTHONPATH=os.pathsep.join([str(other.parent), str(REPOSITORY)]))
    try:
        arguments = sweep_arguments(tmp_path / "results")
        result = run_python(*arguments, "--address", nodes.address, cwd=tmp_path)
    finally:
        nodes.end(third)
    assert result.returncode == 2, result.stderr
    problem = result.stderr.splitlines()[-1]
    assert "torch is 9.9, where the sweep starts it is" in problem
    assert "error: the nodes of the cluster cannot run this sweep as they are" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "results").exists()
    assert_left_alone(nodes)


def python_without_the_code(folder: Path) -> str:
    """Return an interpreter that has the dependencies and not the package; this one where it lies beside them."""
    venv.create(folder, with_pip=False, symlinks=True)
    packages = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    Path(packages, "base.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = str(folder / "bin" / "python")
    program = "import importlib.util as u, ray; print(u.find_spec('lwq_tune'))"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    is_without = b"None" in subprocess.check_output([python, "-c", program], cwd=folder, env=env)
    return python if is_without else sys.executable


def test_a_node_without_the_code_is_sent_it_and_when_it_crashes_no_epoch_is_lost_and_its_trial_moves(
    nodes: RayNodes, tmp_path: Path
) -> None:
    python = python_without_the_code(tmp_path / "bare")
    third = nodes.start("--num-cpus=1", python=python, PYTHONPATH="")
    run = tmp_path / "run"
    arguments = sweep_arguments(tmp_path, *LONGER, "seeds=[0,1,2]", schedules="[ascending_234]")
    process = start([*arguments, "--address", nodes.address], tmp_path)
    try:
        wait_for(lambda: len(rows_of(run)) == 3 and n_rows(run) >= 6, process)
    finally:
        nodes.crash(third)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert_whole(run, 6)
    assert read_epochs(run)["concurrency"].max() == 3
    trials = read_trials(run)
    assert sorted(trials["attempts"]) == [1, 1, 2]
    assert trials["discarded_energy_kwh"].gt(0).sum() == 1
    if python == sys.executable:
        pytest.skip("lwq_tune lies beside its dependencies here, so that no node was without it")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:{port}", "a Ray cluster must be running at 127.0.0.1:{port}, nothing answers there"),
        ("no.such.host.invalid:6379", "nothing answers there"),
        ("ray://127.0.0.1:10001", "Ray's client is not served"),
    ],
)
def test_an_address_where_no_cluster_is_costs_seconds_and_leaves_nothing(
    address: str, words: str, tmp_path: Path
) -> None:
    port = free_port()
    stored = tmp_path / "stored"
    arguments = [*sweep_arguments(tmp_path / "results"), "--storage", str(stored)]
    result = run_python(*arguments, "--address", address.format(port=port), cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert words.format(port=port) in result.stderr.splitlines()[-1]
    assert not (tmp_path / "results").exists()
    assert not [path for path in stored.rglob("*") if path.is_file()]


HOLD = """
import ray, sys
ray.init(sys.argv[1], log_to_driver=False, logging_level="ERROR")
holder = ray.remote(num_cpus=1)(type("Holder", (), {})).remote()
ray.get(holder.__ray_ready__.remote())
print("held", flush=True)
sys.stdin.read()
"""


def test_a_cluster_with_a_token_works_as_documented_whatever_ray_has_left_in_the_homes(tmp_path: Path) -> None:
    token = tmp_path / "ray-token"
    token.write_text("0123456789abcdef" * 4 + "\n")
    old, new = tmp_path / "old", tmp_path / "new"
    (old / ".ray").mkdir(parents=True)
    (old / ".ray" / "auth_token").write_text("of another program")
    new.mkdir()
    named = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    with RayNodes(**named) as cluster:
        cluster.start("--num-cpus=0", HOME=str(old))
        cluster.start("--num-cpus=2", HOME=str(new))
        environment = {**os.environ, **named, "HOME": str(new)}
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, cluster.address],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as holder:
            wait_for_line(holder, "held")
            arguments = [*sweep_arguments(tmp_path / "results", "epochs=1"), "--address", cluster.address]
            refused = run_python(*arguments, cwd=tmp_path, HOME=str(old))
            assert not (tmp_path / "results").exists()
            let_in = run_python(*arguments, cwd=tmp_path, HOME=str(old), **named)
            holder.kill()
    assert "must know the token of this sweep, it does not; set RAY_AUTH_MODE" in refused.stderr.splitlines()[-1]
    assert (refused.returncode, let_in.returncode) == (2, 0), let_in.stderr
    (found,) = [line for line in let_in.stderr.splitlines() if line.startswith("Ray cluster")]
    assert found == (
        f"Ray cluster: 1 host, 2 CPUs, 0 GPUs, 2 trials at a time; no trial runs on nodes without a CPU: "
        f"{socket.gethostname()}; other jobs have reserved 1 of these CPUs, trials wait for them"
    )
    assert not list(new.iterdir())


@pytest.fixture(scope="module")
def hosts(no_token: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoHosts]:
    """Two hosts that share folders, but one."""
    with two_hosts(tmp_path_factory.mktemp("shared"), tmp_path_factory.mktemp("private")) as found:
        yield found


@needs_hosts
def test_what_a_host_lacks_is_told_at_once_before_the_first_trial(hosts: TwoHosts) -> None:
    write_hub_folder(hosts.private / "images")
    arguments = sweep_arguments(hosts.private / "results", f"dataset={hosts.private / 'images'}")
    process = hosts.start([*arguments, "--address", hosts.nodes.address])
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    first, second = err.splitlines()[-2:]
    assert first.startswith(f"node-b: the run folder {hosts.private / 'results' / 'run'} is not there; give --results")
    assert second.startswith(f"node-b: dataset '{hosts.private / 'images'}' is neither a built-in name nor a folder")
    assert not (hosts.private / "results").exists()
    assert_left_alone(hosts.nodes)


@needs_hosts
def test_a_sweep_starts_on_a_host_of_its_cluster(hosts: TwoHosts) -> None:
    arguments = [*sweep_arguments(hosts.shared / "nowhere"), "--address", hosts.nodes.address]
    process = hosts.start(arguments, prepare=f"mount -t tmpfs none '{hosts.nodes.folder}'")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    assert f"on this one no Ray node of {hosts.nodes.address} runs; start one with" in err.splitlines()[-1]


@needs_hosts
def test_each_host_keeps_its_own_ledger_and_a_host_that_is_cut_off_costs_its_last_epoch(hosts: TwoHosts) -> None:
    run = hosts.shared / "run"
    process = hosts.start([*sweep_arguments(hosts.shared, *LONGER), "--address", hosts.nodes.address])
    try:
        wait_for(lambda: n_rows(run) >= 4, process)
    finally:
        hosts.second.plug("down")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert_whole(run, 6)
    hosts_of = read_epochs(run).groupby("trial_key")["hostname"].agg(set)
    assert sorted(hosts_of.map(len)) == [1, 2], "one trial has moved to the host that was left"
    assert parts_by_host(run).keys() == {"node-a", "node-b"}
    for host, parts in parts_by_host(run).items():
        assert {"ray", "trial", "other"} <= parts, host
        assert ("driver" in parts) == (host == "node-a")
    hosts.second.plug("up")  # its node hears that it was given up, and ends
