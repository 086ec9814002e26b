"""Reading a procfs that a test wrote, with what a real one does not show on demand."""

from __future__ import annotations

import os
from pathlib import Path

from lwq_tune.energy.sensors.processes import ProcessReader, boot_id

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def write_process(proc: Path, pid: int, name: str = "python", *, own: int = 0, pss_kib: int | None = None) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "stat").write_text(f"{pid} ({name}) S 1 {pid} 7 0 -1 0 0 0 0 0 {own} 0 {TICKS} 0 20 0 1 0 555 0\n")
    (folder / "statm").write_text("1000 30 5 1 0 50 0\n")
    if pss_kib is not None:
        (folder / "smaps_rollup").write_text(f"00-ff ---p 0 0 [rollup]\nRss: 999 kB\nPss:  {pss_kib} kB\n")


def test_names_with_spaces_and_parentheses_are_read(tmp_path: Path) -> None:
    write_process(tmp_path, 10, "a) (b) 1 2", own=3 * TICKS)
    (process,) = ProcessReader(tmp_path).processes().values()
    assert (process.pid, process.parent, process.own_s, process.reaped_s, process.start) == (10, 1, 3.0, 1.0, 555)


def test_a_process_whose_memory_may_not_be_read_counts_with_its_resident_set(tmp_path: Path) -> None:
    write_process(tmp_path, 10, pss_kib=70)
    write_process(tmp_path, 11)
    reader = ProcessReader(tmp_path)
    assert reader.proportional_bytes([10]) == 70 * 1024
    assert reader.proportional_bytes([10, 11, 12]) == 70 * 1024 + 30 * PAGE
    assert reader.resident_bytes([10, 11, 12]) == 2 * 30 * PAGE


def test_processes_that_end_while_reading_are_left_out(tmp_path: Path) -> None:
    write_process(tmp_path, 10)
    (tmp_path / "11").mkdir()
    (tmp_path / "12").mkdir()
    (tmp_path / "12" / "stat").write_text("")
    (tmp_path / "uptime").write_text("1 2")
    assert set(ProcessReader(tmp_path).processes()) == {10}


def test_what_is_not_read_again_stays_as_it_was_as_long_as_its_number_exists(tmp_path: Path) -> None:
    write_process(tmp_path, 10, own=TICKS)
    write_process(tmp_path, 11)
    reader = ProcessReader(tmp_path)
    before = reader.processes()
    (tmp_path / "10" / "stat").write_text((tmp_path / "10" / "stat").read_text().replace(f" {TICKS} 0 ", " 9999 0 ", 1))
    (tmp_path / "11" / "stat").unlink()
    (tmp_path / "11" / "statm").unlink()
    (tmp_path / "11").rmdir()
    assert reader.processes(before) == {10: before[10]}
    assert reader.processes()[10].own_s > before[10].own_s


def test_busy_time_leaves_out_idle_waiting_and_stolen_time_and_counts_guests_once(tmp_path: Path) -> None:
    # user nice system idle iowait irq softirq steal guest guest_nice
    (tmp_path / "stat").write_text("cpu  100 20 30 4000 500 6 7 800 90 10\ncpu0 0 0\n")
    assert ProcessReader(tmp_path).busy_s() == (100 + 20 + 30 + 6 + 7) / TICKS


def test_a_start_of_the_machine_has_a_name(tmp_path: Path) -> None:
    assert len(boot_id()) >= 8
    assert boot_id(tmp_path) == os.uname().nodename
