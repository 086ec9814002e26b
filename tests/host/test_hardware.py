from __future__ import annotations

from pathlib import Path

from lwq_tune.host.hardware import available_cpus, free_memory_mib, total_memory_mib


def test_a_container_gives_what_its_limits_say(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    assert total_memory_mib(tmp_path) is None
    (tmp_path / "proc/meminfo").write_text("MemTotal: 65536000 kB\nMemFree: 1 kB\nMemAvailable: 6144000 kB\n")
    assert free_memory_mib(tmp_path) == 6000
    assert total_memory_mib(tmp_path) == 64_000
    for text, expected_mib in (("max\n", 64_000), (f"{4 * 2**30}\n", 4096)):
        (tmp_path / "sys/fs/cgroup/memory.max").write_text(text)
        assert total_memory_mib(tmp_path) == expected_mib
    everything = available_cpus(tmp_path)
    for text, expected in (("max 100000\n", everything), ("150000 100000\n", 1), ("10000 100000\n", 1)):
        (tmp_path / "sys/fs/cgroup/cpu.max").write_text(text)
        assert available_cpus(tmp_path) == expected
