"""Tunes of listeners over real HTTP, composed around in a process of their own; and hostile files."""

import io
import json
import os
import shutil
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mido
import numpy as np
import psutil
import pytest
from live import LOGIN, SHIPPED, get, opened, raw, settings, until

from config_bach import Paths, UserError
from gui.server import PageServer
from stream import tune_worker
from stream.listener import Full, Listener
from stream.server import Servers
from stream.tune_worker import read
from stream.tunes import LARGEST_TUNE, MOST_NOTES, Tunes, tapped, tune_request

VOICES = SHIPPED.parent / "bach5_nc_mo.zip"
TUNE: list[list[Any]] = [
    [67, 1],
    [69, 0.5],
    [71, 0.5],
    [None, 1],
    [72, 1],
    [74, 2],
    [72, 1],
    [71, 1],
]
MIDI = "audio/midi"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A server with a model of notes and one of four voices."""
    home = tmp_path_factory.mktemp("tunes")
    (home / "models").mkdir()
    for path in (VOICES, SHIPPED):
        shutil.copy(path, home / "models")
    running = Servers(settings(), Paths(home), PageServer)
    yield running
    running.close()


def post(
    servers: Servers, path: str, body: Any, kind: str = "application/json", login: str = LOGIN
) -> tuple[int, Any, Any]:
    """Status, headers, and the JSON or the text of the answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    address = f"http://127.0.0.1:{servers.context.server.flask_port}{path}"
    headers = {"Content-Type": kind} | ({"Authorization": login} if login else {})
    request = urllib.request.Request(address, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def kept(servers: Servers, path: str) -> bytes:
    status, _, data = get(servers.context.server.flask_port, path, None, 10**8)
    assert status == 200
    return data


def notes_of(track: Any) -> list[tuple[float, float, int]]:
    """Onset and end in quarters, pitch, of the notes of a MIDI track."""
    now = 0
    found: list[tuple[float, float, int]] = []
    since: dict[int, float] = {}
    for m in track:
        now += m.time
        if m.type == "note_on":
            since[m.note] = now / 10080
        elif m.type == "note_off":
            found.append((since.pop(m.note), now / 10080, m.note))
    return found


def given() -> list[tuple[float, float, int]]:
    ends = np.cumsum([quarters for _, quarters in TUNE])
    rows = zip(TUNE, ends, strict=True)
    return [(end - length, end, pitch) for (pitch, length), end in rows if pitch is not None]


def file_of(*parts: list[list[Any]], bpm: float = 100) -> bytes:
    """A MIDI file with parts [[pitch, quarters], ...]."""
    midi = mido.MidiFile(ticks_per_beat=480)
    for part in parts:
        track = mido.MidiTrack()
        track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm)))
        rest = 0
        for pitch, quarters in part:
            if pitch is None:
                rest += round(480 * quarters)
                continue
            track.append(mido.Message("note_on", note=pitch, velocity=90, time=rest))
            track.append(mido.Message("note_off", note=pitch, time=round(480 * quarters)))
            rest = 0
        midi.tracks.append(track)
    out = io.BytesIO()
    midi.save(file=out)
    return out.getvalue()


# ---- over HTTP


@pytest.mark.slow
def test_a_tune_is_harmonised_kept_and_can_be_heard(servers: Servers) -> None:
    wanted = {"notes": TUNE, "bpm": 120, "program": 20, "title": "  Für Anna "}
    status, _, told = post(servers, "/tunes", wanted)
    assert status == 200, told
    assert (told["title"], told["model"], told["seconds"]) == ("Für Anna", VOICES.stem, 4)
    assert told["events"][0][:1] == [0]
    assert 67 in told["events"][0][2]
    midi = mido.MidiFile(file=io.BytesIO(kept(servers, told["links"]["mid"])))
    assert [t.name for t in midi.tracks[1:]] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert notes_of(midi.tracks[1]) == given()
    assert all(len(notes_of(track)) > 2 for track in midi.tracks[2:])
    assert {m.program for t in midi.tracks for m in t if m.type == "program_change"} == {19}
    mp3 = kept(servers, told["play"])
    assert len(mp3) > 4 * 192_000 / 8
    path = told["play"]
    port = servers.context.server.flask_port
    status, headers, part = get(port, path, None, Range="bytes=100-199")  # as iPhones do
    assert (status, part) == (206, mp3[100:200])
    assert headers["Content-Range"] == f"bytes 100-199/{len(mp3)}"
    (listed,) = [x for x in json.loads(get(port, "/recordings")[2]) if x["name"] == told["name"]]
    assert listed["title"] == "Für Anna"


@pytest.mark.slow
def test_a_tune_goes_on(servers: Servers) -> None:
    wanted = {"notes": TUNE, "way": "continue", "model": SHIPPED.stem}
    status, _, told = post(servers, "/tunes", wanted)
    assert (status, told["model"]) == (200, SHIPPED.stem)
    pitches = [pitches for _, _, pitches, *_ in told["events"]]
    assert pitches[:5] == [[67], [69], [71], [], [72]]
    assert len(pitches) > 40
    wanted = {"notes": TUNE, "way": "continue", "model": VOICES.stem}
    status, _, told = post(servers, "/tunes", wanted)
    midi = mido.MidiFile(file=io.BytesIO(kept(servers, told["links"]["mid"])))
    assert notes_of(midi.tracks[1])[:6] == given()[:6]
    assert notes_of(midi.tracks[4])[-1][1] > 16


@pytest.mark.slow
def test_files_are_taken_as_midi_musicxml_and_mxl(servers: Servers) -> None:
    low = [[48, 2], [50, 2], [52, 2], [48, 2]]
    status, _, told = post(servers, "/tunes?way=harmonise&title=x", file_of(low, TUNE), MIDI)
    assert (status, told["title"]) == (200, "x"), told
    midi = mido.MidiFile(file=io.BytesIO(kept(servers, told["links"]["mid"])))
    assert notes_of(midi.tracks[1]) == given()  # the highest part is the tune
    assert [round(mido.tempo2bpm(m.tempo)) for m in midi.tracks[0] if m.type == "set_tempo"] == [
        100
    ]
    score = kept(servers, told["links"]["musicxml"])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "META-INF/container.xml",
            '<container><rootfiles><rootfile full-path="x.xml"/></rootfiles></container>',
        )
        archive.writestr("x.xml", score)
    kind = "application/vnd.recordare.musicxml"
    for body, name in ((score, f"{kind}+xml"), (packed.getvalue(), kind)):
        status, _, told = post(servers, "/tunes", body, name)
        assert status == 200, told
        midi = mido.MidiFile(file=io.BytesIO(kept(servers, told["links"]["mid"])))
        assert notes_of(midi.tracks[1]) == given()


@pytest.mark.slow
def test_a_page_may_post_a_tune_by_its_link(servers: Servers) -> None:
    link = f"/tunes/{servers.context.links.sign('tunes', {'user': 'anna'})}"
    body = {"notes": TUNE, "way": "continue"}
    status, headers, told = post(servers, link, body, login="")
    assert status == 200
    assert headers["Access-Control-Allow-Origin"] == "*"
    (anna,) = servers.context.recordings.of("anna")
    assert anna.name == told["name"]
    assert told["name"] not in [x.name for x in servers.context.recordings.of("bach")]
    address = f"http://127.0.0.1:{servers.context.server.flask_port}{link}"
    request = urllib.request.Request(address, method="OPTIONS")
    with urllib.request.urlopen(request, timeout=5) as allowed:  # browsers ask before they upload
        assert allowed.headers["Access-Control-Allow-Headers"] == "Content-Type"
    for path in ("/tunes", "/tunes/x", f"/tunes/{servers.context.links.sign('keep', {})}"):
        assert post(servers, path, body, login="")[0] in (401, 403)


SECOND = {"notes": TUNE, "model": SHIPPED.stem}
BAD = [
    ({"notes": []}, 400, "notes"),
    ({"notes": [[None, 4]]}, 400, "has no notes"),
    ({"notes": [[60, 0.3]]}, 400, "multiple"),
    ({"notes": [[60, 17]]}, 400, "notes"),
    ({"notes": [[200, 1]]}, 400, "notes"),
    ({"notes": [[60.5, 1]]}, 400, "notes"),
    ({"notes": [[60, 1, 2]]}, 400, "notes"),
    ({"notes": [[60, 16]] * 5}, 400, "64 quarters"),
    ({"notes": [[60, 0.25]] * (MOST_NOTES + 1)}, 400, "256"),
    ({"notes": TUNE, "bpm": 1e9}, 400, "bpm"),
    ({"notes": TUNE, "beats": 0}, 400, "beats"),
    ({"notes": TUNE, "way": "sing"}, 400, "way"),
    ({"notes": TUNE, "title": "x" * 81}, 400, "title"),
    ({"notes": TUNE, "title": "a\nb"}, 400, "title"),
    ({"notes": TUNE, "program": 129}, 400, "program"),
    ({"notes": TUNE, "else": 1}, 400, "else"),
    ({"notes": TUNE, "model": "../../etc/passwd"}, 400, "no such model"),
    (SECOND, 400, "no voices"),
    ({"notes": [[21, 4]] * 4}, 400, "transpose it up 3 octaves"),
    ([1], 400, "not understood"),
    (b"[" * 4000, 400, "not understood"),
    (b"\xff", 400, "not understood"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("body", "status", "why"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_what_is_no_tune_is_said_in_a_sentence(
    servers: Servers, body: Any, status: int, why: str
) -> None:
    before = len(servers.context.recordings.of("bach"))
    found, _, text = post(servers, "/tunes", body)
    assert found == status
    assert why in text
    assert text.count("\n") == 1
    assert len(servers.context.recordings.of("bach")) == before


@pytest.mark.slow
def test_uploads_are_bounded_and_other_paths_stay_small(servers: Servers) -> None:
    most = servers.context.server.training_mb * 2**20  # whatever the path
    for size in (LARGEST_TUNE, most):
        lines = (f"Content-Length: {size + 1}", f"Content-Type: {MIDI}")
        with raw(servers.context.server.flask_port, "/tunes", *lines, method="POST") as s:
            assert b" 413 " in s.recv(4096)
    assert post(servers, "/tunes", bytes(100), "text/html")[0] == 415
    assert post(servers, "/tunes", b"", MIDI)[0] == 400
    assert post(servers, "/tunes?way=sing", file_of(TUNE), MIDI)[0] == 400
    assert post(servers, "/tunes?model=x&model=y", file_of(TUNE), MIDI)[0] == 400
    station = opened(servers.context)
    assert post(servers, f"/stations/{station.name}", b'{"bpm": 90}' + b" " * 5000)[0] == 413
    port = servers.context.server.flask_port
    with raw(port, "/ping", "Content-Length: 100000") as slow:
        assert b" 200 " in slow.recv(4096)
        until(lambda: not slow.recv(4096), 5)  # nobody waits for the rest
    with raw(port, "/tunes", "Content-Length: 100000", login=None) as stranger:
        stranger.sendall(b"x")
        assert b" 401 " in stranger.recv(4096)  # before the body has come


# ---- files that mean harm; read here as the process reads them


def bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.xml", bytes(40 * 2**20))
    return packed.getvalue()


def far() -> bytes:
    """A note after 1 GB of ticks."""
    track = mido.MidiTrack([mido.Message("note_on", note=60, time=2**28 - 1)] * 8)
    midi, out = mido.MidiFile(ticks_per_beat=1), io.BytesIO()
    midi.tracks.append(track)
    midi.save(file=out)
    return out.getvalue()


LAUGHS = b"""<!DOCTYPE x [<!ENTITY a "ha">%s]><score-partwise>&t;</score-partwise>""" % b"".join(
    b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 12) for i in range(19)
)
HOSTILE = {
    "bomb": bomb(),
    "no zip": b"PK\x03\x04" + bytes(200),
    "far": far(),
    "short": file_of(TUNE)[:40],
    "nonsense": b"MThd" + bytes(range(256)) * 40,
    "no xml": b"\x00\x01\x02" * 400,
    "html": b"<html><body>hello</body></html>",
    "laughs": LAUGHS,
    "outside": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><score-partwise>&e;'
    b"</score-partwise>",
    "empty": file_of([]),
}


@pytest.mark.slow
def test_hostile_files_end_in_a_sentence_and_the_process_lives(servers: Servers) -> None:
    before = servers.context.tunes._process
    for name, body in HOSTILE.items():
        begun = time.monotonic()
        status, _, text = post(servers, "/tunes", body, "application/octet-stream")
        assert status == 400, (name, text)
        assert text.count("\n") == 1, name
        assert "Traceback" not in text
        assert "root:" not in text
        assert time.monotonic() - begun < 20, name
    assert servers.context.tunes._process is before
    assert psutil.Process(before.pid).memory_info().rss < 700 * 2**20
    assert post(servers, "/tunes", {"notes": TUNE})[0] == 200
    assert not list(Path(servers.context.tunes._folder.name).iterdir())


def test_a_file_with_too_many_notes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tune").write_bytes(file_of(TUNE))
    monkeypatch.setattr(tune_worker, "MOST_NOTES", len(given()))
    assert len(read(tmp_path / "tune").notes) == len(given())
    (tmp_path / "tune").write_bytes(file_of(TUNE, [[40, 1]]))
    with pytest.raises(UserError, match="more than 7 notes"):
        read(tmp_path / "tune")


# ---- the process


@pytest.mark.slow
def test_a_tune_that_takes_too_long_is_given_up_and_the_next_one_succeeds(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    tunes = servers.context.tunes
    tunes.warm()
    first = tunes._process.pid
    wanted = tapped(json.dumps({"notes": [[60, 4]] * 16}).encode())
    with monkeypatch.context() as hurry:
        hurry.setattr("stream.job_process.LONGEST", 0.05)
        with pytest.raises(UserError, match="takes too long"):
            tunes.compose(wanted)
    assert not psutil.pid_exists(first)
    assert tunes.compose(wanted)
    tunes._process.kill()  # by whatever
    tunes._process.join()
    assert tunes.compose(wanted)
    threading.Timer(0.2, tunes._process.kill).start()
    with pytest.raises(UserError, match="could not be read"):
        tunes.compose(wanted)


@pytest.mark.slow
def test_one_at_a_time_a_few_wait_and_others_are_told_to_come_again(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    tunes = servers.context.tunes
    results: list[Any] = []
    wanted = tapped(json.dumps({"notes": [[60, 4]] * 4}).encode())

    def ask() -> None:
        try:
            results.append(len(tunes.compose(wanted)) > 0)
        except Full as full:
            results.append(str(full))

    threads = [threading.Thread(target=ask) for _ in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(True) == 4
    assert results.count("too many tunes are being composed; try again later.") == 3
    monkeypatch.setattr("stream.job_process.PATIENCE", 0.01)
    with tunes._turn, pytest.raises(Full, match="take their time"):
        tunes.compose(wanted)
    with tunes._turn:
        for _ in range(4):
            tunes._places.acquire()
        status, headers, _ = post(servers, "/tunes", {"notes": TUNE})
        assert (status, headers["Retry-After"]) == (503, "30")
        for _ in range(4):
            tunes._places.release()


@pytest.mark.slow
def test_the_process_gives_way_to_those_who_listen_and_rests_when_idle(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    tunes = servers.context.tunes
    monkeypatch.setattr("stream.job_process.IDLE", 0.2)
    tunes.warm()
    process = psutil.Process(tunes._process.pid)
    if os.name == "posix":
        assert process.nice() >= psutil.Process().nice() + 10 or process.nice() == 19
    assert process.memory_info().rss < 300 * 2**20
    until(lambda: not process.is_running())
    assert tunes._process is None


@pytest.mark.slow
def test_without_a_model_that_harmonises_it_says_so(servers: Servers, equipped: Paths) -> None:
    alone = Servers(settings(), equipped, PageServer)
    try:
        status, _, text = post(alone, "/tunes", {"notes": TUNE})
        assert status == 400
        assert "no model here that harmonises" in text
        assert isinstance(alone.context.tunes, Tunes)
        alone.context.tunes.warm()  # nothing to make ready, and no harm
    finally:
        alone.close()


@pytest.mark.slow
def test_a_listener_has_no_gap_while_tunes_are_harmonised(servers: Servers) -> None:
    station = opened(servers.context)
    listener: Listener = servers.context.stations.join(station, "wav")
    coming = iter(listener)
    next(coming)
    stop = threading.Event()

    def harmonise() -> None:
        while not stop.is_set():
            post(servers, "/tunes", {"notes": TUNE * 4})

    threads = [threading.Thread(target=harmonise) for _ in range(3)]
    for thread in threads:
        thread.start()
    heard, begun = 0.0, time.monotonic()
    while heard < 8:
        heard += len(next(coming)) / 4 / 44100
    late = time.monotonic() - begun - heard
    stop.set()
    for thread in threads:
        thread.join()
    station.leave(listener)
    assert station.underruns <= 1  # the machine may be busy with other tests
    assert late < 1


def test_queries_are_checked() -> None:
    assert tune_request({"way": "continue", "program": "20"}).program == 20
    for wrong in ({"way": "x"}, {"program": "x"}, {"y": "z"}, {"title": "x" * 81}):
        with pytest.raises(UserError, match="not understood"):
            tune_request(wrong)
