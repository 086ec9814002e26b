from __future__ import annotations

from typing import Any

import pytest

from lwq_tune.errors import ConfigError
from lwq_tune.sweep.cluster.node_report import describe
from lwq_tune.sweep.cluster.node_versions import check_machines, check_versions

VERSIONS = {"lwq_tune": "0.1.0 (code aaa)", "python": "3.11.7", "torch": "2.15.0", "ray": "2.60.0"}
DRIVER = {"versions": VERSIONS, "hostname": "a", "boot_id": "1"}


def node(name: str, **changes: Any) -> dict[str, Any]:
    versions = {**VERSIONS, **changes.pop("versions", {})}
    known = {"node_id": f"{name}0123456789", "hostname": name, "cpus": 4.0, "gpus": 0.0, "is_own": name == "a"}
    return {**known, "error": None, "versions": versions, "boot_id": name, **changes}


def test_nodes_with_the_same_software_pass_and_need_nothing_sent() -> None:
    assert check_versions(DRIVER, [node("a"), node("b")]) is False
    assert check_versions(describe(), [node("a", versions=describe()["versions"])]) is False


def test_the_code_is_sent_where_a_node_has_none() -> None:
    assert check_versions(DRIVER, [node("a"), node("b", versions={"lwq_tune": None})]) is True


def test_all_nodes_that_differ_are_named_at_once_with_both_versions() -> None:
    nodes = [
        node("a"),
        node("b", versions={"torch": "2.9.1", "ray": None}),
        node("c", error="GetTimeoutError: no answer"),
        node("d", versions={"lwq_tune": "0.1.0 (code bbb)"}),
    ]
    with pytest.raises(ConfigError) as caught:
        check_versions(DRIVER, nodes)
    assert str(caught.value).splitlines() == [
        "the nodes of the cluster cannot run this sweep as they are",
        "b: torch is 2.9.1, where the sweep starts it is 2.15.0; install the same version",
        "b: ray is not installed, where the sweep starts it is 2.60.0; install the same version",
        "c: it does not answer (GetTimeoutError: no answer); end its Ray, or repair it",
        "d: lwq_tune is 0.1.0 (code bbb), where the sweep starts it is 0.1.0 (code aaa); install the same version, "
        "or uninstall it there: then it is sent along",
    ]


def test_two_machines_of_one_name_are_refused_and_two_nodes_of_one_machine_are_told_apart() -> None:
    with pytest.raises(ConfigError, match="another machine is called b too"):
        check_versions(DRIVER, [node("b", boot_id="1"), node("b", boot_id="2")])
    check_versions(DRIVER, [node("b", boot_id="1"), node("b", boot_id="1")])
    with pytest.raises(ConfigError, match=r"b \(Ray node b0123456\): torch is 1"):
        check_versions(DRIVER, [node("b", versions={"torch": "1"}), node("b", node_id="other")])


def test_whole_machines_are_not_given_out_twice() -> None:
    check_machines([node("a", cpus=0.0, boot_id="1"), node("b", boot_id="1"), node("c", boot_id="2")])
    with pytest.raises(ConfigError, match="b and c are on the same; end all but one"):
        check_machines([node("a", boot_id="0"), node("b", boot_id="1"), node("c", boot_id="1")])


def test_a_cluster_without_cpus_is_refused() -> None:
    with pytest.raises(ConfigError, match="wait until its nodes have joined"):
        check_versions(DRIVER, [node("a", cpus=0.0)])
