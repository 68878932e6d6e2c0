"""The epoch record: one entry, changed by compare-and-swap, which no holder can block another from."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fairlead_operator.drivers.base import Fenced
from fairlead_operator.drivers.tgt_epoch import EpochRecord


@pytest.fixture
def record(tmp_path: Path) -> EpochRecord:
    record = EpochRecord(tmp_path)
    record.prepare()
    return record


def test_at_first_no_epoch_is_on(record: EpochRecord) -> None:
    assert record.current() is None
    assert not record.holds("1-a")
    with pytest.raises(Fenced, match="1-a"):
        record.require("1-a")


def test_an_epoch_ends_the_one_before(record: EpochRecord) -> None:
    for epoch in ("1-a", "2-a", "2-a", "3-a"):
        record.begin(epoch)
        record.require(epoch)
        assert record.current() == epoch
    assert not record.holds("2-a")


def test_an_older_number_of_the_same_scope_cannot_come_back(record: EpochRecord) -> None:
    record.begin("00000010-lease")
    with pytest.raises(Fenced, match="00000010-lease"):
        record.begin("9-lease")
    assert record.current() == "00000010-lease"


@pytest.mark.parametrize("epoch", ["9-other", "word", "1"])
def test_without_a_common_scope_there_is_no_order(record: EpochRecord, epoch: str) -> None:
    """A Lease that was deleted and made again starts its count anew; it must not be locked out for ever."""
    record.begin("10-lease")
    record.begin(epoch)
    assert record.current() == epoch


@pytest.mark.parametrize("epoch", ["", "none", "a/b", "..", ".a", "a b", "x" * 73, "a\n"])
def test_what_is_no_file_name_is_refused(record: EpochRecord, epoch: str) -> None:
    with pytest.raises(ValueError, match="epoch"):
        record.begin(epoch)


def test_the_record_outlives_its_writer_and_is_made_once(record: EpochRecord, tmp_path: Path) -> None:
    record.begin("1-a")
    again = EpochRecord(tmp_path)
    again.prepare()
    assert again.current() == "1-a"
    assert [path.name for path in tmp_path.iterdir()] == ["fence"]


def test_many_at_once_end_with_the_latest(tmp_path: Path) -> None:
    """Each either became the epoch or was told that a later one is on; nothing is lost or doubled."""

    def tenure(number: int) -> bool:
        record = EpochRecord(tmp_path)
        record.prepare()
        try:
            record.begin(f"{number}-lease")
        except Fenced:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        began = list(pool.map(tenure, range(64)))
    assert began[63]
    assert [path.name for path in (tmp_path / "fence").iterdir()] == ["epoch.63-lease"]
