"""The benchmarks' page: says what the figures say, the same way each time, and leaves people's words alone."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from fairlead_bench import report
from fairlead_bench.figures import Chart, Ratio, Result, Series, Table, quantile
from fairlead_bench.machine import Disturbance, Machine
from fairlead_bench.results import Results, Run
from fairlead_bench.section import Bench, Section
from fairlead_bench.sections import SECTIONS
from fairlead_bench.svg import draw, number

DOCS = Path(__file__).parents[2] / "docs"
MACHINE = Machine(processor="a processor", cores=2, memory=24.0, kernel="6", system="Debian", versions={"Python": "3"})
CHART = Chart(
    name="times",
    title="Milliseconds <medians>",
    series=(Series(name="ours", points=(("create", 1.0), ("delete", 2.0))), Series(name="theirs", points=())),
)


async def _never(bench: Bench) -> Result:
    raise AssertionError(f"nothing is measured here, {bench}")


def section(name: str) -> Section:
    return Section(name=name, title=f"Against {name}", about="How it is done.", run=_never)


def run(*, value: float = 1.0, others: float = 0.0, chart: Chart = CHART) -> Run:
    ratio = Ratio(name="ours / theirs", value=value, bound="at most", goal=2.0, aim=1.5)
    table = Table(title="Times", columns=("", "ms"), rows=(("create", 1234.5), ("delete", None)))
    share = others / 20
    return Run(
        at="2026-11-24T12:00:00+00:00",
        commit="abc",
        machine=MACHINE,
        disturbance=Disturbance(
            seconds=10, load_before=0.1, load_after=1, own=5, others=others, stolen=0, share=round(share, 4)
        ),
        result=Result(ratios=(ratio,), tables=(table,), charts=(chart,), notes=("A note.",)),
    )


def written(folder: Path, **runs: Run) -> str:
    report.write(folder, [section(name) for name in ("floor", "cinder")], Results(sections=runs))
    return (folder / "performance.md").read_text()


def test_words_around_the_marks_stay(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(
        "Before.\n<!-- begin: written by make bench -->\nold\n<!-- end: written by make bench -->\nAfter.\n"
    )
    text = written(tmp_path, floor=run())
    assert text.startswith("Before.\n")
    assert text.endswith("\nAfter.\n")
    assert "old" not in text


def test_the_same_figures_make_the_same_page_and_charts(tmp_path: Path) -> None:
    first = written(tmp_path, floor=run())
    drawn = (tmp_path / "performance" / "times.svg").read_bytes()
    assert written(tmp_path, floor=run()) == first
    assert (tmp_path / "performance" / "times.svg").read_bytes() == drawn


@pytest.mark.parametrize(("value", "said"), [(1.9, "| met |"), (2.1, "| **missed** |")])
def test_a_missed_goal_is_said(tmp_path: Path, value: float, said: str) -> None:
    assert said in written(tmp_path, floor=run(value=value))


def test_a_disturbed_run_is_said(tmp_path: Path) -> None:
    assert "undisturbed" in written(tmp_path, floor=run(others=0.5))
    assert "to be doubted" in written(tmp_path, floor=run(others=1.0))


def test_sections_come_in_their_order_and_only_those_that_were_measured(tmp_path: Path) -> None:
    both = written(tmp_path, cinder=run(), floor=run())
    assert both.index("### Against floor") < both.index("### Against cinder")
    assert "### Against floor" not in written(tmp_path, cinder=run())


def test_a_chart_that_is_no_longer_drawn_goes(tmp_path: Path) -> None:
    written(tmp_path, floor=run())
    written(tmp_path, floor=run(chart=CHART.model_copy(update={"name": "others"})))
    assert [path.name for path in (tmp_path / "performance").iterdir()] == ["others.svg"]


def test_the_page_and_its_charts_are_those_of_the_kept_figures(tmp_path: Path) -> None:
    """Else: `make bench BENCH_ARGS=--render`, as after every change of a section's text."""
    kept = tmp_path / "performance.md"
    kept.write_text((DOCS / kept.name).read_text())
    report.write(tmp_path, SECTIONS, Results.load(DOCS / report.FIGURES))
    assert kept.read_text() == (DOCS / kept.name).read_text()
    drawn, shown = (
        {path.name: path.read_text() for path in (folder / "performance").glob("*.svg")} for folder in (tmp_path, DOCS)
    )
    assert drawn == shown


def test_figures_survive_being_written_and_read(tmp_path: Path) -> None:
    results = Results(sections={"floor": run(), "cinder": run(value=3)})
    results.save(tmp_path / "figures.json")
    assert Results.load(tmp_path / "figures.json") == results


@pytest.mark.parametrize("kind", ["bars", "lines"])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_a_chart_is_well_formed_and_inside_of_its_frame(kind: str, logarithmic: bool) -> None:
    points = ((1, 0.5), (10, 80.0), (100, 2000.0))
    chart = Chart.model_validate(
        {
            "name": "x",
            "title": "a < b",
            "kind": kind,
            "logarithmic": logarithmic,
            "series": [{"name": "s", "points": points}],
        }
    )
    root = ElementTree.fromstring(draw(chart))
    marks = root.findall("{*}rect")[2:] if kind == "bars" else root.findall("{*}circle")
    assert len(marks) == len(points)
    tops = [float(mark.attrib["y" if kind == "bars" else "cy"]) for mark in marks]
    assert tops == sorted(tops, reverse=True), "a larger value is not drawn higher"
    assert all(0 < top < 340 for top in tops)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.0123"), (1.5, "1.5"), (48.36, "48.4"), (1000, "1,000"), (12345.6, "12,346")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_a_quantile_is_one_of_the_values() -> None:
    assert quantile([5, 1, 3, 2, 4], 0.5) == 3
    assert quantile([5, 1, 3, 2, 4], 0.95) == 5
    assert quantile([7], 0.01) == 7
