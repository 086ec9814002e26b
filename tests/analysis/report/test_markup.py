"""Text becomes HTML that means the same."""

from __future__ import annotations

import json
import re

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from analysis.report.markup import MOST_ROWS, data_block, table


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_no_text_leaves_a_block_of_data_and_all_of_it_comes_back(value: object) -> None:
    block = data_block("key", value)
    (inner,) = re.findall(r'^<script type="application/json" id="key">(.*)</script>$', block, flags=re.DOTALL)
    assert not set("<>&") & set(inner)
    assert json.loads(inner) == value


@given(st.text())
def test_a_cell_shows_its_text_and_opens_no_element(text: str) -> None:
    html = table(pd.DataFrame({text: [text]}), text)
    tags = set(re.findall(r"<(/?[a-zA-Z]+)", html))
    assert tags <= {
        f"{end}{tag}" for end in ("", "/") for tag in ("div", "table", "caption", "thead", "tbody", "tr", "th", "td")
    }


def test_long_tables_say_how_many_rows_are_left_out_and_where_they_are() -> None:
    html = table(pd.DataFrame({"a": range(1234)}), "Rows.", left="trials.parquet")
    assert html.count("<tr>") == MOST_ROWS + 1
    assert "The first 200 of 1,234 rows; all are in trials.parquet." in html


def test_what_is_null_is_a_dash() -> None:
    html = table(pd.DataFrame({"a": ["x", None], "b": [1.5, float("nan")]}), "Rows.")
    assert html.count(">-<") == 2
