"""MIDI files that break the rules, as other programs read them: made well before they are parsed.

Bytes of data above 127 become 127; status bytes that mean nothing are skipped; running status goes on
after system messages; chunks that are no tracks are left out. A file that ends too early stays so.
"""

from collections.abc import Iterator
from io import BytesIO
from struct import pack

HEADER = 14  # bytes of MThd
LENGTHS = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}  # data bytes by kind of message
META, SYSEX = 0xFF, (0xF0, 0xF7)


def repaired(data: bytes) -> bytes:
    """The same music as a file that keeps the rules. Raises EOFError if it ends in the middle."""
    chunks = list(_chunks(data))
    if len(chunks) < int.from_bytes(data[10:12], "big"):
        raise EOFError
    tracks = [_track(body) for name, body in chunks if name == b"MTrk"]
    header = data[:10] + pack(">H", len(tracks)) + data[12:HEADER]
    return header + b"".join(b"MTrk" + pack(">I", len(t)) + t for t in tracks)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks after the header: name and contents."""
    file = BytesIO(data)
    file.seek(8 + int.from_bytes(data[4:8], "big"))
    while name := file.read(4):
        yield name, _exactly(file, int.from_bytes(_exactly(file, 4), "big"))


def _track(body: bytes) -> bytes:
    """The messages of a track, each with its status; what is left out adds its time to the next."""
    file, out, status, waited = BytesIO(body), bytearray(), 0, 0
    while file.tell() < len(body):
        waited += _number(file)
        first = _exactly(file, 1)[0]
        if first == META or first in SYSEX:
            message = bytes([first])
            if first == META:
                message += _exactly(file, 1)
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
