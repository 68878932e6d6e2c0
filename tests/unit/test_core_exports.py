"""What is exported: the mode in force, when an export is right, and what is known after a listing."""

import dataclasses
import itertools

import pytest

from fairlead_crds.kinds import AccessMode, Session
from fairlead_operator.core.exports import ExportBook, ExportState, Wanted, effective_mode
from unit.model.objects import attachment, volume

RO, RW = AccessMode.READ_ONLY, AccessMode.READ_WRITE
RIGHT = ExportState(volume_handle="v", initiator="n1", access_mode=RW, complete=True)
WANTED = Wanted(volume_handle="v", initiator="n1", access_mode=RW)
OTHER = dataclasses.replace(RIGHT, initiator="n2")


def merge(book: ExportBook, listed: dict[str, ExportState], mark: int) -> set[str]:
    """Take in a listing; return the handles of which it told something new."""
    news = {handle for handle in listed.keys() | set(book) if book.learn(handle, listed.get(handle), mark)}
    book.settle(mark)
    return news


@pytest.mark.parametrize(
    ("read_only", "asked", "connector"),
    list(itertools.product([True, False], [None, RO, RW], [None, {}, {"mode": "ro"}, {"mode": "rw"}])),
)
def test_the_mode_in_force(read_only: bool, asked: AccessMode | None, connector: dict[str, str] | None) -> None:
    """Matrix: volume's readOnly x accessMode x connector's mode; the first that says something wins."""
    words = [RO if read_only else None, asked, RO if (connector or {}).get("mode") == "ro" else None, RW]
    expected = next(word for word in words if word is not None)
    assert effective_mode(volume(read_only=read_only), attachment(access_mode=asked).spec, connector) is expected


def test_without_a_volume_the_attachment_decides() -> None:
    assert effective_mode(None, attachment(access_mode=RO).spec, None) is RO


@pytest.mark.parametrize(
    ("state", "met"),
    [
        (RIGHT, True),
        (dataclasses.replace(RIGHT, sessions=(Session(initiator="n1"),)), True),
        (None, False),
        (OTHER, False),
        (dataclasses.replace(RIGHT, initiator=None), False),
        (dataclasses.replace(RIGHT, volume_handle="w"), False),
        (dataclasses.replace(RIGHT, access_mode=RO), False),
        (dataclasses.replace(RIGHT, complete=False), False),
    ],
)
def test_an_export_is_right_only_as_a_whole(state: ExportState | None, met: bool) -> None:
    """Matrix: each field wrong by itself."""
    assert WANTED.met_by(state) is met


@pytest.mark.parametrize("before", [None, RIGHT, OTHER])
@pytest.mark.parametrize("listed", [None, RIGHT, OTHER])
def test_a_listing_is_believed_about_what_was_not_touched(
    before: ExportState | None, listed: ExportState | None
) -> None:
    """Matrix: what was known x what is listed; news is told when they differ."""
    book = ExportBook()
    book.record("h", before)
    news = merge(book, {"h": listed} if listed else {}, book.mark())
    assert (book.get("h"), news) == (listed, {"h"} if listed != before else set())


@pytest.mark.parametrize("ours", [None, RIGHT, OTHER])
@pytest.mark.parametrize("listed", [None, RIGHT, OTHER])
def test_what_we_did_since_a_listing_began_stands(ours: ExportState | None, listed: ExportState | None) -> None:
    """Matrix: what we made of it meanwhile x what the listing, which is older, says."""
    book = ExportBook()
    mark = book.mark()
    book.record("h", ours)
    news = merge(book, {"h": listed} if listed else {}, mark)
    assert (book.get("h"), news) == (ours, set())


def test_the_next_listing_is_believed_again() -> None:
    book = ExportBook()
    mark = book.mark()
    book.record("h", RIGHT)
    merge(book, {}, mark)
    merge(book, {}, book.mark())
    assert book.get("h") is None


def test_a_session_that_comes_or_goes_is_known_but_no_news() -> None:
    book = ExportBook()
    book.record("h", RIGHT)
    connected = dataclasses.replace(RIGHT, sessions=(Session(initiator="n1"),))
    assert (merge(book, {"h": connected}, book.mark()), book.get("h")) == (set(), connected)


def test_the_book_lists_what_is_exported() -> None:
    book = ExportBook()
    book.record("h", RIGHT)
    book.record("gone", RIGHT)
    book.record("gone", None)
    assert (list(book), len(book)) == (["h"], 1)


def test_the_book_knows_which_volumes_are_exported() -> None:
    book = ExportBook()
    book.record("h1", RIGHT)
    book.record("h2", RIGHT)
    book.record("h1", None)
    assert book.exports_volume("v")
    merge(book, {"h2": dataclasses.replace(RIGHT, volume_handle="w")}, book.mark())
    assert (book.exports_volume("v"), book.exports_volume("w")) == (False, True)
    merge(book, {}, book.mark())
    assert not book.exports_volume("w")
