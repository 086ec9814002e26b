"""Reports opened in a real browser without a network."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from analysis.__main__ import main
from tests.analysis.report.conftest import N_SEEDS, write_manifest
from tests.support.synthetic_inference import write_deployed_run
from tests.support.synthetic_runs import write_run

PHONE, DESKTOP = {"width": 375, "height": 812}, {"width": 1280, "height": 900}
FIGURES = ("front", "parallel", "heatmap-accuracy", "heatmap-emissions", "curves", "ledgers")
WAIT_MS = 60_000
Open = Callable[..., Any]
pytestmark = pytest.mark.slow


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Opens a file offline; what goes wrong in it, and what it asks for, fails the test at its end."""
    contexts, wrong, asked = [], [], []

    def open_file(file: Path, size: dict[str, int] = DESKTOP, **settings: Any) -> Any:
        context = browser.new_context(viewport=size, offline=True, accept_downloads=True, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        if settings.get("java_script_enabled", True):
            page.wait_for_selector("html[data-ready=yes]")
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert wrong == []
    assert [address for address in asked if not address.startswith(("file:", "blob:", "data:"))] == []
    assert sum(address.startswith("file:") for address in asked) == len(contexts)


def first_point(page: Any, family: str) -> Any:
    """Return the first configuration of a family in the front: its hover text, and where it is on the screen."""
    page.locator("#figure-front").scroll_into_view_if_needed()
    return page.evaluate(
        """family => {
          const place = document.getElementById("figure-front");
          const box = place.getBoundingClientRect();
          const trace = place.data.find(t => t.customdata && t.meta.family === family);
          const { xaxis, yaxis } = place._fullLayout;
          return { name: trace.hovertext[0].split("</b>")[0].slice(3),
                   x: box.left + xaxis._offset + xaxis.l2p(trace.x[0]),
                   y: box.top + yaxis._offset + yaxis.l2p(trace.y[0]) };
        }""",
        family,
    )


def test_every_figure_is_drawn_and_the_console_stays_empty(open_page: Open, grid_report: Path) -> None:
    page = open_page(grid_report)
    for key in (*FIGURES, "chosen"):
        drawn = page.locator(f"#figure-{key} svg.main-svg").first
        box = drawn.bounding_box()
        assert box["width"] > 500, key
        assert box["height"] > 150, key
        assert page.locator(f"#figure-{key} :is(.point, path.js-line, .hm image, .heatmaplayer image)").count() > 0, key
    assert page.locator("#figure-heatmap-accuracy .heatmap-label").count() == 27


def test_a_point_says_what_it_is_and_a_click_shows_its_curves(open_page: Open, grid_report: Path) -> None:
    page = open_page(grid_report)
    point = first_point(page, "ascending")
    name, x, y = point["name"], point["x"], point["y"]
    page.mouse.move(x - 20, y)
    page.mouse.move(x, y, steps=3)
    page.wait_for_selector("#figure-front .hoverlayer .hovertext")
    said = page.evaluate('document.querySelector("#figure-front .hoverlayer .hovertext").textContent')
    for words in (
        name,
        "bits per unit",
        "test accuracy: ",
        " ± ",
        "training emissions: ",
        "verdict: ",
        "measured:rapl-package",
        f"seeds: {N_SEEDS}",
    ):
        assert words in said, words
    page.mouse.click(x, y)
    page.wait_for_function("name => document.getElementById('chosen-title').textContent === name", arg=name)
    traces = page.evaluate(
        """() => document.getElementById("figure-chosen").data.filter(t => t.name).map(t => [t.name, t.y])"""
    )
    assert [trace for trace, _ in traces] == ["training images", "test images"] * 2
    bits = [int(digit) for digit in name.split("_")[1]]
    final = 100 * (0.5 + 0.01 * bits[0] + 0.02 * bits[1] + 0.05 * bits[2])
    assert traces[1][1] == pytest.approx([final / 3, 2 * final / 3, final], abs=0.01)


def test_the_list_shows_any_configuration_without_a_mouse(open_page: Open, grid_report: Path) -> None:
    page = open_page(grid_report)
    assert page.locator("#choose option").count() == 28
    page.select_option("#choose", label="fixed_2")
    assert page.locator("#chosen-title").inner_text() == "fixed_2"
    assert "2-2-2" in page.locator("#chosen-facts").inner_text()


def test_a_family_that_is_switched_off_leaves_all_figures(open_page: Open, grid_report: Path) -> None:
    page = open_page(grid_report)
    before = page.locator("#figure-front .point").count()
    lines = page.locator("#figure-curves path.js-line").count()
    page.uncheck("[data-family=fixed]")
    # Three fixed schedules: their means and their single seeds.
    page.wait_for_function(
        "n => document.querySelectorAll('#figure-front .point').length === n", arg=before - 3 * (1 + N_SEEDS)
    )
    assert page.locator("#figure-curves path.js-line").count() < lines
    page.check("[data-family=fixed]")
    page.wait_for_function("n => document.querySelectorAll('#figure-front .point').length === n", arg=before)


def test_figures_are_saved_as_svg_and_png_with_their_captions(open_page: Open, grid_report: Path) -> None:
    page = open_page(grid_report, PHONE)
    assert page.locator("[data-save]").count() == 2 * len(FIGURES)
    for key in FIGURES:
        saved = {}
        for suffix in ("svg", "png"):
            with page.expect_download() as arriving:
                page.click(f"[data-figure={key}][data-save={suffix}]")
            assert arriving.value.suggested_filename == f"{key}.{suffix}"
            saved[suffix] = Path(arriving.value.path()).read_bytes()
        drawing = ET.fromstring(saved["svg"])
        words = " ".join(drawing.itertext())
        assert float(drawing.attrib["width"]) == 1000
        assert "measured:rapl-package" in words, key
        assert f"{N_SEEDS} seeds" in words, key
        with Image.open(io.BytesIO(saved["png"])) as image:
            assert image.width == 2000
            assert len(image.convert("RGB").getcolors(2**24) or []) > 20, key


def test_on_a_phone_nothing_is_wider_than_the_screen(open_page: Open, grid_report: Path) -> None:
    page = open_page(grid_report, PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    headings = page.locator("h1, h2")
    assert headings.count() == 13
    for heading in headings.all():
        box = heading.bounding_box()
        assert heading.is_visible()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    for key in FIGURES:
        inside = page.evaluate(
            """key => { const box = document.getElementById(`figure-${key}`).getBoundingClientRect();
               return [...document.querySelectorAll(`#figure-${key} text`)].map(t => t.getBoundingClientRect())
               .filter(t => t.width && (t.left < box.left - 1 || t.right > box.right + 1)).length }""",
            key,
        )
        assert inside == 0, f"{key} has words that are cut off"


def test_a_title_is_set_in_two_lines_before_its_unit_where_there_is_little_room(
    open_page: Open, grid_report: Path
) -> None:
    titles = """key => { const { layout } = document.getElementById(`figure-${key}`);
                return [layout.xaxis, layout.yaxis].map((axis) => axis.title.text); }"""
    phone, desktop = open_page(grid_report, PHONE), open_page(grid_report)
    wanted = ["training emissions<br>(mg CO2eq), estimated in part", "test accuracy (%)"]
    assert phone.evaluate(titles, "front") == wanted
    assert desktop.evaluate(titles, "front") == [wanted[0].replace("<br>", " "), wanted[1]]
    assert phone.evaluate(titles, "curves")[0] == "epoch", "without a unit there is nothing to break"


def test_a_screen_that_is_turned_is_filled_again(open_page: Open, grid_report: Path) -> None:
    page = open_page(grid_report, PHONE)
    narrow = page.locator("#figure-curves svg.main-svg").first.bounding_box()
    page.set_viewport_size({"width": 812, "height": 375})
    page.wait_for_function("() => document.querySelector('#figure-curves svg').getBoundingClientRect().width > 700")
    wide = page.locator("#figure-curves svg.main-svg").first.bounding_box()
    assert wide["height"] < narrow["height"], "panels stand side by side"
    assert page.evaluate("document.documentElement.scrollWidth") == 812


def test_without_scripts_the_key_numbers_are_in_tables(open_page: Open, grid_report: Path) -> None:
    page = open_page(grid_report, java_script_enabled=False)
    assert "All key numbers are in the tables below" in page.locator("noscript").inner_text()
    assert page.locator("#front table tbody tr").count() == 28
    assert "95.00 ± " in page.locator("#front table").inner_text()


@pytest.fixture(scope="module")
def lifetime_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run of known costs: full precision, and three schedules that cost half of it to use."""
    run = write_deployed_run(tmp_path_factory.mktemp("lifetime") / "run", spread=0.02, training_spread=0.0)
    assert main(["report", str(run)]) == 0
    return run / "analysis" / "report.html"


def test_the_slider_moves_the_front_by_the_keyboard_alone(open_page: Open, lifetime_report: Path) -> None:
    page = open_page(lifetime_report)
    front = """() => { const line = document.getElementById("figure-lifetime").data.find((t) => t.meta.isFront);
               return [line.x, line.y]; }"""
    said = page.locator("#images-front")
    page.focus("#images")
    page.keyboard.press("Home")
    page.wait_for_function("() => document.getElementById('images-number').textContent === '1,000'")
    assert said.inner_text().startswith("On the front: full_precision (bf16) (93.20 %, 20.0 g CO2eq)")
    assert "fixed_4" not in said.inner_text()
    before = page.evaluate(front)
    page.keyboard.press("End")
    page.wait_for_function("() => document.getElementById('images-number').textContent === '1 trillion'")
    assert page.locator("#images").get_attribute("aria-valuetext") == "1 trillion images"
    # Use alone counts: fixed_4 takes 5 mJ per image, bf16 6 mJ, at 500 g/kWh.
    assert said.inner_text().startswith("On the front: fixed_4 (92.40 %, ")
    after = page.evaluate(front)
    assert after[1][1:3] == pytest.approx([92.4, 93.2])
    assert after[0][1] == pytest.approx(28 + 1e12 * 5e-3 / 3.6e6 * 500, rel=0.03)
    assert before != after
    drawn = page.locator("#figure-lifetime path.js-line").first.get_attribute("d")
    page.keyboard.press("Home")
    page.wait_for_function(
        "d => document.querySelector('#figure-lifetime path.js-line').getAttribute('d') !== d", arg=drawn
    )


def test_the_slider_is_named_and_follows_the_pointer(open_page: Open, lifetime_report: Path) -> None:
    page = open_page(lifetime_report, PHONE)
    slider = page.get_by_label("Number of images:", exact=True).and_(page.locator("input"))
    assert slider.count() == 1
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2)
    page.wait_for_function("() => document.getElementById('images-number').textContent.includes('billion') "
                           "|| document.getElementById('images-number').textContent === '1 trillion'")  # fmt: skip
    assert "fixed_4" in page.locator("#images-front").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    cut_off = page.evaluate(
        """() => { const box = document.getElementById("figure-lifetime").getBoundingClientRect();
           return [...document.querySelectorAll("#figure-lifetime :is(.xtitle, .ytitle)")]
           .map((t) => t.getBoundingClientRect())
           .filter((t) => t.left < box.left - 1 || t.right > box.right + 1).length }"""
    )
    assert cut_off == 0


def test_without_scripts_the_front_over_images_is_a_table(open_page: Open, lifetime_report: Path) -> None:
    page = open_page(lifetime_report, java_script_enabled=False)
    assert not page.locator("#images").is_visible()
    assert "The table below has the front" in page.locator("#lifetime noscript").inner_text()
    table = page.locator("#lifetime table").first.inner_text()
    for words in ("1,000", "1 trillion", "fixed_4", "full_precision (bf16)"):
        assert words in table, words


def test_hostile_names_are_text_and_run_nothing(open_page: Open, tmp_path: Path) -> None:
    name = "run <img src=x onerror=alert(1)>"
    hostile = "</script><script>document.title='taken'</script>"
    run = write_run(tmp_path / name, changes={"schedule": hostile, "cpu_model": hostile})
    write_manifest(run, space={"name": hostile, "sha256": hostile})
    out = tmp_path / "report.html"
    assert main(["report", str(run), "--out", str(out)]) == 0
    page = open_page(out)
    assert page.title() == f"{name} - lwq_tune report"
    assert page.locator("h1").inner_text() == name
    assert hostile in page.locator("#provenance").inner_text()
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 3


def test_the_policy_blocks_scripts_that_are_not_the_reports_own(
    browser: Any, grid_report: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "changed.html"
    changed.write_text(
        grid_report.read_text().replace("</main>", "</main><script>document.title = 'taken'</script>"), encoding="utf-8"
    )
    context = browser.new_context(offline=True)
    said: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.goto(changed.as_uri())
    page.wait_for_selector("html[data-ready=yes]", timeout=WAIT_MS)
    assert page.title() != "taken"
    assert any("Content Security Policy" in line for line in said)
    context.close()
