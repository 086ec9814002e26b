"""What a report repeats of a manifest, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.report.provenance import command_line, is_open, manifest_facts, read_manifest, without_secrets
from analysis.runs.load import AnalysisError
from tests.analysis.report.conftest import section_of, write_manifest


def test_facts_name_space_command_versions_commit_host_and_intensity(tmp_path: Path) -> None:
    facts = dict(manifest_facts(read_manifest(write_manifest(tmp_path))))
    assert facts["search space"] == f"free_mixed, SHA-256 {'f' * 64}"
    assert facts["settings replaced"] == "epochs=2"
    assert facts["command"] == "python -m lwq_tune sweep --space free_mixed --storage s3://***@bucket/runs"
    assert facts["versions"] == "torch 2.9.0"
    assert facts["commit"] == "0123abc"
    assert facts["host"] == "h, Test CPU, Linux, 2 CPUs"
    assert facts["carbon intensity"] == "500 g/kWh, source: user"
    assert facts["energy sources of h"] == "cpu measured:rapl-package"


def test_the_page_holds_no_credentials(grid_report: Path) -> None:
    page = grid_report.read_text(encoding="utf-8")
    assert "s3://***@bucket/runs" in section_of(page, "provenance")
    assert "hush" not in page


@pytest.mark.parametrize(
    "text",
    [
        "https://user:hush@host/a",
        "s3://hush@bucket/x",
        "https://host/a?X-Amz-Signature=hush&b=1",
        "WANDB_API_KEY=hush",
        "--token=hush",
        "password: hush",
        "aws_secret_access_key = hush",
        "RAY_AUTH_TOKEN=hush",
    ],
)
def test_credentials_are_hidden(text: str) -> None:
    assert "hush" not in without_secrets(text)
    assert "***" in without_secrets(text)


@pytest.mark.parametrize("text", ["epochs=2", "s3://bucket/runs", "--space free_mixed", "lr=0.1", "/data/cifar-10"])
def test_everything_else_is_repeated_as_it_is(text: str) -> None:
    assert without_secrets(text) == text


def test_the_value_after_a_flag_is_hidden() -> None:
    assert (
        command_line(["sweep", "--api-key", "hush", "--run", "a"]) == "python -m lwq_tune sweep --api-key *** --run a"
    )


def test_a_manifest_of_any_shape_gives_what_it_has(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == {}
    assert manifest_facts({}) == []
    for sessions in (None, "x", [], [None], [{}]):
        assert isinstance(manifest_facts({"sessions": sessions, "space": [], "carbon_intensity": {"h": 3}}), list)
    assert is_open({"sessions": [{"started_at_utc": "a", "ended_at_utc": None}]})
    assert not is_open({"sessions": [{"started_at_utc": "a", "ended_at_utc": "b"}]})
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(AnalysisError, match="a manifest is a JSON object"):
        read_manifest(tmp_path)
