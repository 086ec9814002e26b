"""The whole path from a RAPL counter to a trial's joules: real CodeCarbon, real ledger, a made-up sysfs tree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import run_python
from tests.support.fake_host import IDLE_W, W_PER_BUSY_CPU

pytestmark = pytest.mark.slow  # a counter is read for seconds

RANGE_UJ = 65_532_610_987
SCRIPT = """
import json, sys, time
from pathlib import Path
from codecarbon.core import cpu

tree, log = Path(sys.argv[1]), Path(sys.argv[2])
steps = json.loads(sys.argv[3])
is_available = cpu.is_rapl_available
cpu.is_rapl_available = lambda rapl_dir=None: is_available(str(tree))
make = cpu.IntelRAPL.__init__
cpu.IntelRAPL.__init__ = lambda self, *args, **kwargs: make(self, *args, **{**kwargs, "rapl_dir": str(tree)})

from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.energy.sensors.codecarbon import CodeCarbonMeter
from lwq_tune.energy.ledger.host_ledger import HostLedger
from lwq_tune.energy.ledger.sampler import Reservation
from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.energy.sensors.nvml import NoGpus
from lwq_tune.energy.ledger.totals import trial_part
from tests.support.fake_host import IDLE_W, W_PER_BUSY_CPU, FakeHost

host, counter = FakeHost(), tree / "intel-rapl:0" / "energy_uj"
node = CodeCarbonMeter()
ledger = HostLedger(node, NoGpus(), host, host_cpus=4, clock=lambda: host.now_s, wall=lambda: 1e9 + host.now_s)
ledger.open_run(RunSpec("run", log, IntensitySeries.constant(100.0, "user")))

def step(time_s, cpu_s, jump_uj):
    host.run(time_s, {10: cpu_s[0], 20: cpu_s[1]} if 10 in host.table else {})
    used_j = IDLE_W * time_s + W_PER_BUSY_CPU * sum(cpu_s)
    counter.write_text(str((int(counter.read_text()) + round(1e6 * used_j) + jump_uj) % int(sys.argv[4])))
    time.sleep(0.06)  # CodeCarbon does not measure again within 50 ms
    ledger.sample()

for _ in range(3):
    step(1.0, (0.0, 0.0), 0)
host.start(10)
host.start(20)
account = ledger.register("run", trial_part("k", "s"), 10, Reservation(1.0, {}))
for time_s, one, two, jump_uj in steps:
    step(time_s, (one, two), jump_uj)
found = ledger.mark(account)
print(json.dumps({"source": node.cpu_source, "idle": ledger.sources("run").idle_source, **found}))
ledger.close()
"""


def charged(folder: Path, steps: list[tuple[float, float, float, int]], start_uj: int = 1000) -> dict[str, object]:
    """Return what the first of two processes was charged with.

    A step is its time, the CPU seconds of both processes, and a jump of the counter in microjoules.
    """
    zone = folder / "rapl" / "intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0\n")
    (zone / "energy_uj").write_text(str(start_uj))
    (zone / "max_energy_range_uj").write_text(str(RANGE_UJ))
    (folder / "energy").mkdir()
    arguments = [str(zone.parent), str(folder / "energy" / "h.jsonl"), json.dumps(steps), str(RANGE_UJ + 1)]
    result = run_python("-c", SCRIPT, *arguments, cwd=folder)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)  # type: ignore[no-any-return]


STEPS = 5
ALONE = [(1.0, 0.9, 0.0, 0)] * STEPS
ACTIVE_J = STEPS * 0.9 * W_PER_BUSY_CPU
IDLE_J = STEPS * IDLE_W / 4
# CodeCarbon turns microjoules into kWh with a constant of six digits.
TOLERANCE = 2e-6


def test_a_counter_is_called_measured_and_idle_power_is_learned_from_quiet_seconds(tmp_path: Path) -> None:
    found = charged(tmp_path, ALONE)
    assert (found["source"], found["idle"]) == ("measured:rapl-package", "calibrated")
    assert found["parts"]["cpu"] == pytest.approx([ACTIVE_J, IDLE_J], rel=TOLERANCE)  # type: ignore[index]


def test_a_trial_is_charged_the_same_alone_and_beside_another(tmp_path: Path) -> None:
    found = charged(tmp_path, [(1.0, 0.9, 1.0, 0)] * STEPS)
    assert found["parts"]["cpu"] == pytest.approx([ACTIVE_J, IDLE_J], rel=TOLERANCE)  # type: ignore[index]


def test_a_counter_that_wraps_once_loses_nothing(tmp_path: Path) -> None:
    found = charged(tmp_path, ALONE, start_uj=RANGE_UJ - 100_000_000)
    assert found["parts"]["cpu"] == pytest.approx([ACTIVE_J, IDLE_J], rel=TOLERANCE)  # type: ignore[index]
    assert found["measured_s"] == pytest.approx(STEPS)


def test_a_counter_that_starts_anew_costs_an_interval_and_invents_no_energy(tmp_path: Path) -> None:
    steps = [*ALONE[:2], (1.0, 0.9, 0.0, -150_000_000), *ALONE[3:]]
    found = charged(tmp_path, steps, start_uj=100_000_000)
    share = (STEPS - 1) / STEPS
    assert found["parts"]["cpu"] == pytest.approx([share * ACTIVE_J, share * IDLE_J], rel=TOLERANCE)  # type: ignore[index]
    assert found["measured_s"] == pytest.approx(STEPS - 1)
