"""Keep that: the music that was just heard, as .mid, MusicXML and WAV, tempo changes and all."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from chorale.grid import VOICES
from piece import Event, from_json, notes_from_events, to_json
from synth import RATE, Pcm, Performer, Synth

from config_bach import UserError
from midi_io import track
from stream.mp3 import Mp3
from stream.station import Played

TICKS = 480  # of a MIDI quarter note
LONGEST_EXPORT = 120  # seconds that music21 may take


def midi(played: Sequence[Played]) -> bytes:
    """A standard MIDI file with every change of tempo and instrument where it was heard."""
    import mido

    messages: list[tuple[int, int, Any]] = []  # tick, order within the tick, message
    for note in notes_from_events(x.event for x in played):
        on, off = (round(t * TICKS) for t in (note.onset, note.end))
        what = {"note": note.pitch, "channel": note.voice}
        messages.append((on, 2, mido.Message("note_on", velocity=note.velocity, **what)))
        messages.append((off, 0, mido.Message("note_off", velocity=0, **what)))
    tick = Fraction(0)
    voices = len(VOICES) if any(x.event.voices for x in played) else 1
    bpm, programs = None, (0,) * voices
    for x in played:
        if x.knobs.bpm != bpm:
            bpm = x.knobs.bpm
            tempo = mido.MetaMessage("set_tempo", tempo=round(60_000_000 / bpm))
            messages.append((round(tick), 1, tempo))
        for voice, (was, now) in enumerate(zip(programs, x.knobs.programs, strict=False)):
            if was != now:
                change = mido.Message("program_change", program=now - 1, channel=voice)
                messages.append((round(tick), 1, change))
        programs = x.knobs.programs[:voices]
        tick += x.event.duration * TICKS
    return _midi_file(messages)


def _midi_file(messages: list[tuple[int, int, Any]]) -> bytes:
    """Messages with absolute ticks -> the bytes of a file with one track."""
    import mido

    out = io.BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=TICKS, tracks=[track(messages)]).save(file=out)
    return out.getvalue()


def musicxml(played: Sequence[Played]) -> bytes:
    """A score, with the last tempo and instrument. Raises UserError if it cannot be written.

    music21 takes seconds of Python, which would hold up the sound of everybody: it gets a process
    of its own.
    """
    job = {
        "events": to_json(x.event for x in played),
        "bpm": played[-1].knobs.bpm,
        "programs": played[-1].knobs.programs,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "Play Bach.musicxml"
        try:
            subprocess.run(
                [sys.executable, "-m", "stream.keep", str(path)],
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
    """The other process of `musicxml`: the job comes on standard input."""
    import os

    from midi_io import write_musicxml

    if hasattr(os, "nice"):
        os.nice(10)  # those who listen come first
    job = json.load(sys.stdin)
    write_musicxml(path, from_json(job["events"]), job["bpm"], job["programs"])


def sound(played: Sequence[Played]) -> Iterator[Pcm]:
    """The music rendered again, block by block, with the knobs as they were."""
    synth = Synth(played[0].knobs.programs)
    try:
        coming = iter(played)
        now = played[0].knobs

        def events() -> Iterator[Event]:
            nonlocal now
            for x in coming:
                if x.knobs.programs != now.programs:
                    synth.program(x.knobs.programs)
                now = x.knobs
                performer.bpm = now.bpm
                yield x.event

        performer = Performer(events(), synth, now.bpm)
        for block in performer:
            yield (block * now.volume).astype("<i2")
    finally:
        synth.close()


def wav(played: Sequence[Played]) -> bytes:
    """A WAV file: PCM 16 bit, stereo, 44.1 kHz."""
    pcm = b"".join(block.tobytes() for block in sound(played))
    return wav_header(len(pcm)) + pcm


def scale(program: int, kind: str) -> bytes:
    """A scale of C major, two seconds long, as a 'wav' or 'mp3' file: the audio test."""
    pitches = (60, 62, 64, 65, 67, 69, 71, 72)
    events = [Event((p,), Fraction(1, 2), 96) for p in pitches]
    synth = Synth(program)
    try:
        blocks = list(Performer(iter(events), synth, 120))
    finally:
        synth.close()
    if kind == "mp3":
        encoder = Mp3(128)
        return b"".join(encoder.encode(b) for b in blocks) + encoder.close()
    pcm = b"".join(b.astype("<i2").tobytes() for b in blocks)
    return wav_header(len(pcm)) + pcm


ENDLESS = 0xFFFFFFFF


def wav_header(size: int = ENDLESS) -> bytes:
    """The 44 bytes before `size` bytes of sound; as many as a header can say, for an endless stream."""
    parts = [
        b"RIFF",
        min(size + 36, ENDLESS).to_bytes(4, "little"),
        b"WAVEfmt ",
        (16).to_bytes(4, "little"),
        (1).to_bytes(2, "little"),  # PCM
        (2).to_bytes(2, "little"),  # channels
        RATE.to_bytes(4, "little"),
        (RATE * 4).to_bytes(4, "little"),
        (4).to_bytes(2, "little"),  # bytes a frame
        (16).to_bytes(2, "little"),  # bits a sample
        b"data",
        size.to_bytes(4, "little"),
    ]
    return b"".join(parts)


if __name__ == "__main__":
    _write_score(Path(sys.argv[1]))
