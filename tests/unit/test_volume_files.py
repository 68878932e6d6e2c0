"""Volumes as files, above all that a call which takes effect too late does no harm."""

import os
from pathlib import Path

import pytest

from fairlead_operator.drivers import volume_files
from fairlead_operator.drivers.base import DriverError, DriverUnavailable, OutOfSpace
from fairlead_operator.drivers.volume_files import VolumeFiles

MIB = 1 << 20


@pytest.fixture
def files(tmp_path: Path) -> VolumeFiles:
    files = VolumeFiles(tmp_path / "volumes")
    files.prepare()
    return files


def test_a_volume_is_sparse_and_private(files: VolumeFiles) -> None:
    files.create("vol-1", 64 * MIB)
    facts = files.path("vol-1").stat()
    assert facts.st_size == files.size("vol-1") == 64 * MIB
    assert facts.st_blocks * 512 <= MIB
    assert facts.st_mode & 0o777 == 0o600


def test_a_volume_that_is_there_stays_as_it_is(files: VolumeFiles) -> None:
    files.create("vol-1", MIB)
    files.path("vol-1").write_bytes(b"data" * 1024)
    files.create("vol-1", MIB)
    assert files.path("vol-1").read_bytes() == b"data" * 1024


def test_a_create_that_is_late_does_not_replace_the_file(files: VolumeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was stopped after it had found nothing; meanwhile its successor made the volume and it was written to."""
    grow = volume_files._grow

    def stopped(descriptor: int, size: int) -> None:
        grow(descriptor, size)
        files.path("vol-1").write_bytes(b"data")

    monkeypatch.setattr(volume_files, "_grow", stopped)
    files.create("vol-1", MIB)
    assert files.path("vol-1").read_bytes() == b"data"


def test_growing_that_is_late_neither_shrinks_nor_overwrites(
    files: VolumeFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was stopped after it had found the file small; meanwhile its successor grew it further and it was filled."""
    files.create("vol-1", MIB)
    grow = volume_files._grow

    def stopped(descriptor: int, size: int) -> None:
        files.path("vol-1").write_bytes(b"\xff" * 4 * MIB)
        grow(descriptor, size)

    monkeypatch.setattr(volume_files, "_grow", stopped)
    files.extend("vol-1", 2 * MIB)
    assert files.path("vol-1").read_bytes() == b"\xff" * 4 * MIB


def test_growing_keeps_the_data(files: VolumeFiles) -> None:
    files.create("vol-1", MIB)
    files.path("vol-1").write_bytes(b"\xff" * MIB)
    files.extend("vol-1", 2 * MIB)
    assert files.path("vol-1").read_bytes() == b"\xff" * MIB + bytes(MIB)
    files.extend("vol-1", MIB)
    assert files.size("vol-1") == 2 * MIB


def test_what_is_not_there_cannot_grow_and_may_be_deleted(files: VolumeFiles) -> None:
    with pytest.raises(DriverError, match="vol-1 does not exist"):
        files.extend("vol-1", MIB)
    files.delete("vol-1")
    assert files.size("vol-1") is None


def test_what_could_never_fit_is_refused_with_both_sizes(files: VolumeFiles) -> None:
    total = files.stats().total
    with pytest.raises(OutOfSpace, match=f"{total + 1} bytes cannot fit.*{total} bytes"):
        files.create("vol-1", total + 1)
    assert files.size("vol-1") is None


def test_leftovers_of_a_crash_are_removed_and_volumes_are_not(files: VolumeFiles, tmp_path: Path) -> None:
    files.create("vol-1", MIB)
    (tmp_path / "volumes" / ".vol-2-0011.part").touch()
    files.prepare()
    assert os.listdir(tmp_path / "volumes") == ["vol-1.img"]


def test_a_path_is_ours_only_in_our_folder(files: VolumeFiles, tmp_path: Path) -> None:
    assert files.handle(str(files.path("vol-1"))) == "vol-1"
    for foreign in (tmp_path / "vol-1.img", tmp_path / "volumes" / "sub" / "vol-1.img", tmp_path / "volumes" / "vol-1"):
        assert files.handle(str(foreign)) is None


def test_a_folder_that_went_away_is_named(files: VolumeFiles, tmp_path: Path) -> None:
    files.check()
    (tmp_path / "volumes").rmdir()
    for attempt in (files.check, files.stats):
        with pytest.raises(DriverUnavailable, match=str(tmp_path / "volumes")):
            attempt()
