"""What radio apps expect beside the sound: playlists, and titles within an MP3 stream (ICY metadata).

A client that sends `Icy-MetaData: 1` is told `icy-metaint`, and after every so many bytes of sound
comes a byte that says how long a title follows, in units of 16 bytes; 0: as before. Clients take these
out again, so that MP3 frames may be cut by them.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from flask import Response, request

from config_bach import UserError
from stream.context import SoundContext
from stream.mp3 import bit_rate
from stream.settings import Server
from stream.station import Station
from stream.titles import playing_on, station_title

PLAYLISTS = {"m3u": "audio/x-mpegurl", "pls": "audio/x-scpls"}
METAINT = 16_000  # bytes of sound between two titles, as SHOUTcast has it
UNIT = 16  # bytes; the length of a title is told in these, in one byte
LARGEST = 255 * UNIT - len("StreamTitle='';")
HOST = re.compile(r"([a-z0-9][a-z0-9._-]{0,252}|\[[0-9a-f:.]{2,45}\])(:\d{1,5})?", re.IGNORECASE)


def playlist(context: SoundContext, station: Station, token: str, kind: str) -> Response:
    """A playlist of one entry: the MP3 stream of a signed link. kind: 'm3u' or 'pls'."""
    address = address_of(context.server, request.headers.get("Host", ""))
    source = f"{address}/listen/{token}/bach.mp3"
    title = station_title(context, station)
    lines = {
        "m3u": ("#EXTM3U", f"#EXTINF:-1,{title}", source),
        "pls": (
            "[playlist]",
            "NumberOfEntries=1",
            f"File1={source}",
            f"Title1={title}",
            "Length1=-1",
            "Version=2",
        ),
    }[kind]
    return Response("\n".join(lines) + "\n", mimetype=PLAYLISTS[kind])


def address_of(server: Server, host: str) -> str:
    """Where clients reach the sound, such as 'http://192.168.1.5:8801'.

    host: the Host header of the request, which counts where the settings do not say. Raises UserError
    if it is none.
    """
    if server.sound_url:
        return server.sound_url
    if server.dns:
        name = f"[{server.dns}]" if ":" in server.dns else server.dns
        return f"{server.scheme}://{name}:{server.flask_port}"
    if not HOST.fullmatch(host):
        raise UserError("the request does not say which host it means; set dns in play_bach.json.")
    return f"{server.scheme}://{host}"


def wants_titles() -> bool:
    """Whether this request asks for titles within the sound."""
    return request.headers.get("Icy-MetaData", "").strip() == "1"


def icy_headers(context: SoundContext, station: Station) -> dict[str, str]:
    """What is told before a stream with titles. Names are UTF-8, which WSGI carries as Latin-1."""
    name = station_title(context, station)
    return {
        "icy-name": name.encode().decode("latin-1"),
        "icy-br": str(bit_rate(context.server.mp3_kbps)),
        "icy-metaint": str(METAINT),
    }


def with_titles(
    context: SoundContext, station: Station, pieces: Iterable[bytes]
) -> Iterator[bytes]:
    """The sound of a station, with what plays written into it."""
    return titled(pieces, lambda: playing_on(context, station))


def titled(
    pieces: Iterable[bytes], title: Callable[[], str], every: int = METAINT
) -> Iterator[bytes]:
    """Write a title into a stream after every so many bytes; an empty one where it has not changed."""
    left, said = every, ""
    for piece in pieces:
        rest = piece
        while len(rest) >= left:
            now = title()
            yield rest[:left] + (title_block(now) if now != said else b"\0")
            rest, left, said = rest[left:], every, now
        left -= len(rest)
        yield rest


def title_block(title: str) -> bytes:
    """A title as clients read it, up to "';"."""
    text = title.replace(";", ",").encode()[:LARGEST].decode(errors="ignore")
    block = f"StreamTitle='{text}';".encode()
    units = -(-len(block) // UNIT)
    return bytes([units]) + block.ljust(units * UNIT, b"\0")
