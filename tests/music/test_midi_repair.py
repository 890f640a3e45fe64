"""MIDI files that break the rules, byte by byte."""

from struct import pack

import pytest

from music.midi_repair import repaired

END = b"\x00\xff\x2f\x00"
KINDS = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}  # data bytes, as MIDI has it


def file_of(body: bytes, tracks: int = 1) -> bytes:
    chunk = b"MTrk" + pack(">I", len(body)) + body
    return b"MThd" + pack(">IHHH", 6, 1, tracks, 480) + chunk


def body_of(data: bytes) -> bytes:
    return repaired(file_of(data))[22:]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_message_keeps_its_data_and_running_status_is_written_out(kind: int) -> None:
    status, data = bytes([kind << 4 | 3]), bytes(range(5, 5 + KINDS[kind]))
    assert body_of(b"\x00" + status + data + b"\x07" + data + END) == (
        b"\x00" + status + data + b"\x07" + status + data + END
    )


@pytest.mark.parametrize("kind", KINDS)
def test_data_above_127_becomes_127_also_in_running_status(kind: int) -> None:
    status, low = bytes([kind << 4]), bytes(KINDS[kind])
    bad = b"\x80" * KINDS[kind]
    assert body_of(b"\x00" + status + bad + END) == b"\x00" + status + b"\x7f" * KINDS[kind] + END
    if KINDS[kind] == 2:  # the first byte of data says that the status runs on, so it is a good one
        begun = b"\x00" + status + low
        wanted = begun + b"\x00" + status + b"\x01\x7f" + END
        assert body_of(begun + b"\x00\x01\xff" + END) == wanted


@pytest.mark.parametrize("status", [*range(0xF1, 0xF7), *range(0xF8, 0xFF)])
def test_a_status_that_means_nothing_is_left_out_and_its_time_is_kept(status: int) -> None:
    body = b"\x00\x90\x3c\x40" + b"\x03" + bytes([status]) + b"\x04\x3c\x00" + END
    assert body_of(body) == b"\x00\x90\x3c\x40\x07\x90\x3c\x00" + END


@pytest.mark.parametrize("message", [b"\xf0\x02\x7e\xf7", b"\xf7\x01\x00", b"\xff\x01\x02hi"])
def test_running_status_goes_on_after_system_messages(message: bytes) -> None:
    on = b"\x00\x90\x3c\x40"
    body = body_of(on + b"\x20" + message + b"\x10\x3c\x00" + END)
    kept = b"\x20" + message + b"\x10" if message[0] == 0xFF else b"\x30"
    assert body == on + kept + b"\x90\x3c\x00" + END


def test_data_before_any_status_means_nothing() -> None:
    assert body_of(b"\x05\x3c" + b"\x01\x90\x3c\x40" + END) == b"\x06\x90\x3c\x40" + END


def test_long_times_stay() -> None:
    times = (b"\x7f", b"\x81\x00", b"\xff\x7f", b"\x81\x80\x00")
    body = b"".join(time + b"\x90\x3c\x40" for time in times) + END
    assert body_of(body) == body


def test_chunks_that_are_no_tracks_are_left_out() -> None:
    good = file_of(END)
    odd = good[:14] + b"XFIH" + pack(">I", 3) + b"abc" + good[14:]
    assert repaired(odd) == good


@pytest.mark.parametrize(
    "data",
    [
        file_of(END, tracks=2),
        file_of(END)[:-1],
        file_of(b"\x00\x90\x3c"),
        file_of(b"\x00\xff\x01\x09hi"),
        file_of(b"\x80"),
    ],
)
def test_a_file_that_ends_too_early_is_refused(data: bytes) -> None:
    with pytest.raises(EOFError):
        repaired(data)
