"""What sampled stacks add up to, and how they are drawn."""

import pytest

from fairlead_bench.figures import Flame
from fairlead_bench.flame_svg import draw_flame
from fairlead_bench.stacks import areas, read, tree

_LOOP = "main (fairlead_operator/main.py:7);Handle._run (asyncio/events.py:84)"
FOLDED = f"""\
{_LOOP};worker (kopf/queueing.py:1);_deliver (fairlead_operator/handlers.py:9);loads (json/__init__.py:3) 30
{_LOOP};worker (kopf/queueing.py:2) 20
{_LOOP};reconcile (fairlead_operator/passes.py:5);dumps (json/__init__.py:3) 45
{_LOOP};reconcile (fairlead_operator/passes.py:5);rare (fairlead_operator/core/attach.py:5) 0
main (fairlead_operator/main.py:7);select (selectors.py:1) 5
"""


def test_lines_of_one_function_are_one_frame_and_shares_add_up() -> None:
    root = tree(read(FOLDED))
    worker, reconcile = sorted(root.called, key=lambda frame: -frame.share)
    assert (worker.name, worker.share) == ("worker (kopf/queueing.py)", 0.5)
    assert [(frame.name, frame.share) for frame in worker.called] == [("_deliver (fairlead_operator/handlers.py)", 0.3)]
    assert reconcile.share == pytest.approx(0.45)
    # What is next to nothing is left out.
    assert [frame.name for frame in reconcile.called] == ["dumps (json/__init__.py)"]


def test_python_s_own_functions_count_to_who_called_them() -> None:
    assert areas(read(FOLDED)) == {"Fairlead's own": 0.75, "kopf": 0.2, "event loop": 0.05}


def test_a_frame_is_as_wide_as_its_share_and_stands_on_its_caller() -> None:
    root = tree(read(FOLDED))
    text = draw_flame(Flame(name="f", title="a < b", root=root))
    assert "a &lt; b" in text
    # 1100 wide, less the gap between neighbours; `worker` on the second row, what it called on the third.
    assert '<title>worker (kopf/queueing.py): 50.0%</title><rect x="495.0" y="72" width="549.5"' in text
    assert '<title>_deliver (fairlead_operator/handlers.py): 30.0%</title><rect x="495.0" y="55" width="329.5"' in text
    assert text == draw_flame(Flame(name="f", title="a < b", root=tree(read(FOLDED))))
