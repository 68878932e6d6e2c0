"""``python -m fairlead_bench [SECTION ...]``: measure, keep the figures, and write the page.

The figures go to `docs/performance.json`, the page is `docs/performance.md`. Sections that are not named keep their
latest figures.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from fairlead_bench import machine, processes, report
from fairlead_bench.figures import Result
from fairlead_bench.results import Results, Run
from fairlead_bench.section import Bench, Section
from fairlead_bench.sections import SECTIONS
from fairlead_devstack.debian import PackagesMissing
from fairlead_devstack.interruption import EXIT_CODE, end_on_signals
from fairlead_devstack.progress import say
from fairlead_devstack.scratch import ScratchFolder

_CHECKOUT = Path(__file__).parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run sections.

    Returns:
        The exit code: 1 when a section could not be measured. A goal that is missed is a figure, not an error.
    """
    known = {section.name: section for section in SECTIONS}
    parser = argparse.ArgumentParser(prog="python -m fairlead_bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"of: {', '.join(known)}; all when none is named"
    )
    parser.add_argument("--quick", action="store_true", help="few samples, to try a section; writes to dist/bench")
    parser.add_argument(
        "--largest", type=int, default=100_000, help="the most attachments that scale loads (default: %(default)s)"
    )
    parser.add_argument("--folder", type=Path, help="for the figures and the page (docs)")
    parser.add_argument("--render", action="store_true", help="measure nothing, write the page from the figures")
    options = parser.parse_args(arguments)
    unknown = set(options.sections) - set(known)
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    folder = options.folder or (_CHECKOUT / "dist" / "bench" if options.quick else _CHECKOUT / "docs")
    wanted = [known[name] for name in options.sections] or list(SECTIONS)
    folder.mkdir(parents=True, exist_ok=True)
    end_on_signals()
    processes.adopt_orphans()
    try:
        for section in [] if options.render else wanted:
            run = measure(section, quick=options.quick, largest=options.largest)
            print(report.summary(section, run), flush=True)
            # Read again each time: another bench may have written its section meanwhile.
            results = Results.load(folder / report.FIGURES)
            results.sections[section.name] = run
            results.save(folder / report.FIGURES)
        report.write(folder, SECTIONS, Results.load(folder / report.FIGURES))
    except PackagesMissing as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; the sections that ended before are kept")
        return EXIT_CODE
    return 0


def measure(section: Section, *, quick: bool, largest: int) -> Run:
    """Run one section in a folder of its own."""
    say(f"measuring {section.name}: {section.title}")
    commit, described = machine.commit(), machine.describe()
    watch = machine.Watch()
    try:
        with ScratchFolder("bench") as scratch:
            result = asyncio.run(_measured(section, Bench(folder=scratch.path, quick=quick, largest=largest)))
    finally:
        processes.reap_adopted()
    return Run(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=commit,
        machine=described,
        disturbance=watch.stop(),
        result=result,
    )


async def _measured(section: Section, bench: Bench) -> Result:
    return await section.run(bench)


if __name__ == "__main__":
    sys.exit(main())
