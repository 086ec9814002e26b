"""Checks that every node of a cluster has what a trial needs, before the first trial starts; all problems at once."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lwq_tune.carbon.intensity import for_host
from lwq_tune.errors import ConfigError, DatasetError, ResultsError
from lwq_tune.results.storage.storage import Storage
from lwq_tune.sweep.cluster.node_versions import name_of, refuse
from lwq_tune.sweep.plan import Plan
from lwq_tune.training.run_checkpoints import checkpoints_of_run

CHECK_TIMEOUT_S = 600.0  # decoding a data set, once per node
SEEN_TIMEOUT_S = 10.0  # a network file system may show a new file seconds later
_LOOK_S = 0.1
DRIVER = "driver"  # the name of its probe
SHARE_IT = "give --results a folder that all hosts share, or add --storage"
REACH_IT = "give --storage what all hosts reach, and their Ray the same credentials in its environment"


@dataclass(frozen=True)
class Requirements:
    """What a node must have.

    Attributes:
        run_dir: The run folder.
        token: Content of the probe file that the driver has written there, or into the storage.
        datasets: Data sets with their digests, None for built-in ones.
        data_dir: Folder of downloaded data sets.
        init_run: Run folder whose networks trials start from, if they are not in a storage.
        storage: Address of the folder of Ray Tune's files in the storage; if set, no other host has the run folder.
    """

    run_dir: Path
    token: str
    datasets: tuple[tuple[str, str | None], ...]
    data_dir: Path
    init_run: Path | None
    storage: str | None = None

    @property
    def probe(self) -> Path:
        """Folder of the probe files."""
        return self.run_dir / f".probe-{self.token}"

    @property
    def stored_probe(self) -> Storage | None:
        """The same in the storage."""
        return None if self.storage is None else Storage.parse(self.storage).child(f".probe-{self.token}")


def check_nodes(plan: Plan, nodes: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Check folders, data and carbon intensity on every node; must run inside a Ray session.

    Args:
        plan: What the sweep needs.
        nodes: As `check_versions` has passed them.

    Returns:
        Memory for trials of each node in MiB, by node id; None where unknown.

    Raises:
        ConfigError: Lists every node that cannot run a trial of this sweep, and why.
    """
    needed = _requirements(plan)
    with _probe_files(needed):
        answers = _ask_all(needed, [node["node_id"] for node in nodes])
        problems = {}
        for node in nodes:
            found = answers[node["node_id"]]["problems"]
            if not found and not _left_a_probe(needed, node["node_id"]):
                where, advice = (needed.run_dir, SHARE_IT) if needed.storage is None else (needed.storage, REACH_IT)
                found.append(f"what it writes into {where} is not seen where the sweep starts; {advice}")
            if for_host(plan.intensities, node["hostname"]) is None:
                found.append(
                    f"it has no carbon intensity; add --country {node['hostname']}=COUNTRY, or one for all hosts"
                )
            problems[name_of(node, nodes)] = found
    refuse(problems)
    return {node_id: answer["usable_memory_mib"] for node_id, answer in answers.items()}


@contextlib.contextmanager
def _probe_files(needed: Requirements) -> Iterator[None]:
    """Write the driver's probe file where all hosts must find it, and remove it after the body."""
    stored = needed.stored_probe
    try:
        if stored is None:
            needed.probe.mkdir()
            (needed.probe / DRIVER).write_text(needed.token)
        else:
            stored.write(DRIVER, needed.token.encode())
        yield
    finally:
        if stored is None:
            shutil.rmtree(needed.probe, ignore_errors=True)
        else:
            stored.delete()


def _left_a_probe(needed: Requirements, node_id: str) -> bool:
    stored = needed.stored_probe
    return _appears(needed.probe / node_id) if stored is None else node_id in stored.files(recursive=False)


def _requirements(plan: Plan) -> Requirements:
    proposable = () if plan.search is None else plan.search.examples
    config = plan.config
    has_own_networks = config.init_run is not None and not checkpoints_of_run(config.init_run).is_stored
    stored = None if config.storage is None else Storage.parse(config.storage).child(config.run).child("ray").uri
    datasets = {(trial.dataset, trial.dataset_digest) for trial in (*plan.trials.values(), *proposable)}
    return Requirements(
        run_dir=plan.folder.path.resolve(),
        token=secrets.token_hex(8),
        datasets=tuple(sorted(datasets)),
        data_dir=config.data_dir.resolve(),
        init_run=config.init_run if has_own_networks else None,
        storage=stored,
    )


def _ask_all(needed: Requirements, node_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    check = ray.remote(num_cpus=0, max_retries=0, max_calls=1)(check_this_node)  # gives the memory of torch back
    asked = {
        node_id: check.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False)).remote(
            needed, node_id
        )
        for node_id in node_ids
    }
    end_s = time.monotonic() + CHECK_TIMEOUT_S
    answers = {}
    for node_id, answer in asked.items():
        try:
            answers[node_id] = ray.get(answer, timeout=max(1.0, end_s - time.monotonic()))
        except ray.exceptions.RayError as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            reason = f"it could not be checked ({type(error).__name__}: {lines[-1].strip() if lines else 'no reason'})"
            answers[node_id] = {"problems": [f"{reason}; repair it, or end its Ray"], "usable_memory_mib": None}
    return answers


def check_this_node(needed: Requirements, node_id: str) -> dict[str, Any]:
    """Return what is wrong with the node that this runs on, and its memory for trials in MiB.

    Args:
        needed: What the node must have.
        node_id: Id of the node, for the name of its probe file.
    """
    from lwq_tune.sweep.slots import usable_memory_mib

    problems = [problem for problem in _problems(needed, node_id) if problem is not None]
    return {"problems": problems, "usable_memory_mib": usable_memory_mib()}


def _problems(needed: Requirements, node_id: str) -> Iterator[str | None]:
    yield _check_run_folder(needed, node_id) if needed.storage is None else _check_storage(needed, node_id)
    if needed.init_run is not None and not needed.init_run.is_dir():
        yield f"{needed.init_run} of --init-run is not there; move that run to a folder that all hosts share"
    if not Path("/proc/stat").exists():
        yield "it has no /proc, which the energy ledger reads; a node needs Linux"
    for dataset, digest in needed.datasets:
        yield _check_dataset(dataset, digest, needed.data_dir)


def _check_run_folder(needed: Requirements, node_id: str) -> str | None:
    if not needed.run_dir.is_dir():
        return f"the run folder {needed.run_dir} is not there; {SHARE_IT}"
    if not _appears(needed.probe / DRIVER) or (needed.probe / DRIVER).read_text() != needed.token:
        return f"{needed.run_dir} is another folder there than where the sweep starts; {SHARE_IT}"
    try:
        (needed.probe / node_id).write_text(needed.token)
    except OSError as error:
        return f"the run folder {needed.run_dir} cannot be written there ({error.strerror}); let its user write to it"
    return None


def _check_storage(needed: Requirements, node_id: str) -> str | None:
    stored = needed.stored_probe
    if stored is None:
        return None
    try:
        if stored.read(DRIVER) != needed.token.encode():
            raise FileNotFoundError
        stored.write(node_id, needed.token.encode())
    except FileNotFoundError:
        return f"{needed.storage} is another folder there than where the sweep starts; {REACH_IT}"
    except (ConfigError, ResultsError) as error:
        return f"it cannot use the storage ({error}); {REACH_IT}"
    return None


def _check_dataset(dataset: str, digest: str | None, data_dir: Path) -> str | None:
    from lwq_tune.data.catalog import describe_dataset
    from lwq_tune.data.loading import load_dataset

    try:
        found = describe_dataset(dataset).digest
        if found != digest:
            return f"{dataset} holds other data there (digest {found}, here {digest}); copy it again"
        load_dataset(dataset, data_dir)
    except DatasetError as error:
        return str(error)
    return None


def _appears(path: Path) -> bool:
    """Return whether a file exists, or appears within `SEEN_TIMEOUT_S`."""
    end_s = time.monotonic() + SEEN_TIMEOUT_S
    while not path.exists():
        if time.monotonic() > end_s:
            return False
        with contextlib.suppress(OSError):  # has a network file system look again
            list(path.parent.iterdir())
        time.sleep(_LOOK_S)
    return True
