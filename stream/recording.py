"""The music that was just heard as .mid, MusicXML and WAV, with all changes of tempo."""

import io
import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from config_bach import UserError, require
from midi_io import Played, midi_file, write_musicxml
from music.events import Event, from_json, to_json
from music.loudness import Fader, Levels
from music.synth import RATE, Pcm, Performer, Synth
from music.wav import rendered
from stream.mp3 import Mp3
from stream.player_settings import PlayedEvent

LONGEST_EXPORT = 120  # seconds that music21 may take
LONGEST_PICTURE = 1024  # quarters


def midi(played: Sequence[PlayedEvent], title: str = "") -> bytes:
    """A standard MIDI file with every change of tempo and instrument where it was heard."""
    out = io.BytesIO()
    rows = [Played(x.event, x.settings.bpm * x.event.tempo, x.settings.programs) for x in played]
    midi_file(rows, title).save(file=out)
    return out.getvalue()


def musicxml(played: Sequence[PlayedEvent], title: str = "Play Bach") -> bytes:
    """A score, with the last tempo and instrument. Raises UserError if it cannot be written."""
    return _score(played, "musicxml", title)


def picture(played: Sequence[PlayedEvent]) -> bytes:
    """The score on one long line, as SVG. Raises UserError if it cannot be drawn here."""
    require("verovio", "the picture of a score")
    if sum(float(x.event.duration) for x in played) > LONGEST_PICTURE:
        raise UserError("this is too long for a picture; take the .musicxml file.")
    return _score(played, "svg")


def _score(played: Sequence[PlayedEvent], kind: str, title: str = "") -> bytes:
    """A score as 'musicxml' or 'svg'.

    music21 takes seconds of Python, which would hold up the sound of everybody: it gets a process
    of its own.
    """
    require("music21", "writing scores")
    job = {
        "events": to_json(x.event for x in played),
        "bpm": played[-1].settings.bpm,
        "programs": played[-1].settings.programs,
        "title": title,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"score.{kind}"
        try:
            subprocess.run(
                [sys.executable, "-m", "stream.recording", str(path)],
                cwd=Path(__file__).parent.parent,
                input=json.dumps(job).encode(),
                check=True,
                capture_output=True,
                timeout=LONGEST_EXPORT,
            )
            return path.read_bytes()
        except (OSError, subprocess.SubprocessError) as error:
            raise UserError("the score could not be written; take the .mid file.") from error


def _write_score(path: Path) -> None:
    """The other process of `_score`: the job comes on standard input."""
    if hasattr(os, "nice"):
        os.nice(10)  # those who listen come first
    job = json.load(sys.stdin)
    score = path.with_suffix(".musicxml")
    how = (job["bpm"], job["programs"])
    write_musicxml(score, from_json(job["events"]), *how, title=job["title"])
    if path != score:
        path.write_text(_drawn(score.read_text("utf-8")), "utf-8")


def _drawn(score: str) -> str:
    """MusicXML as one line of SVG, without any text of people in it."""
    import verovio

    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions(
        {
            "breaks": "none",
            "header": "none",
            "footer": "none",
            "adjustPageHeight": True,
            "adjustPageWidth": True,
            "scale": 40,
        }
    )
    toolkit.loadData(score)
    return str(toolkit.renderToSVG(1))


def sound(played: Sequence[PlayedEvent]) -> Iterator[Pcm]:
    """The music rendered again, block by block, with the settings as they were."""
    now, music = played[0].settings, [x.event for x in played]
    voices = any(event.voices for event in music)
    synth, levels = Synth(now.programs, mix=now.mix(voices)), Levels()
    try:
        gain = levels.gain(music, now.programs)

        def events() -> Iterator[Event]:
            nonlocal now, gain
            for x in played:
                if x.settings.programs != now.programs:
                    synth.program(x.settings.programs)
                    gain = levels.gain(music, x.settings.programs)
                if x.settings.mix(voices) != now.mix(voices):
                    synth.mix(x.settings.mix(voices))
                now = x.settings
                performer.bpm = now.bpm
                yield x.event

        performer, fade = Performer(events(), synth, now.bpm), Fader(gain, now.volume)
        for block in performer:
            yield fade(block, gain, now.volume).astype("<i2")
    finally:
        synth.close()
        levels.close()


def wav(played: Sequence[PlayedEvent]) -> bytes:
    """A WAV file: PCM 16 bit, stereo, 44.1 kHz."""
    pcm = b"".join(block.tobytes() for block in sound(played))
    return wav_header(len(pcm)) + pcm


def mp3(played: Sequence[PlayedEvent], kbps: int = 192) -> bytes:
    """An MP3 file of so many kilobits a second."""
    encoder = Mp3(kbps)
    return b"".join(encoder.encode(block) for block in sound(played)) + encoder.close()


def scale(program: int, kind: str) -> bytes:
    """A scale of C major, two seconds long, as a 'wav' or 'mp3' file: the audio test."""
    pitches = (60, 62, 64, 65, 67, 69, 71, 72)
    events = [Event((p,), Fraction(1, 2), 96) for p in pitches]
    blocks = list(rendered(events, 120, program))
    if kind == "mp3":
        encoder = Mp3(128)
        return b"".join(encoder.encode(b) for b in blocks) + encoder.close()
    pcm = b"".join(b.astype("<i2").tobytes() for b in blocks)
    return wav_header(len(pcm)) + pcm


ENDLESS = 0xFFFFFFFF


def wav_header(size: int = ENDLESS) -> bytes:
    """The 44 bytes before `size` bytes of sound; as many as a header can say, for an endless stream."""
    form = (
        16,
        1,
        2,
        RATE,
        RATE * 4,
        4,
        16,
    )  # its bytes, PCM, channels, bytes a second, a frame, bits
    riff = min(size + 36, ENDLESS)
    return struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", riff, b"WAVEfmt ", *form, b"data", size)


if __name__ == "__main__":
    _write_score(Path(sys.argv[1]))
