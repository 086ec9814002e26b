"""Command line of the mutation run: samples mutants of each package, runs their tests and prints a table."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutation.mutants import Mutant, mutants_of, read_list
from tests.mutation.runner import KILLED, SURVIVED, TIMED_OUT, Workplace, import_heavy_packages

REPOSITORY = Path(__file__).parents[2]
EQUIVALENT = Path(__file__).with_name("equivalent.txt")
# Files or folders that are mutated, and the tests that mirror them.
PACKAGES = {
    "lwq_tune/energy/attribution": ("tests/energy/attribution", "tests/energy/ledger"),
    "lwq_tune/quantization": ("tests/quantization",),
    "lwq_tune/models": ("tests/models", "tests/quantization/test_prepare.py"),
    "lwq_tune/training/lr_curve.py": ("tests/training/test_lr_curve.py",),
    "lwq_tune/sweep/stopping": ("tests/sweep/stopping",),
    "analysis/fronts": ("tests/analysis/fronts", "tests/analysis/uncertainty/test_front.py"),
    "analysis/uncertainty": ("tests/analysis/uncertainty", "tests/analysis/fronts"),
    "analysis/controls": ("tests/analysis/controls",),
}
MAX_REAL_SURVIVORS = 0.03


@dataclass
class Tally:
    """Mutants of one package."""

    n_possible: int = 0
    n_tried: int = 0
    n_timed_out: int = 0
    n_equivalent: int = 0
    real: list[Mutant] = field(default_factory=list)


def mutants_in(package: str) -> list[Mutant]:
    """Return all mutants of a file, or of all modules of a folder."""
    path = REPOSITORY / package
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    found = []
    for file in files:
        if file.name != "__init__.py":
            found += mutants_of(str(file.relative_to(REPOSITORY)), file.read_text(encoding="utf-8"))
    return found


def sample(mutants: list[Mutant], package: str, seed: int, n_wanted: int) -> list[Mutant]:
    """Return ``n_wanted`` of the mutants of a package, or all of them where there are fewer."""
    return random.Random(f"{seed} {package}").sample(mutants, min(n_wanted, len(mutants)))


def print_table(tallies: dict[str, Tally]) -> None:
    """Print a row for each package, and the sum."""
    print(f"{'package':<32}{'possible':>9}{'tried':>7}{'killed':>8}{'timed out':>11}{'equivalent':>12}{'real':>6}")
    total = Tally()
    for count in ("n_possible", "n_tried", "n_timed_out", "n_equivalent"):
        setattr(total, count, sum(getattr(tally, count) for tally in tallies.values()))
    total.real = [mutant for tally in tallies.values() for mutant in tally.real]
    for name, tally in [*tallies.items(), ("all", total)]:
        n_killed = tally.n_tried - tally.n_timed_out - tally.n_equivalent - len(tally.real)
        print(
            f"{name:<32}{tally.n_possible:>9}{tally.n_tried:>7}{n_killed:>8}{tally.n_timed_out:>11}"
            f"{tally.n_equivalent:>12}{len(tally.real):>6}"
        )
    n_judged = total.n_tried - total.n_equivalent
    print(
        f"real survivors: {len(total.real)} of {n_judged} that are not equivalent, "
        f"{len(total.real) / max(n_judged, 1):.1%}"
    )


def main(arguments: list[str]) -> int:
    """Run, and return 1 where more than 3 % survive that are not known to be equivalent."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--per-package", type=int, default=44, help="mutants of each package")
    parser.add_argument("--package", action="append", choices=list(PACKAGES), help="one of them, may be repeated")
    parser.add_argument("--list-equivalent", type=Path, default=EQUIVALENT, help="reviewed mutants that change nothing")
    parser.add_argument("--only", type=Path, help="try the mutants of this list, and no others")
    parser.add_argument("--write", type=Path, help="write real survivors as such a list")
    parsed = parser.parse_args(arguments)
    equivalent = read_list(parsed.list_equivalent)
    only = None if parsed.only is None else read_list(parsed.only)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    import_heavy_packages()
    tallies: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        workplace = Workplace(REPOSITORY, Path(folder))
        for package in parsed.package or PACKAGES:
            possible = mutants_in(package)
            tally = tallies[package] = Tally(len(possible))
            if only is None:
                chosen = sample(possible, package, parsed.seed, parsed.per_package)
            else:
                chosen = [mutant for mutant in possible if mutant.text in only]
            if chosen:
                workplace.check_unchanged(package, PACKAGES[package])
            for mutant in chosen:
                outcome = workplace.try_mutant(mutant, package, PACKAGES[package])
                tally.n_tried += 1
                tally.n_timed_out += outcome.verdict == TIMED_OUT
                if outcome.verdict == SURVIVED and mutant.text in equivalent:
                    tally.n_equivalent += 1
                elif outcome.verdict == SURVIVED:
                    tally.real.append(mutant)
                elif outcome.verdict == KILLED and mutant.text in equivalent:
                    print(f"listed as equivalent, and killed by {outcome.by}:\n{mutant.text}\n")
                told = (
                    mutant.text if outcome.verdict == SURVIVED else f"{mutant.file}: {mutant.change[:60]} {outcome.by}"
                )
                print(f"{outcome.verdict:<10}{outcome.time_s:6.1f} s  {told}", file=sys.stderr, flush=True)
    print_table(tallies)
    real = [mutant for tally in tallies.values() for mutant in tally.real]
    for mutant in real:
        print(f"\n{mutant.text}")
    if parsed.write is not None:
        parsed.write.write_text("\n\n".join(mutant.text for mutant in real) + "\n", encoding="utf-8")
    n_judged = sum(tally.n_tried - tally.n_equivalent for tally in tallies.values())
    return int(len(real) > MAX_REAL_SURVIVORS * n_judged)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
