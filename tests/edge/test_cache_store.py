"""Files that outlive a process: sealed, bounded, and never a reason to fail."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import pytest

from edge import atomic, cache_store
from edge.cache_store import CacheStore, Recent

MB = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "cache"


def keep(folder: Path, name: str, body: bytes, *, head: bytes = b"head", limit: int = MB) -> None:
    store = CacheStore(folder, limit)
    store.write(name, head, body)
    store.close()


def file_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.kept"


def test_a_later_process_reads_what_was_written(folder: Path) -> None:
    keep(folder, "a-1", b"body")
    assert CacheStore(folder).read("a-1") == (b"head", b"body")
    assert CacheStore(folder).head("a-1") == b"head"
    assert CacheStore(folder).names("a-") == ["a-1"]


def test_nothing_is_touched_before_something_is_kept(folder: Path) -> None:
    store = CacheStore(folder)
    assert (store.read("a"), store.head("a"), store.names("")) == (None, None, [])
    assert not folder.exists()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_only_the_user_may_read_folder_key_and_files(folder: Path) -> None:
    keep(folder, "a", b"body")
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {"key": 0o600, "a.kept": 0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_every_changed_byte_is_noticed_and_the_file_goes(folder: Path) -> None:
    keep(folder, "a", b"some body")
    sound = file_of(folder, "a").read_bytes()
    for at in range(len(sound)):
        file_of(folder, "a").write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        assert CacheStore(folder).read("a") is None, at
        assert not file_of(folder, "a").exists(), at


def test_every_cut_and_every_appendix_is_noticed(folder: Path) -> None:
    keep(folder, "a", b"some body")
    sound = file_of(folder, "a").read_bytes()
    for damaged in [sound[:at] for at in range(len(sound))] + [sound + b"x"]:
        file_of(folder, "a").write_bytes(damaged)
        assert CacheStore(folder).read("a") is None, len(damaged)


def test_a_file_under_another_name_is_not_believed(folder: Path) -> None:
    keep(folder, "a", b"of a")
    file_of(folder, "a").rename(file_of(folder, "b"))
    assert CacheStore(folder).read("b") is None
    assert CacheStore(folder).head("b") is None


def test_a_head_does_not_come_with_the_body_of_another(folder: Path) -> None:
    keep(folder, "a", b"body 1", head=b"head 1")
    first = file_of(folder, "a").read_bytes()
    keep(folder, "a", b"body 2", head=b"head 2")
    second = file_of(folder, "a").read_bytes()
    front = cache_store._FRONT.size
    mixed = second[: front - 32] + first[front - 32 : front] + second[front : front + 6] + first[front + 6 :]
    file_of(folder, "a").write_bytes(mixed)
    assert CacheStore(folder).read("a") is None


def test_another_users_files_are_not_believed(folder: Path, tmp_path: Path) -> None:
    keep(folder, "a", b"body")
    other = tmp_path / "other"
    keep(other, "b", b"body")
    file_of(other, "a").write_bytes(file_of(folder, "a").read_bytes())
    assert CacheStore(other).read("a") is None


@pytest.mark.parametrize(("mode", "key"), [(0o644, b"k" * 32), (0o600, b"short"), (0o600, b"k" * 33)])
def test_a_key_that_others_could_read_or_that_is_damaged_is_replaced(
    folder: Path, mode: int, key: bytes
) -> None:
    keep(folder, "a", b"body")
    (folder / "key").write_bytes(key)
    (folder / "key").chmod(mode)
    assert CacheStore(folder).read("a") is None
    keep(folder, "b", b"body")
    assert CacheStore(folder).read("b") == (b"head", b"body")
    assert (folder / "key").read_bytes() != key


def test_what_was_not_used_for_longest_goes_first(folder: Path) -> None:
    for i in range(4):
        keep(folder, f"a-{i}", bytes(1000), limit=4000)
        os.utime(file_of(folder, f"a-{i}"), (time.time() - 100 + i,) * 2) if i < 3 else None
        if i == 2:
            CacheStore(folder, 4000).read("a-0")
    assert sorted(CacheStore(folder).names("a-")) == ["a-0", "a-2", "a-3"]


def test_what_was_not_used_for_a_month_goes_and_so_does_what_was_never_finished(folder: Path) -> None:
    keep(folder, "old", b"body")
    (folder / ".x.part").write_bytes(b"half")
    for path in folder.iterdir():
        if path.name != "key":
            os.utime(path, (time.time() - 31 * 86400,) * 2)
    keep(folder, "new", b"body")
    assert sorted(path.name for path in folder.iterdir()) == ["key", "new.kept"]


def test_many_small_files_are_bounded_by_number(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_store, "_FILES", 10)
    for i in range(15):
        keep(folder, f"a-{i}", b"")
    assert len(CacheStore(folder).names("a-")) == 10


def test_what_is_larger_than_half_of_the_limit_is_not_written(folder: Path) -> None:
    store = CacheStore(folder, 1000)
    assert not store.write("a", b"", bytes(600))
    store.close()
    assert store.names("") == []


def test_a_longer_one_takes_the_place_of_a_shorter_one(folder: Path) -> None:
    keep(folder, "a", b"short")
    store = CacheStore(folder)
    store.write("b", b"", b"longer", instead_of="a")
    store.close()
    assert store.names("") == ["b"]


@pytest.mark.parametrize("at", range(1, 6))
def test_a_full_disk_is_no_failure_and_leaves_nothing_half(
    folder: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, real = [0], os.fsync

    def full(handle: int) -> None:
        calls[0] += 1
        if calls[0] >= at:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    for name in ("a", "b"):
        keep(folder, name, b"body")
    monkeypatch.undo()
    for name in ("a", "b"):
        assert CacheStore(folder).read(name) in (None, (b"head", b"body"))
    assert not list(folder.glob("*.part")) + list(folder.glob(".*.part"))


def test_a_disk_that_is_nearly_full_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_store, "_SPARE", 1 << 60)
    keep(folder, "a", b"body")
    assert CacheStore(folder).names("") == []


def test_a_home_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where a folder should be")
    store = CacheStore(tmp_path / "home" / "cache")
    store.write("a", b"", b"body")
    store.close()
    assert store.read("a") is None


def test_a_pipe_in_the_folder_does_not_block(folder: Path) -> None:
    keep(folder, "a", b"body")
    os.mkfifo(file_of(folder, "b"))
    assert CacheStore(folder).read("b") is None


def test_many_writers_share_one_folder(folder: Path) -> None:
    def work(own: int) -> None:
        for i in range(10):
            keep(folder, f"a-{own}-{i}", bytes(500), limit=5000)
            for name in CacheStore(folder, 5000).names("a-"):
                assert CacheStore(folder, 5000).read(name) in (None, (b"head", bytes(500)))

    threads = [threading.Thread(target=work, args=(own,)) for own in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(path.stat().st_size for path in folder.glob("*.kept")) <= 5000
    assert len(list(folder.glob("*.kept"))) >= 5


def test_after_close_writing_is_refused_and_reading_goes_on(folder: Path) -> None:
    store = CacheStore(folder)
    store.write("a", b"", b"body")
    store.close()
    assert not store.write("b", b"", b"body")
    assert store.read("a") == (b"", b"body")


def test_the_environment_turns_it_off_where_the_program_does_not_decide(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("EDGE_NO_CACHE", raising=False)
    assert (cache_store.allowed(None), cache_store.allowed(0)) == (cache_store.MOST_BYTES, 0)
    monkeypatch.setenv("EDGE_NO_CACHE", "1")
    assert (cache_store.allowed(None), cache_store.allowed(5)) == (0, 5)


def test_memory_is_bounded_by_bytes_and_forgets_what_was_not_used_for_longest() -> None:
    recent: Recent[str] = Recent(10)
    recent.put("a", "A", 4)
    recent.put("b", "B", 4)
    assert recent.get("a") == "A"
    recent.put("c", "C", 4)
    assert (recent.get("a"), recent.get("b"), recent.get("c"), recent.bytes) == ("A", None, "C", 8)
    recent.put("d", "D", 11)
    assert (recent.get("d"), recent.bytes) == (None, 8)


def test_private_files_stay_private_when_they_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(0o644)
    atomic.write_bytes(path, b"ne", b"w", mode=0o600)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
