"""MIDI files that break the rules, as other programs read them: made well before they are parsed.

Bytes of data above 127 become 127; status bytes that mean nothing are skipped; running status goes on
after system messages, which are left out; so are chunks that are no tracks. A file that ends too early
stays so.
"""

from collections.abc import Iterator
from io import BytesIO
from struct import pack

HEADER = 14  # bytes of MThd
LENGTHS = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}  # data bytes by kind of message
META, SYSEX = 0xFF, (0xF0, 0xF7)
FIRST, LAST = b"\xf0", b"\xf7"  # of a system message
LONGEST_NUMBER = 4  # bytes


def check_whole(data: bytes) -> None:
    """Raise EOFError for a file that ends before all the tracks that its header tells of."""
    for _ in _tracks(data):
        pass


def may_run_on(data: bytes) -> bool:
    """Whether a file may go on after system messages as symusic cannot read it.

    It may do so with running status, or have messages that begin with F7 (one that ends what began with
    F0 is well). May say so of a file that only looks like it.
    """
    ends = set()
    place = data.find(FIRST)
    while place >= 0:
        end = _end_of(data, place)
        if data[end - 1 : end] == LAST:
            ends.add(end - 1)
            if _without_status(data, end):
                return True
        place = data.find(FIRST, place + 1)
    return data.count(LAST) > len(ends)


def _end_of(data: bytes, place: int) -> int:
    """Where the system message ends that may begin here."""
    file = BytesIO(data[place + 1 : place + 1 + LONGEST_NUMBER])
    try:
        return _number(file) + place + 1 + file.tell()
    except EOFError:
        return 0


def _without_status(data: bytes, place: int) -> bool:
    """Whether what follows a time here has no status of its own."""
    file = BytesIO(data[place : place + LONGEST_NUMBER + 1])
    try:
        _number(file)
        return _exactly(file, 1)[0] < 0x80
    except EOFError:
        return False


def repaired(data: bytes) -> bytes:
    """The same music as a file that keeps the rules. Raises EOFError if it ends in the middle."""
    tracks = [_track(body) for body in _tracks(data)]
    header = data[:4] + pack(">I", 6) + data[8:HEADER]
    return header + b"".join(b"MTrk" + pack(">I", len(t)) + t for t in tracks)


def _tracks(data: bytes) -> Iterator[bytes]:
    """The tracks that the header tells of; what stands between and after them is left out."""
    file, missing = BytesIO(data), int.from_bytes(data[10:12], "big")
    file.seek(8 + int.from_bytes(data[4:8], "big"))
    while missing:
        name = _exactly(file, 4)
        body = _exactly(file, int.from_bytes(_exactly(file, 4), "big"))
        if name == b"MTrk":
            missing -= 1
            yield body


def _track(body: bytes) -> bytes:
    """The messages of a track, each with its status; what is left out adds its time to the next."""
    file, out, status, waited = BytesIO(body), bytearray(), 0, 0
    while file.tell() < len(body):
        waited += _number(file)
        first = _exactly(file, 1)[0]
        if first in SYSEX:
            _exactly(file, _number(file))
            continue
        if first == META:
            message = bytes([first]) + _exactly(file, 1)
            length = _number(file)
            message += _varint(length) + _exactly(file, length)
        elif first >= 0xF0 or (first < 0x80 and not status):
            continue  # means nothing in a file
        else:
            begun = [first] if first < 0x80 else []
            status = first if first >= 0x80 else status
            rest = _exactly(file, LENGTHS[status >> 4] - len(begun))
            message = bytes([status, *(min(byte, 127) for byte in (*begun, *rest))])
        out += _varint(waited) + message
        waited = 0
    return bytes(out)


def _number(file: BytesIO) -> int:
    """A number of seven bits a byte."""
    value = 0
    while True:
        byte = _exactly(file, 1)[0]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value


def _varint(value: int) -> bytes:
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(reversed(digits))


def _exactly(file: BytesIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise EOFError
    return data
