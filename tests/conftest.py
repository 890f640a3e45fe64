"""Small real things that the tests share: pieces, a trained bundle, a Play Bach home of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from live import equipped, new_hall, new_servers  # noqa: F401  (fixtures of the live music)

from bundle import Bundle
from config_bach import Places
from piece import Event, Piece

# a suite that runs in the background inherits an ignored Ctrl-C, and so would what it starts
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "models" / "bach2_nc_mo.zip"
TINY = ["--units", "12", "--seqlen", "8"]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """An empty installation."""
    for folder in ("training", "models", "checkpoint"):
        (tmp_path / folder).mkdir()
    return Places(tmp_path)


def tune(start: int, length: int = 60, name: str = "") -> Piece:
    """A piece that can be learned: up and down a scale, long notes on the turns, a chord each time."""
    scale = [0, 2, 4, 5, 7, 9, 11, 12, 11, 9, 7, 5, 4, 2]
    events = []
    for i in range(length):
        step = i % len(scale)
        pitches = (start, start + 4, start + 7) if step == 0 else (start + scale[step],)
        events.append(Event(pitches, Fraction(1, 2) if step % 7 else Fraction(1), 90))
    return Piece(name or f"tune{start}", tuple(events), 100.0, 43)


@pytest.fixture(scope="session")
def tunes() -> list[Piece]:
    """Twelve pieces that differ by more than their key."""
    return [tune(50 + i, 50 + 3 * i) for i in range(12)]


@pytest.fixture
def write_tunes(places: Places, tunes: list[Piece]) -> Callable[[], Places]:
    """Put the tunes into training/ as MIDI files."""
    from midi_io import write_midi

    def write() -> Places:
        for piece in tunes:
            write_midi(places.training / f"{piece.name}.mid", piece.events, 100, 43)
        return places

    return write


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, tunes: list[Piece]) -> tuple[Bundle, Places]:
    """A small type 2 model, really trained on the tunes, in a home of its own."""
    from config_bach import Encoding, Network, Training
    from corpus import Corpus
    from fit import fit, new_bundle

    places = Places(tmp_path_factory.mktemp("trained"))
    network = Network(model_type=2, units=24, embedding=8, seqlen=8, dropout=0.1)
    training = Training(epochs=6, learning_rate=0.02)
    corpus = Corpus("tunes", tuple(tunes), ())
    bundle, parts = new_bundle("tunes", corpus, Encoding(transpose=2), network, training)
    return fit(bundle, parts, places), places


@pytest.fixture(scope="session")
def choir(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Places]:
    """A small model of type 5, really trained, in a home of its own."""
    from choirs import chorale, tiny

    from chorale.sources import Chorales
    from config_bach import TRAININGS, Encoding
    from fit import fit, new_chorale_bundle

    places = Places(tmp_path_factory.mktemp("choir"))
    for folder in (places.training, places.models, places.checkpoint):
        folder.mkdir()
    pieces = tuple(chorale(i) for i in range(20))
    training = replace(TRAININGS[5], epochs=3, batch=8, min_steps=60, learning_rate=0.01)
    bundle, parts = new_chorale_bundle(
        "choir", Chorales("small", pieces, ()), Encoding(transpose=6), tiny(), training
    )
    return fit(bundle, parts, places), places


def play_bach(
    *words: str | Path, home: Path, timeout: float = 240, module: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run play_bach.py as a person would, in a home of its own."""
    start = ["-m", "play_bach"] if module else [str(ROOT / "play_bach.py")]
    return subprocess.run(
        [sys.executable, *start, *map(str, words)],
        env={**os.environ, "PLAY_BACH_HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a refusal; fails if there was a traceback, more lines, or success."""
    assert result.returncode == 2, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("play_bach: ")
    return lines[0]
