"""The page: rendered from the figures, between two marks, so that what people wrote around them stays."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from fairlead_bench.figures import Cell, Chart, Flame, Ratio, Table
from fairlead_bench.flame_svg import draw_flame
from fairlead_bench.machine import Disturbance, Machine
from fairlead_bench.results import Results, Run
from fairlead_bench.section import Section
from fairlead_bench.svg import draw, number

FIGURES = "performance.json"
_PAGE = "performance.md"
_CHARTS = "performance"
_BEGIN, _END = "<!-- begin: written by make bench -->", "<!-- end: written by make bench -->"


def write(folder: Path, sections: Sequence[Section], results: Results) -> None:
    """Write page and charts into a folder; text outside of the marks is kept."""
    page, charts = folder / _PAGE, folder / _CHARTS
    charts.mkdir(parents=True, exist_ok=True)
    head, _, rest = (page.read_text() if page.exists() else f"{_BEGIN}\n{_END}\n").partition(_BEGIN)
    runs = [(section, results.sections[section.name]) for section in sections if section.name in results.sections]
    parts = [_overview(runs), _machines(runs), *(_section(section, run) for section, run in runs)]
    lines = [line for part in parts for line in part] if runs else ["Nothing has been measured yet.", ""]
    page.write_text(f"{head}{_BEGIN}\n\n" + "\n".join(lines) + f"\n{_END}{rest.partition(_END)[2]}")
    drawn = {f"{chart.name}.svg": draw(chart) for _, run in runs for chart in run.result.charts}
    drawn |= {f"{flame.name}.svg": draw_flame(flame) for _, run in runs for flame in run.result.flames}
    for old in charts.glob("*.svg"):
        if old.name not in drawn:
            old.unlink()
    for name, text in drawn.items():
        (charts / name).write_text(text)


def summary(section: Section, run: Run) -> str:
    """What a section found, for the terminal."""
    lines = [f"{section.title} ({run.disturbance.seconds:.0f} s)"]
    lines += [f"  {_mark(r)} {r.name}: {number(r.value)} ({_goal(r)})" for r in run.result.ratios]
    for table in run.result.tables:
        lines += ["", f"  {table.title}", *(f"    {line}" for line in _plain(table))]
    lines += [f"  note: {note}" for note in run.result.notes]
    if run.disturbance.notable:
        lines.append(f"  DISTURBED: {_disturbance(run.disturbance)}")
    return "\n".join(lines)


def _overview(runs: Sequence[tuple[Section, Run]]) -> Iterator[str]:
    yield from ["### Goals", "", "| ratio | measured | goal | aim | |", "|---|---|---|---|---|"]
    for section, run in runs:
        for ratio in run.result.ratios:
            aim = "" if ratio.aim is None else number(ratio.aim)
            name = f"[{section.name}](#{_anchor(section.title)}): {ratio.name}"
            goal = f"{ratio.bound} {number(ratio.goal)}"
            yield f"| {name} | **{number(ratio.value)}** | {goal} | {aim} | {_mark(ratio)} |"
    yield ""


def _machines(runs: Sequence[tuple[Section, Run]]) -> Iterator[str]:
    yield from ["### Machine", ""]
    groups: dict[str, tuple[Machine, list[str]]] = {}
    for section, run in runs:
        groups.setdefault(run.machine.model_dump_json(), (run.machine, []))[1].append(section.name)
    for machine, names in groups.values():
        versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
        which = "" if len(groups) == 1 else f"{', '.join(names)}: "
        yield (
            f"{which}{machine.processor}, {machine.cores} cores, {machine.memory:g} GiB, {machine.system}, "
            f"Linux {machine.kernel}; {versions}."
        )
        yield ""


def _section(section: Section, run: Run) -> Iterator[str]:
    yield from [f"### {section.title}", "", section.about.strip(), ""]
    drawings: list[Chart | Flame] = [*run.result.charts, *run.result.flames]
    for drawing in drawings:
        yield from [f"![{drawing.title}]({_CHARTS}/{drawing.name}.svg)", ""]
    for table in run.result.tables:
        yield from [f"{table.title}:", "", *_markdown(table), ""]
    yield from [line for note in run.result.notes for line in (f"- {note}",)]
    yield from [""] if run.result.notes else []
    versions = "".join(f", {name} {version}" for name, version in run.result.versions.items())
    at = run.at[:16].replace("T", " ")
    yield f"Measured {at} UTC at commit `{run.commit}`{versions}. {_disturbance(run.disturbance)}"
    yield ""


def _disturbance(seen: Disturbance) -> str:
    verdict = "others took so much that these figures are to be doubted" if seen.notable else "undisturbed"
    return (
        f"It took {seen.seconds:.0f} s and {seen.own:.0f} processor seconds; everybody else on the machine used "
        f"{seen.others:.1f}, the hypervisor took {seen.stolen:.1f} ({seen.share:.1%} of what there was: {verdict}). "
        f"Load average {seen.load_before:g} before, {seen.load_after:g} at the end.{_pace(seen)}"
    )


def _pace(seen: Disturbance) -> str:
    if seen.pace_before is None or seen.pace_after is None:
        return ""
    return (
        f" Two million additions in Python took {seen.pace_before:.0f} ms before and {seen.pace_after:.0f} ms at the "
        "end; as far as that differs between two runs, so do their milliseconds."
    )


def _mark(ratio: Ratio) -> str:
    return "met" if ratio.met else "**missed**"


def _goal(ratio: Ratio) -> str:
    aim = "" if ratio.aim is None else f", aim {number(ratio.aim)}"
    return f"{ratio.bound} {number(ratio.goal)}{aim}"


def _cells(row: Sequence[Cell]) -> list[str]:
    return ["" if cell is None else cell if isinstance(cell, str) else number(cell) for cell in row]


def _markdown(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(table.columns)} |"
    yield f"|---|{'---:|' * (len(table.columns) - 1)}"
    for row in table.rows:
        yield f"| {' | '.join(_cells(row))} |"


def _plain(table: Table) -> Iterator[str]:
    rows = [list(table.columns), *map(_cells, table.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    for row in rows:
        first, *others = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        right = [cell.strip().rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        yield "  ".join([first, *right])


def _anchor(title: str) -> str:
    """A heading's anchor as GitHub makes it."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")
