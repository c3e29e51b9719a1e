"""Whole or not at all: what readers see before, during and after a file is written, and what stays behind."""

import os
import subprocess
import sys

import pytest

from ssen_ros.io import replacing as module
from ssen_ros.io.replacing import replace_text, replacing, replacing_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_readers_have_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    replace_text(path, "old")
    with replacing(path) as temporary:
        temporary.write_text("ne")
        assert path.read_text() == "old"
        temporary.write_text("new")
    assert path.read_text() == "new" and names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("before", [None, "old"])
def test_what_fails_half_way_leaves_what_was_there(tmp_path, before):
    path = tmp_path / "a.txt"
    if before is not None:
        path.write_text(before)
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert names(tmp_path) == (["a.txt"] if before else [])
    assert not before or path.read_text() == before


@pytest.mark.parametrize("writing", [replacing, replacing_folder])
def test_a_full_disk_is_named(tmp_path, writing):
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}'"), writing(tmp_path / "a"):
        raise OSError(28, "No space left on device")  # as a write does


def test_two_writers_do_not_meet(tmp_path):
    path = tmp_path / "a.txt"
    with replacing(path) as first, replacing(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first", "whose block ends last"
    assert names(tmp_path) == ["a.txt"]


def test_file_and_folder_reach_the_disk_before_and_after_the_renaming(tmp_path, monkeypatch):
    path, done = tmp_path / "a.txt", []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor):
        done.append("folder" if os.fstat(descriptor).st_ino == tmp_path.stat().st_ino else "file")
        fsync(descriptor)

    def replaced(*paths):
        done.append("rename")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    replace_text(path, "new")
    assert done == ["file", "rename", "folder"]


def test_a_prepared_link_is_not_written_through(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    monkeypatch.setattr("secrets.token_hex", lambda _: "guessed")
    (tmp_path / ".guessed.partial").symlink_to(victim)
    with pytest.raises(FileExistsError):
        replace_text(tmp_path / "a.txt", "new")
    assert victim.read_text() == "precious" and not (tmp_path / "a.txt").exists()


def test_rights_are_those_of_any_new_file(tmp_path):
    replace_text(tmp_path / "a.txt", "new")
    (tmp_path / "b.txt").write_text("new")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


def test_a_link_stays_and_leads_to_the_new_file(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "a.txt").symlink_to(tmp_path / "there" / "a.txt")
    replace_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").is_symlink() and names(tmp_path / "there") == ["a.txt"]
    assert (tmp_path / "there" / "a.txt").read_text() == "new"


def test_what_is_no_file_is_written_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        replace_text(pipe, "new")
        assert os.read(reader, 10) == b"new" and pipe.is_fifo()
    finally:
        os.close(reader)


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        replace_text(tmp_path / "missing" / "a.txt", "new")


def test_what_a_killed_writer_left_is_swept_and_what_a_living_one_writes_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_YOUNG_S", -1.0)
    script = (
        "import os, sys; from ssen_ros.io.replacing import replacing\n"
        "with replacing(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.txt")])
    assert killed.returncode == -9 and len(names(tmp_path)) == 1
    (tmp_path / ".config.partial").write_text("a user's own")
    with replacing(tmp_path / "b.txt") as living:
        replace_text(tmp_path / "a.txt", "new")
        living.write_text("whole")
    assert names(tmp_path) == [".config.partial", "a.txt", "b.txt"]
    assert (tmp_path / "b.txt").read_text() == "whole"


@pytest.mark.parametrize("before", [False, True])
def test_a_folder_is_filled_and_then_takes_its_place(tmp_path, before):
    path = tmp_path / "map"
    if before:
        path.mkdir()
        (path / "old.txt").write_text("old")
    with replacing_folder(path) as temporary:
        (temporary / "new.txt").write_text("new")
        assert path.exists() == before and (not before or names(path) == ["old.txt"])
    assert names(path) == ["new.txt"] and names(tmp_path) == ["map"]


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("fails", ["while it is filled", "when it takes its place"])
def test_a_folder_that_fails_leaves_what_was_there(tmp_path, monkeypatch, before, fails):
    path, rename = tmp_path / "map", os.rename
    if before:
        path.mkdir()
        (path / "old.txt").write_text("old")

    def failing(source, target):
        if fails == "when it takes its place" and "new.txt" in os.listdir(source):
            raise OSError("no space")
        rename(source, target)

    monkeypatch.setattr(module, "_exchange", lambda *_: False)  # as on a disk that cannot
    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="no space"), replacing_folder(path) as temporary:
        (temporary / "new.txt").write_text("new")
        if fails == "while it is filled":
            raise OSError("no space")
    assert names(tmp_path) == ["map"] * before
    assert not before or names(path) == ["old.txt"]
