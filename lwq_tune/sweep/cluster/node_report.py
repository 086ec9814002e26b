"""Reports what the nodes of a Ray cluster have installed. A separate program, run as a file, for two reasons.

1. Joining from a host without a Ray node aborts the process in native code, and Ray reports a refused token in its log
   only. Here, this happens in a child process, whose output the driver turns into one sentence.
2. A node may lack lwq_tune. This file uses Ray and the standard library alone, and Ray sends what a program's main file
   defines to the nodes by value.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import platform
import re
import socket
import sys
import time
from pathlib import Path
from typing import Any

PACKAGE = "lwq_tune"
DISTRIBUTIONS = ("torch", "torchvision", "ray", "codecarbon", "numpy", "pyarrow", "scikit-learn", "pydantic")
ANSWER_TIMEOUT_S = 120.0


def describe(folder: str | None = None) -> dict[str, Any]:
    """Return what is installed for this process.

    Args:
        folder: Folder of lwq_tune; what an import would find by default.

    Returns:
        ``versions`` by package, None where it is missing, lwq_tune's own with a hash of its code; ``hostname``;
        ``boot_id``, the same for all containers of a machine.
    """
    versions: dict[str, str | None] = {PACKAGE: _code(folder or _find(PACKAGE)), "python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot_id = socket.gethostname()
    return {"versions": versions, "hostname": socket.gethostname(), "boot_id": boot_id}


def _find(package: str) -> str | None:
    found = importlib.util.find_spec(package)
    return str(Path(found.origin).parent) if found is not None and found.origin else None


def _code(folder: str | None) -> str | None:
    """Return the version and a hash of all modules of a package: of two checkouts, the version says little."""
    if folder is None:
        return None
    total = hashlib.sha256()
    for file in sorted(Path(folder).rglob("*.py")):
        content = file.read_bytes()
        total.update(f"{file.relative_to(folder).as_posix()} {len(content)}\n".encode())
        total.update(content)
    declared = re.search(r'__version__ = "(.*)"', (Path(folder) / "__init__.py").read_text())
    return f"{declared[1] if declared else 'unknown'} (code {total.hexdigest()[:12]})"


def report(address: str, folder: str) -> dict[str, Any]:
    """Return what the driver and each node have installed; nodes without CPUs are only named, but for the driver's.

    Args:
        address: Of a running Ray.
        folder: The driver's lwq_tune.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    context = ray.get_runtime_context()
    own = context.get_node_id()
    describe_there = ray.remote(num_cpus=0, max_retries=0)(describe)
    asked, without_cpus = [], []
    for node in ray.nodes():  # type: ignore[no-untyped-call]
        cpus = node["Resources"].get("CPU", 0.0)
        if not node["Alive"]:
            continue
        if cpus < 1:
            without_cpus.append(node["NodeManagerHostname"])
        if cpus > 0 or node["NodeID"] == own:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            answer = describe_there.options(scheduling_strategy=there).remote()
            known = {"node_id": node["NodeID"], "hostname": node["NodeManagerHostname"], "cpus": cpus}
            asked.append((known | {"gpus": node["Resources"].get("GPU", 0.0), "is_own": node["NodeID"] == own}, answer))
    end_s = time.monotonic() + ANSWER_TIMEOUT_S
    nodes = []
    for known, answer in asked:
        try:
            nodes.append(known | {"error": None} | ray.get(answer, timeout=max(1.0, end_s - time.monotonic())))
        except ray.exceptions.RayError as error:
            nodes.append(known | {"error": f"{type(error).__name__}: {error}".splitlines()[0]})
    return {"address": context.gcs_address, "driver": describe(folder), "nodes": nodes, "without_cpus": without_cpus}


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(report(*sys.argv[1:])) + "\n")
