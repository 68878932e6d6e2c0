"""Whether watches tell what they should: what is owed, by which watch."""

import pytest

from fairlead_crds.kinds import Attachment
from fairlead_operator.watch_check import WatchCheck
from unit.model.objects import attachment, metadata


def item(namespace: str, version: int) -> Attachment:
    meta = metadata("a", version=version)
    return attachment("a", meta=meta.model_copy(update={"namespace": namespace}), volume_name="v")


def owes(check: WatchCheck) -> bool:
    return any(lag > 0 for lag in check.lags.values())


def test_what_was_written_is_owed_until_the_watch_shows_it_or_something_later() -> None:
    check = WatchCheck()
    check.owed(item("one", 5))
    check.told(item("one", 4))
    assert owes(check)
    check.told(item("one", 6))
    assert not owes(check)


@pytest.mark.parametrize("by_namespace", [False, True])
def test_another_namespace_s_news_settle_a_debt_only_where_one_watch_tells_of_both(by_namespace: bool) -> None:
    check = WatchCheck(by_namespace=by_namespace)
    check.owed(item("one", 5))
    check.told(item("other", 6))
    assert owes(check) == by_namespace


@pytest.mark.parametrize("by_namespace", [False, True])
async def test_a_list_says_what_each_watch_owes(by_namespace: bool) -> None:
    check = WatchCheck(by_namespace=by_namespace)
    for told in (item("one", 5), item("other", 6)):
        check.told(told)
    await check.listed([item("other", 6), item("one", 5)])
    assert not owes(check)
    await check.listed([item("one", 7), item("other", 6)])
    assert owes(check)


async def test_what_is_gone_is_owed_no_more() -> None:
    check = WatchCheck()
    check.told(item("one", 5))
    check.owed(item("one", 7))
    # Version 7 was deleted, and its watch event lost; the newest that there is has been told.
    await check.listed([item("one", 5)])
    assert not owes(check)


def test_a_watch_that_is_on_its_way_to_what_it_owes_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Very many changes take longer than silence may last."""
    now = [0.0]
    monkeypatch.setattr("fairlead_operator.watch_check.time.monotonic", lambda: now[0])
    check = WatchCheck()
    check.owed(item("one", 500))
    for version in range(1, 100):
        now[0] += 5
        check.told(item("one", version))
    now[0] += 7
    assert check.lags == {"attachments": 7}


def test_a_watch_owes_nothing_that_was_there_when_it_began() -> None:
    check = WatchCheck()
    check.owed(item("one", 5))
    check.begun("attachments", "", 5)
    assert not owes(check)
    check.owed(item("one", 5))
    assert not owes(check)
    check.owed(item("one", 6))
    assert owes(check)
