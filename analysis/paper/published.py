"""What Ikram et al. 2025 print, as data: Table 3, the claim on sensitivity that goes with Table 4, that on energy.

"Layer-wise Quantization in Green-Aware AI", 2nd Workshop on Green-Aware Artificial Intelligence at ECAI 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

TABLE_3 = "Ikram et al. 2025, Table 3"
# Schedule of this project -> the paper's method. Its fixed triple is described as 2-2-2 in the discussion and as 2, 3
# and 4 bits in the conclusion, so its one line stands beside each of the three.
METHODS = {
    "full_precision": "Full Precision",
    "ascending_234": "Ascending",
    "descending_432": "Descending",
    "fixed_2": "Fixed Bit",
    "fixed_3": "Fixed Bit",
    "fixed_4": "Fixed Bit",
}
# Column of the tables -> what one printed unit is in the unit of the column. The paper prints no units for the last
# three: seconds are assumed; CodeCarbon, its meter, reports kWh and kg, and the printed emissions over energies are
# CodeCarbon's 0.33 kg/kWh of Italy in 7 of 8 lines.
PRINTED_UNITS = {
    "test_accuracy": 0.01,
    "train_accuracy": 0.01,
    "train_loss": 1.0,
    "train_time_s": 1.0,
    "energy_kwh": 1.0,
    "emissions_kg_co2eq": 1.0,
}
EPOCHS, LEARNING_RATE, MOMENTUM = 400, 0.1, 0.9
# Mean and standard deviation "within a single training run" (section 4.1), in the order of `PRINTED_UNITS`.
_PRINTED = {
    ("cifar10", "Full Precision"): (
        (90.01, 3.72),
        (95.41, 5.36),
        (0.1289, 0.1492),
        (0.1562, 0.0377),
        (7.28e-6, 4.27e-6),
        (2.40e-6, 1.42e-6),
    ),
    ("cifar10", "Ascending"): (
        (86.88, 5.06),
        (91.53, 0.24),
        (0.2390, 0.1535),
        (0.1525, 0.00093),
        (5.10e-6, 2.42e-8),
        (1.69e-6, 8.53e-9),
    ),
    ("cifar10", "Descending"): (
        (86.34, 5.63),
        (90.23, 5.48),
        (0.2766, 0.1514),
        (0.1507, 0.00082),
        (5.10e-6, 2.84e-8),
        (1.69e-6, 9.38e-9),
    ),
    ("cifar10", "Fixed Bit"): (
        (84.26, 4.91),
        (89.54, 5.48),
        (0.2956, 0.1514),
        (0.1529, 0.00061),
        (5.10e-6, 5.48e-9),
        (1.69e-6, 3.37e-9),
    ),
    ("cifar100", "Full Precision"): (
        (64.36, 6.73),
        (82.68, 10.69),
        (0.56, 0.42),
        (0.17, 0.01),
        (9.01e-6, 3.62e-6),
        (2.97e-6, 1.20e-6),
    ),
    ("cifar100", "Ascending"): (
        (55.69, 7.03),
        (64.94, 7.87),
        (1.21, 0.34),
        (0.22, 0.03),
        (5.10e-6, 2.88e-8),
        (1.68e-6, 8.42e-8),
    ),
    ("cifar100", "Descending"): (
        (51.15, 6.36),
        (61.8, 7.34),
        (1.33, 0.32),
        (0.146, 0.004),
        (5.11e-6, 9.860e-8),
        (1.68e-6, 1.22e-7),
    ),
    ("cifar100", "Fixed Bit"): (
        (54.75, 7.19),
        (61.5, 7.37),
        (1.35, 0.32),
        (0.19, 0.04),
        (8.48e-6, 3.66e-6),
        (2.73e-6, 1.27e-6),
    ),
}
# "achieves up to a 45% reduction in energy consumption and memory usage"; no inference is measured for it.
REDUCTION, REDUCTION_SOURCE = 0.45, "Ikram et al. 2025, abstract"
# The discussion, "according to Table 4", of a network of three stages. No figure is given for any of them.
SENSITIVITY_SOURCE = "Ikram et al. 2025, discussion of Table 4"
SENSITIVITY = {1: "less sensitive", 2: "moderate", 3: "highly sensitive"}
N_STAGES = len(SENSITIVITY)
STAGE_NAMES = ("stage ", "layer")  # of units: by number, or as their modules are called


def paper_table() -> pd.DataFrame:
    """Return Table 3, one row per printed figure.

    Returns:
        ``dataset`` (``cifar10`` or ``cifar100``), ``method`` (as printed), ``column`` (of the tables of lwq_tune),
        ``paper_mean`` and ``paper_std`` over the epochs of one run, in the unit of the column.

    >>> table = paper_table()
    >>> len(table), *table.iloc[0, :3], *map(float, table.iloc[0, 3:])
    (48, 'cifar10', 'Full Precision', 'test_accuracy', 0.9001, 0.0372)
    """
    rows = [
        (dataset, method, column, round(mean * unit, 12), round(std * unit, 12))
        for (dataset, method), figures in _PRINTED.items()
        for (column, unit), (mean, std) in zip(PRINTED_UNITS.items(), figures, strict=True)
    ]
    return pd.DataFrame(rows, columns=["dataset", "method", "column", "paper_mean", "paper_std"])


def paper_dataset(dataset: str) -> str | None:
    """Return the paper's data set that a run was trained on, by its name; None where it is another.

    Of a folder its own name counts, so that a copy of CIFAR-10 in a folder ``cifar-10`` is found.

    >>> paper_dataset("cifar10"), paper_dataset("/data/CIFAR-100"), paper_dataset("digits")
    ('cifar10', 'cifar100', None)
    """
    name = Path(dataset).name.lower().replace("-", "").replace("_", "")
    return name if name in ("cifar10", "cifar100") else None


def are_stages_of_paper(units: Sequence[str]) -> bool:
    """Return whether units are the three residual stages that the paper speaks of, by their names.

    >>> are_stages_of_paper(("stage 1", "stage 2", "stage 3")), are_stages_of_paper(("head", "neck", "tail"))
    (True, False)
    """
    return any(tuple(units) == tuple(f"{name}{stage}" for stage in SENSITIVITY) for name in STAGE_NAMES)
