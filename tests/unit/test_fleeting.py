"""Folders of servers that are thrown away: in memory where there is room, else where others are."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from onsale.sandbox.postgres import OPEN_MEMORY, WHOSE
from tests import fleeting
from tests.fleeting import fleeting_folder


@pytest.mark.parametrize("room_bytes", [0, 1 << 62])
def test_a_folder_is_in_memory_where_there_is_room(tmp_path, monkeypatch, room_bytes):
    monkeypatch.setattr(fleeting, "ROOM_BYTES", room_bytes)

    with fleeting_folder(memory=tmp_path) as folder:
        where = folder.parent

    assert where == (tmp_path if room_bytes == 0 else Path(tempfile.gettempdir()))


def test_without_such_a_place_a_folder_is_where_others_are(tmp_path):
    with fleeting_folder(memory=tmp_path / "not there") as folder:
        assert folder.parent == Path(tempfile.gettempdir())


def test_a_folder_is_gone_with_all_that_was_in_it(tmp_path):
    with fleeting_folder() as folder:
        (folder / "written").touch()

    assert not folder.exists()


def test_what_killed_tests_left_behind_goes_and_what_is_used_or_new_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(fleeting, "ROOM_BYTES", 0)
    left, new = (tmp_path / f"{name}{fleeting.SUFFIX}" for name in ("left", "new"))
    left.mkdir(), new.mkdir()
    with fleeting_folder(memory=tmp_path) as used:
        for old in (left, used):
            os.utime(old, (0, 0))

        fleeting.remove_left_behind(tmp_path)

        assert (left.exists(), used.exists(), new.exists()) == (False, True, True)


def test_data_that_stood_for_a_folder_goes_with_it(tmp_path):
    homes = {name: tmp_path / OPEN_MEMORY.name / name for name in ("left", "used")}
    folder = tmp_path / "still there"
    folder.mkdir()
    for name, home in homes.items():
        home.mkdir(parents=True)
        (home / WHOSE).write_text(str(folder if name == "used" else tmp_path / "gone"))

    fleeting.remove_left_behind(tmp_path)

    assert [home.exists() for home in homes.values()] == [False, True]
