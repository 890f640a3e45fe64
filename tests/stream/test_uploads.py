"""What users send to train with: bounded, under names that do no harm, and all or nothing of it."""

import io
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live import settings

from config_bach import Paths, UserError
from stream import uploads
from stream.uploads import Received, Uploads, safe_name

USER = "Änna / ../x"
MIDI = b"MThd and so on"


@pytest.fixture
def new(tmp_path: Path) -> Callable[..., Uploads]:
    """Uploads with some settings changed."""
    return lambda **changes: Uploads(Paths(tmp_path), settings(**changes))


def names(found: Uploads) -> list[str]:
    return [path.name for path in found.files(USER)]


def archive(*entries: tuple[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as opened:
        for name, content in entries:
            opened.writestr(name, content)
    return out.getvalue()


def sent(found: Uploads, name: str, content: bytes) -> Received:
    return found.receive(USER, name, io.BytesIO(content))


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("tune.mid", "tune.mid"),
        ("../../etc/passwd.mid", "passwd.mid"),
        ("C:\\temp\\tune.MIDI", "tune.midi"),
        ("Für Elise (2).mid", "Für Elise (2).mid"),
        ("名曲.musicxml", "名曲.musicxml"),
        ("a\0b\n<c>.mid", "a_b__c.mid"),
        ("half \ud800 a character.mid", "half _ a character.mid"),
        ("con.mid", "_con.mid"),
        ("COM1 x.mid", "_COM1 x.mid"),
        (".mid", "score.mid"),
        ("...mid", "score.mid"),
        ("-rf.mid", "rf.mid"),
        ("x" * 300 + ".mid", "x" * 80 + ".mid"),
        ("曲" * 300 + ".mid", "曲" * 53 + ".mid"),
    ],
)
def test_names_are_made_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text(st.characters(), max_size=300))
def test_whatever_the_name_it_is_that_of_a_file_in_the_folder(name: str) -> None:
    safe = safe_name(name + ".mid")
    assert safe == os.path.basename(safe)
    assert safe.endswith(".mid")
    assert not safe.startswith((".", "-"))
    assert safe.isprintable()
    assert len(safe.encode()) < 200


def test_users_have_folders_of_their_own(new: Callable[..., Uploads], tmp_path: Path) -> None:
    found = new()
    folders = [found.folder(user) for user in ("a", "A", "a/b", "a-b", "..", "", USER, "x" * 64)]
    assert len({str(path).lower() for path in folders}) == len(folders)
    assert all(path.parent == tmp_path / "uploads" for path in folders)


def test_a_score_is_kept_once_and_nothing_is_overwritten(new: Callable[..., Uploads]) -> None:
    found = new()
    before = found.fingerprint(USER)
    sent(found, "tune.mid", MIDI)
    first = found.fingerprint(USER)
    sent(found, "tune.mid", MIDI)
    assert names(found) == ["tune.mid"]
    assert before != first == found.fingerprint(USER)
    sent(found, "tune.mid", b"another")
    assert names(found) == ["tune (2).mid", "tune.mid"]
    assert found.files(USER)[1].read_bytes() == MIDI
    assert found.size(USER) == len(MIDI) + 7
    assert found.files("somebody else") == []


def test_a_zip_file_is_unpacked_flat(new: Callable[..., Uploads], tmp_path: Path) -> None:
    found = new()
    packed = archive(
        ("a/tune.mid", MIDI),
        ("b/c/TUNE.mid", b"another"),
        ("../../evil.mid", MIDI),
        ("/etc/passwd.mid", MIDI),
        ("folder/", b""),
        ("__MACOSX/a/._tune.mid", b"litter"),
        (".DS_Store", b"litter"),
        ("readme.txt", b"no score"),
        ("inner.zip", archive(("x.mid", MIDI))),
    )
    received = sent(found, "music.ZIP", packed)
    assert names(found) == ["TUNE (2).mid", "evil.mid", "passwd.mid", "tune.mid"]
    assert received.others == ("readme.txt", "inner.zip")
    everything = {p.name for p in tmp_path.rglob("*") if p.is_file()}
    assert everything == set(names(found))
    sent(found, "music.zip", packed)
    assert len(names(found)) == 4


def link_in_zip() -> bytes:
    item = zipfile.ZipInfo("link.txt")
    item.external_attr = (stat.S_IFLNK | 0o777) << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        opened.writestr(item, "/etc/passwd")
    return out.getvalue()


def many_entries() -> bytes:
    """A zip file whose list alone is larger than what is looked at."""
    return archive(*((f"{'x' * 200}{i}.txt", b"") for i in range(9000)), how=zipfile.ZIP_STORED)


def locked() -> bytes:
    """A zip file that says its entry has a password."""
    data = bytearray(archive(("x.mid", MIDI), how=zipfile.ZIP_STORED))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


def odd_packing() -> bytes:
    data = bytearray(archive(("x.mid", MIDI), how=zipfile.ZIP_STORED))
    data[8] = data[data.index(b"PK\1\2") + 10] = 97
    return bytes(data)


def flipped() -> bytes:
    data = bytearray(archive(("x.mid", MIDI), how=zipfile.ZIP_STORED))
    data[data.index(MIDI)] ^= 1
    return bytes(data)


BAD: list[tuple[str, Callable[[], bytes], str]] = [
    ("tune.mid", lambda: b"", "no file"),
    ("tune.exe", lambda: MIDI, "tune.exe is no score by its name"),
    ("", lambda: MIDI, "this file is no score"),
    ("a\nb\ud800.exe", lambda: MIDI, "a_b_.exe is no score"),
    ("large.mid", lambda: bytes(uploads.LARGEST_SCORE + 1), "larger than 4 MB"),
    ("x.zip", lambda: b"", "no file"),
    ("x.zip", lambda: b"PK no zip", "damaged"),
    ("x.zip", lambda: archive(("x.mid", MIDI))[:-30], "damaged"),
    ("x.zip", lambda: b"PK\5\6" * 10, "damaged"),
    ("x.zip", flipped, "damaged"),
    ("x.zip", locked, "password"),
    ("x.zip", odd_packing, "unusual"),
    ("x.zip", lambda: archive(("x.txt", MIDI)), "no scores"),
    ("x.zip", link_in_zip, "no scores"),
    ("x.zip", lambda: archive(("bomb.mid", bytes(40 * 2**20))), "larger than 1 MB"),
    ("x.zip", lambda: archive(*((f"{i}.mid", bytes(300_000)) for i in range(5))), "larger than"),
    ("x.zip", lambda: archive(*((f"{i}.mid", MIDI) for i in range(11))), "more than 10 files"),
    ("x.zip", lambda: archive(*((f"{i}.mid", MIDI) for i in range(10))), "more than 10 files"),
    ("x.zip", lambda: archive(("a.mid", bytes(600_000))), "more than 1 MB"),
]


@pytest.mark.parametrize(("name", "content", "why"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_what_cannot_be_taken_is_said_and_leaves_nothing(
    new: Callable[..., Uploads], tmp_path: Path, name: str, content: Callable[[], bytes], why: str
) -> None:
    found = new(training_files=10, training_mb=1)
    sent(found, "mine.mid", bytes(500_000))
    with pytest.raises(UserError, match=why) as refusal:
        sent(found, name, content())
    assert "\n" not in str(refusal.value)
    assert names(found) == ["mine.mid"]
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["mine.mid"]


def test_a_list_that_would_fill_the_memory_is_not_read(new: Callable[..., Uploads]) -> None:
    packed = many_entries()
    assert len(packed) < 5 * 2**20
    with pytest.raises(UserError, match="too many files in this zip"):
        sent(new(training_mb=10), "x.zip", packed)


def test_what_comes_too_slowly_is_given_up(
    new: Callable[..., Uploads], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return b"x"

    monkeypatch.setattr(uploads, "LONGEST_UPLOAD", 0.05)
    body: IO[bytes] = Slow()  # type: ignore[assignment]
    with pytest.raises(UserError, match="too long"):
        new().receive(USER, "slow.mid", body)


def test_a_training_has_the_files_as_they_were(new: Callable[..., Uploads], tmp_path: Path) -> None:
    found = new()
    for name in ("a.mid", "b.mid"):
        sent(found, name, name.encode())
    found.copied(USER, tmp_path / "corpus")
    found.remove(USER)
    assert names(found) == []
    assert {p.name: p.read_text() for p in (tmp_path / "corpus").iterdir()} == {
        "a.mid": "a.mid",
        "b.mid": "b.mid",
    }
    sent(found, "c.mid", MIDI)
    found.copied(USER, tmp_path / "corpus")
    assert [p.name for p in (tmp_path / "corpus").iterdir()] == ["c.mid"]


def test_what_a_killed_server_left_is_cleared_away(new: Callable[..., Uploads]) -> None:
    found = new()
    sent(found, "a.mid", MIDI)
    left = found.folder(USER) / f"{uploads.ASIDE}x"
    left.mkdir()
    assert names(new()) == ["a.mid"]
    assert not left.exists()
