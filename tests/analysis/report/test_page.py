"""The page as a browser reads it: all values are text, and none of them opens an element or leaves the data."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.__main__ import main
from analysis.report.blocks import (
    MOST_ROWS,
    Block,
    Bullets,
    FactList,
    FamilyBoxes,
    FamilyMark,
    FigureBox,
    FoldedText,
    Heading,
    Note,
    Paragraph,
    Section,
    make_table,
)
from analysis.report.figures.figure import AxisTitle, Figure, Panel
from analysis.report.page import Page, render
from tests.analysis.report.conftest import data_of, write_manifest
from tests.conftest import REPOSITORY
from tests.support.synthetic_runs import write_run

HOSTILE = """</script><script>document.title='taken'</script><img src=x onerror="alert('&amp;')">"""
TEMPLATES = REPOSITORY / "analysis" / "report" / "templates"


class Document(HTMLParser):
    """Elements, their attributes and the text of each element of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append((self.elements[-1] if self.elements else "", data))

    def text_of(self, element: str) -> list[str]:
        return [text for tag, text in self.texts if tag == element and text.strip()]


def page_of(*blocks: Block, title: str = "run", data: dict[str, Any] | None = None) -> str:
    section = Section("key", title, title, blocks)
    return render(Page(title, [title], [section], data or {}, "p { margin: 0 }", ["var a = 1 < 2 && 'b';"]))


def every_block(text: str) -> list[Block]:
    """Return a block of each kind with a text wherever it takes one."""
    figure = Figure("front", text, text, text, [], {}, [Panel(1, text, AxisTitle(text, text, text))])
    return [
        Heading(text),
        Paragraph(text, "origin"),
        Note(text),
        Bullets((text,)),
        FactList([(text, text)]),
        FoldedText(text, text),
        make_table(pd.DataFrame([[text, text]], columns=[text, "b"]), text),
        FigureBox(figure, has_heading=True),
        FamilyBoxes((FamilyMark(text, "#000000", "M0 0"),)),
    ]


@given(st.text())
def test_no_text_opens_an_element_or_sets_an_attribute_in_any_block(text: str) -> None:
    plain = "a" * len(text)
    wanted, found = (Document(page_of(*every_block(words), title=words)) for words in (plain, text))
    assert found.elements == wanted.elements
    assert [name for name, _ in found.attributes] == [name for name, _ in wanted.attributes]


def test_a_hostile_text_is_shown_as_it_is_in_every_block() -> None:
    document = Document(page_of(*every_block(HOSTILE), title=HOSTILE))
    for element in ("h1", "h2", "h3", "p", "li", "dt", "dd", "summary", "pre", "caption", "th", "td", "figcaption"):
        assert any(HOSTILE in text for text in document.text_of(element)), element
    assert document.text_of("title") == [f"{HOSTILE} - lwq_tune report"]
    assert "img" not in document.elements
    assert document.elements.count("script") == 2, "the data and one script"


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_no_text_leaves_the_data_and_all_of_it_comes_back(value: object) -> None:
    page = page_of(data={"value": value})
    assert data_of(page) == {"figures": [], "value": value}
    (inner,) = re.findall(r'id="report-data">(.*?)</script>', page, flags=re.DOTALL)
    assert not set("<>&") & set(inner)


def test_scripts_and_style_are_not_escaped_and_nothing_else_is_marked_as_safe() -> None:
    page = page_of()
    assert "<script>var a = 1 < 2 && 'b';</script>" in page
    assert "<style>p { margin: 0 }</style>" in page
    templates = sorted(TEMPLATES.glob("*.j2"))
    assert len(templates) == 2
    found = [line for file in templates for line in re.findall(r"\{\{[^}]*safe[^}]*\}\}", file.read_text())]
    assert found == ["{{ page.style|safe }}", "{{ script|safe }}"]
    assert not any("autoescape false" in file.read_text() for file in templates)


def test_hostile_names_of_a_run_and_its_space_are_text_in_the_report(tmp_path: Path) -> None:
    name = """run <img src=x onerror="alert(1)"> & 'b'"""
    run = write_run(tmp_path / name, changes={"schedule": HOSTILE, "cpu_model": HOSTILE})
    write_manifest(run, space={"name": HOSTILE, "sha256": HOSTILE})
    out = tmp_path / "report.html"
    assert main(["report", str(run), "--out", str(out)]) == 0
    page = out.read_text(encoding="utf-8")
    document = Document(page)
    assert document.text_of("title") == [f"{name} - lwq_tune report"]
    assert document.text_of("h1") == [name]
    assert f"{HOSTILE}, SHA-256 {HOSTILE}" in document.text_of("dd")
    assert "img" not in document.elements
    assert document.elements.count("script") == 3, "the data, Plotly and the script of the page"
    assert {detail["label"] for detail in data_of(page)["details"]} == {HOSTILE}


def test_long_tables_say_how_many_rows_are_left_out_and_where_they_are() -> None:
    table = make_table(pd.DataFrame({"a": range(1234)}), "Rows.", left="trials.parquet")
    assert len(table.rows) == MOST_ROWS == 200
    assert table.caption == "Rows. The first 200 of 1,234 rows; all are in trials.parquet."
    assert Document(page_of(table)).elements.count("tr") == MOST_ROWS + 1


def test_what_is_null_is_a_dash() -> None:
    table = make_table(pd.DataFrame({"a": ["x", None], "b": [1.5, float("nan")]}), "Rows.")
    assert table.rows == (("x", "1.5"), ("-", "-"))


def test_a_list_without_items_is_not_shown() -> None:
    assert Document(page_of(Bullets(()))).elements.count("ul") == Document(page_of()).elements.count("ul")


@pytest.mark.parametrize(
    ("title", "text"),
    [
        (AxisTitle("epoch"), "epoch"),
        (AxisTitle("accuracy", "%"), "accuracy (%)"),
        (AxisTitle("energy (CPU)", "mWh", "estimated"), "energy (CPU) (mWh), estimated"),
    ],
)
def test_units_are_fields_of_an_axis(title: AxisTitle, text: str) -> None:
    assert title.text == text
    assert title.to_json() == {"name": title.name, "unit": title.unit, "remark": title.remark}
    assert Panel(2, x_title=title).to_json()["xTitle"] == title.to_json()
