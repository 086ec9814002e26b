"""The real CodeCarbon on this host, in processes of their own where it starts: it keeps one tracker per process.

Each entry of the table in `lwq_tune.energy.sensors.codecarbon` has a test here that shows its effect.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import platform
from dataclasses import dataclass
from pathlib import Path

import pytest

from lwq_tune.carbon.countries import find_carbon_intensity
from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.energy.meter import NullMeter
from lwq_tune.energy.sensors import codecarbon as codecarbon_meter
from lwq_tune.energy.sensors.codecarbon import cpu_of, find_cpu_source, find_ram_source, idle_power_w, max_power_w
from lwq_tune.errors import EnergyMeterError
from lwq_tune.host.hardware import cpu_model
from tests.conftest import run_python

pytestmark = pytest.mark.slow  # processes and servers, whose start and end take seconds

READINGS = """
import json, threading, time
from dataclasses import asdict
from lwq_tune.energy.sensors.codecarbon import CodeCarbonMeter
node = CodeCarbonMeter()
readings = []
for _ in range(4):
    readings.append({"now_s": time.monotonic(), **asdict(node.read())})
    time.sleep(0.3)
about = {name: getattr(node, name) for name in ("cpu_source", "ram_source", "cpu_idle_w", "max_cpu_w")}
timers = [t for t in threading.enumerate() if isinstance(t, threading.Timer) and t.interval < 1000]
node.close()
print(json.dumps({"readings": readings, "about": about, "n_timers": len(timers)}))
"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("plain")
    result = run_python("-c", READINGS, cwd=folder, HOME=str(folder))
    assert result.returncode == 0, result.stderr
    assert result.stderr == "", "CodeCarbon wrote to the terminal"
    assert list(folder.iterdir()) == [], "CodeCarbon left files"
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_totals_rise_and_stay_below_what_the_cpus_can_draw(plain: dict[str, list[dict[str, float]]]) -> None:
    readings = plain["readings"]
    max_w = plain["about"]["max_cpu_w"]  # type: ignore[call-overload]
    for before, after in itertools.pairwise(readings):
        assert 0 < after["cpu_j"] - before["cpu_j"] <= max_w * (after["now_s"] - before["now_s"] + 0.1)
        assert after["ram_j"] > before["ram_j"]


UNTOUCHED = """
import threading
from codecarbon import OfflineEmissionsTracker
from lwq_tune.energy.sensors.codecarbon import FIXED_ARGUMENTS
tracker = OfflineEmissionsTracker(**FIXED_ARGUMENTS)
tracker.start()
print([t.interval for t in threading.enumerate() if isinstance(t, threading.Timer) and t.interval < 1000])
"""


def test_codecarbon_samples_only_when_it_is_asked_to(plain: dict[str, int], tmp_path: Path) -> None:
    assert run_python("-c", UNTOUCHED, cwd=tmp_path).stdout == "[1]\n", "its own timer, each second"
    assert plain["n_timers"] == 0


def test_every_source_has_a_label_that_says_measured_or_estimated(plain: dict[str, dict[str, str]]) -> None:
    about = plain["about"]
    assert about["cpu_source"].startswith(("measured:", "estimated:"))
    assert about["ram_source"] == "estimated:dimm-heuristic"


def ram_w(readings: list[dict[str, float]]) -> float:
    return (readings[-1]["ram_j"] - readings[0]["ram_j"]) / (readings[-1]["now_s"] - readings[0]["now_s"])


def test_neither_files_nor_environment_nor_network_change_the_result(
    tmp_path: Path, plain: dict[str, list[dict[str, float]]]
) -> None:
    hostile = "[codecarbon]\npue=9\nforce_ram_power=9999\ntracking_mode=process\nforce_carbon_intensity_g_co2e_kwh=1\n"
    for folder in (tmp_path / "home", tmp_path / "cwd"):
        folder.mkdir()
        (folder / ".codecarbon.config").write_text(hostile)
    result = run_python(
        "-c",
        READINGS,
        cwd=tmp_path / "cwd",
        HOME=str(tmp_path / "home"),
        CODECARBON_PUE="7",
        CODECARBON_FORCE_RAM_POWER="5000",
        CODECARBON_OUTPUT_METHODS="csv",
        CODECARBON_SAVE_TO_FILE="true",
        HTTPS_PROXY="http://127.0.0.1:9",
        HTTP_PROXY="http://127.0.0.1:9",
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert [path.name for path in (tmp_path / "cwd").iterdir()] == [".codecarbon.config"]
    got = json.loads(result.stdout)
    assert got["about"] == plain["about"]
    assert ram_w(got["readings"]) == pytest.approx(ram_w(plain["readings"]), rel=0.1)


@dataclass
class CPU:
    """In place of CodeCarbon's class of that name."""

    _mode: str
    _tdp: float = 200.0


class RAM:
    """In place of CodeCarbon's class of that name."""


@pytest.mark.parametrize(
    ("mode", "label", "idle_w", "max_w"),
    [
        ("intel_rapl", "measured:rapl-package", None, 4000.0),
        ("cpu_load", "estimated:tdp*load^3", 20.0, 300.0),
        ("constant", "estimated:constant", 100.0, 300.0),
        ("tea_leaves", "unknown:tea_leaves", None, 300.0),
    ],
)
def test_only_a_counter_is_called_measured_and_only_a_model_knows_idle_power(
    mode: str, label: str, idle_w: float | None, max_w: float
) -> None:
    hardware = [CPU(mode), RAM()]
    assert find_cpu_source(hardware) == label
    assert find_ram_source(hardware) == "estimated:dimm-heuristic"
    assert idle_power_w(cpu_of(hardware), label) == idle_w
    assert max_power_w(cpu_of(hardware), label) == max_w


def test_hardware_that_is_missing_is_said_to_be() -> None:
    assert find_ram_source([CPU("cpu_load")]) == "none"
    assert find_cpu_source([RAM()]) == "unknown:RAM"
    with pytest.raises(EnergyMeterError, match="must track some hardware"):
        find_cpu_source([])


@pytest.mark.parametrize("mode", ["cpu_load", "constant"])
def test_idle_power_is_what_codecarbons_own_model_draws_at_no_load(
    mode: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from codecarbon.external import hardware

    monkeypatch.setattr(hardware.SystemCPULoadMeter, "percent", lambda self, *arguments, **named: 0.0)
    cpu = hardware.CPU(str(tmp_path), mode, "a processor", 130)
    assert cpu_of([cpu]) is cpu
    idle_w = idle_power_w(cpu, find_cpu_source([cpu]))
    assert idle_w == pytest.approx(1000 * cpu._get_power_from_cpus().kW)


def test_the_memory_that_codecarbon_tracks_is_found() -> None:
    from codecarbon.external.ram import RAM as CodeCarbonRam

    assert find_ram_source([CodeCarbonRam()]) == "estimated:dimm-heuristic"


NAMED = """
import sys
import cpuinfo
from lwq_tune.energy.sensors.codecarbon import CodeCarbonMeter
ask, asked = cpuinfo.get_cpu_info, []
cpuinfo.get_cpu_info = lambda: asked.append(1) or ask()
if sys.argv[1] == "untouched":
    from codecarbon import OfflineEmissionsTracker
    from lwq_tune.energy.sensors.codecarbon import FIXED_ARGUMENTS
    tracker = OfflineEmissionsTracker(**FIXED_ARGUMENTS)
    tracker.start()
else:
    tracker = CodeCarbonMeter()._tracker
print(len(asked), tracker.get_detected_hardware()["cpu_model"], sep="|")
"""


@pytest.mark.skipif(cpu_model() is None or platform.machine() != "x86_64", reason="py-cpuinfo is asked here")
def test_the_processor_has_the_name_that_py_cpuinfo_gives_it_which_is_not_asked(tmp_path: Path) -> None:
    untouched, ours = (run_python("-c", NAMED, how, cwd=tmp_path).stdout for how in ("untouched", "ours"))
    assert untouched == f"1|{cpu_model()}\n"
    assert ours == f"0|{cpu_model()}\n"


def test_an_error_that_codecarbon_swallows_is_raised(tmp_path: Path) -> None:
    script = """
import lwq_tune.energy.sensors.codecarbon as m
from lwq_tune.errors import EnergyMeterError
from codecarbon import OfflineEmissionsTracker
node = m.CodeCarbonMeter()
OfflineEmissionsTracker._prepare_emissions_data = lambda self: 1 / 0
try:
    node.read()
except EnergyMeterError as error:
    print("raised:", error)
"""
    result = run_python("-c", script, cwd=tmp_path)
    assert "raised: CodeCarbon must deliver one reading per flush" in result.stdout, result.stderr


def test_every_argument_of_codecarbon_is_known_to_us() -> None:
    """A new argument could be set by a foreign config file; this contract fails when one appears."""
    from codecarbon import OfflineEmissionsTracker
    from codecarbon.emissions_tracker import BaseEmissionsTracker

    parameters = set(inspect.signature(BaseEmissionsTracker.__init__).parameters)
    parameters |= set(inspect.signature(OfflineEmissionsTracker.__init__).parameters)
    tree = ast.parse(inspect.getsource(codecarbon_meter._make_tracker))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    (call,) = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "OfflineEmissionsTracker"]
    ours = {keyword.arg for keyword in call.keywords if keyword.arg} | set(codecarbon_meter.FIXED_ARGUMENTS)
    assert ours <= parameters
    superseded_by_output_methods = {
        "save_to_file",
        "save_to_api",
        "save_to_logger",
        "save_to_prometheus",
        "save_to_logfire",
        "prometheus_url",
        "co2_signal_api_token",
    }
    assert parameters - ours - superseded_by_output_methods == {"self", "args", "kwargs"}


@pytest.mark.parametrize(("country", "g_per_kwh", "code"), [("FRA", 56.039, "FRA"), ("ita", 330.718, "ITA")])
def test_the_carbon_intensity_says_where_it_comes_from(country: str, g_per_kwh: float, code: str) -> None:
    assert find_carbon_intensity(country) == IntensitySeries.constant(g_per_kwh, f"country-year:{code}:2023")


def test_a_host_without_a_meter_reads_nothing_at_all() -> None:
    meter = NullMeter()
    meter.begin_window()
    for reading in (meter.end_window(), meter.between_windows()):
        assert (reading.energy_kwh, reading.emissions_kg_co2eq, reading.coverage) == (None, None, None)
