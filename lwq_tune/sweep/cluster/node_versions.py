"""Compares what the nodes of a cluster have installed with what the driver has. No Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lwq_tune.errors import ConfigError
from lwq_tune.sweep.cluster.node_report import PACKAGE


def check_versions(driver: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> bool:
    """Compare what is installed on the nodes with what the driver has.

    Args:
        driver: As `node_report.describe` returns it.
        nodes: Nodes, as `node_report.report` returns them.

    Returns:
        Whether the code has to be sent along, since a node has none.

    Raises:
        ConfigError: Lists every node that cannot run a trial of this sweep, and why.
    """
    if not any(node["cpus"] >= 1 for node in nodes):
        raise ConfigError("a sweep needs a Ray node with a CPU, the cluster has none; wait until its nodes have joined")
    problems: dict[str, list[str]] = {}
    for node in nodes:
        name = name_of(node, nodes)
        if node["error"] is not None:
            problems[name] = [f"it does not answer ({node['error']}); end its Ray, or repair it"]
            continue
        found = _version_problems(driver["versions"], node["versions"])
        twins = [n for n in nodes if n["hostname"] == node["hostname"] and n.get("boot_id") != node["boot_id"]]
        if twins:
            found.append(f"another machine is called {node['hostname']} too; give each a host name of its own")
        problems[name] = found
    refuse(problems)
    return any(node["versions"][PACKAGE] is None for node in nodes)


def check_machines(nodes: Sequence[Mapping[str, Any]]) -> None:
    """Check that no two nodes with CPUs are on one machine, for trials that each need a whole machine.

    Raises:
        ConfigError: Some are.
    """
    machines: dict[str, list[str]] = {}
    for node in nodes:
        if node["cpus"] >= 1:
            machines.setdefault(node["boot_id"], []).append(name_of(node, nodes))
    shared = [names for names in machines.values() if len(names) > 1]
    if shared:
        raise ConfigError(
            f"--exclusive gives each trial a whole machine and needs one Ray node on each, {' and '.join(shared[0])} "
            "are on the same; end all but one of them"
        )


def _version_problems(ours: Mapping[str, str | None], theirs: Mapping[str, str | None]) -> list[str]:
    problems = []
    for package, version in ours.items():
        there = theirs.get(package)
        if there == version or (package == PACKAGE and there is None):  # then it is sent along
            continue
        found = f"{package} is {there}" if there else f"{package} is not installed"
        also = ", or uninstall it there: then it is sent along" if package == PACKAGE else ""
        problems.append(f"{found}, where the sweep starts it is {version}; install the same version{also}")
    return problems


def name_of(node: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> str:
    """Return the host name of one of some nodes, with the node's id where a host has several nodes."""
    is_alone = sum(other["hostname"] == node["hostname"] for other in nodes) == 1
    return str(node["hostname"]) if is_alone else f"{node['hostname']} (Ray node {node['node_id'][:8]})"


def refuse(problems: Mapping[str, Sequence[str]]) -> None:
    """Raise one error with all problems by node; do nothing if there are none.

    Raises:
        ConfigError: Lists all problems.
    """
    lines = [f"{name}: {problem}" for name, found in problems.items() for problem in found]
    if lines:
        raise ConfigError("\n".join(["the nodes of the cluster cannot run this sweep as they are", *lines]))
