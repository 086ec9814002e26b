"""The tables of the controls as they are written and shown: pairs with their findings as text, and terms."""

from __future__ import annotations

import pandas as pd

from analysis.controls.pairs import MEASURES
from analysis.controls.sentences import pair_sentence

# Columns of the tables of pairs and of terms that people see, with their titles.
PAIR_COLUMNS = {
    "first_label": "first",
    "second_label": "second",
    "equal_in": "equal in",
    "weight_bits_excess": "weight bits %",
    "bitops_excess": "BitOps %",
    "n_seeds": "seeds",
    "difference": "difference",
    "t_low": "t low",
    "t_high": "t high",
    "bootstrap_low": "boot low",
    "bootstrap_high": "boot high",
    "hedges_gz": "g_z",
    "p_holm": "p (Holm)",
    "verdict": "verdict",
}
TERM_COLUMNS = ["model", "term", "coefficient", "low", "high", "p", "df", "vif", "detectable"]


def pairs_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs as they are written: their findings as text in ``verdict``, what one reads first in front."""
    written = pairs.drop(columns="finding").assign(verdict=pairs["finding"].map(pair_sentence))
    leading = ["column", "first_label", "second_label", "equal_in", *(f"{measure}_excess" for measure in MEASURES)]
    leading += ["n_seeds", "difference", "t_low", "t_high", "p_holm", "verdict"]
    return written[[*leading, *(name for name in written if name not in leading)]]


def shown_pairs(pairs: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the pairs of one figure as people see them, with the titles of `PAIR_COLUMNS`."""
    written = pairs_table(pairs)
    return written.loc[written["column"] == column, list(PAIR_COLUMNS)].rename(columns=PAIR_COLUMNS)
