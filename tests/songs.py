"""Small songs for many instruments, for the tests of model type 6."""

from dataclasses import replace

import numpy as np
from predictors import Fixed

from config_bach import Encoding, Network, Training
from families.base import LoadedModel
from families.registry import family_of
from families.tracks.dataset import TokenPiece
from families.tracks.encoding import encode
from families.tracks.song import Song, sorted_notes
from families.tracks.tokens import (
    GRID,
    KINDS,
    METRES,
    SIZES,
    Kind,
    nearest_tempo,
    token,
    tracks_vocabulary,
)
from storage.bundle import Bundle

HALF, QUARTER, EIGHTH = 2 * GRID, GRID, GRID // 2
BASS, PIANO, SNARE, KICK = 34, 1, 38, 36


def song(i: int = 0, bars: int = 6) -> Song:
    """Bass, piano chords and drums, in a key and a pattern by the number; the last chord is long."""
    rows = []
    for bar in range(bars):
        start, root = bar * 4 * GRID, 40 + (i * 5 + bar * (3 + i % 4)) % 12
        for beat in range(4):
            rows.append((start + beat * QUARTER, EIGHTH, BASS, root - 12 * (beat % 2) + 12, 22))
            rows.append((start + beat * QUARTER, 1, 0, SNARE if beat % 2 else KICK, 25))
        for pitch in (0, 4, 7):
            rows.append((start + (i % 3) * QUARTER, HALF, PIANO, root + 12 + pitch, 18 + bar % 2))
    rows.append((bars * 4 * GRID, 7 * 4 * GRID + 5, PIANO, 60, 20))
    notes, _ = sorted_notes(np.array(rows, np.int64))
    tempi = np.array([[0, nearest_tempo(120)], [4 * GRID, nearest_tempo(90)]], np.int64)
    metres = np.array([[0, METRES.index((4, 4))]], np.int64)
    return Song(f"song{i}", notes, tempi, metres)


def piece(i: int = 0, bars: int = 6) -> TokenPiece:
    """The song as tokens."""
    made = song(i, bars)
    return TokenPiece(made.name, encode(made))


def random_song(seed: int, notes: int = 100) -> Song:
    """Anything a song may hold."""
    rng = np.random.default_rng(seed)
    rows = np.stack(
        [
            rng.integers(0, 60 * GRID, notes),
            rng.integers(1, 40, notes) ** 2,
            rng.integers(0, 129, notes) * rng.integers(0, 2, notes),
            rng.integers(0, 128, notes),
            rng.integers(0, 32, notes),
        ],
        axis=1,
    )
    rows[rows[:, 2] == 0, 1] = 1  # percussion has no duration
    sorted_rows, _ = sorted_notes(rows)
    times = np.unique(rng.integers(0, 50 * GRID, 4))
    tempi = np.stack([times, rng.permutation(100)[: len(times)]], axis=1)
    metres = np.array([[0, METRES.index((3, 8))], [15 * EIGHTH, METRES.index((7, 4))]])
    return Song(f"random{seed}", sorted_rows, tempi, metres, upbeat=False)


# how likely a kind of token is; within a kind all are as likely
LIKELY = {
    Kind.BAR: 4,
    Kind.POSITION: 2,
    Kind.PROGRAM: 2,
    Kind.PITCH: 9,
    Kind.DRUM: 9,
    Kind.DURATION: 9,
    Kind.TEMPO: 0.1,
    Kind.END: 0.05,
}


def any_music(**changed: float) -> Fixed:
    """A network that finds all music as likely; changed: other weights of kinds."""
    weights = [LIKELY.get(kind, 0.1) for kind in Kind]
    for name, weight in changed.items():
        weights[Kind[name]] = weight
    p = np.array([weights[k] / SIZES[k] for k in KINDS])
    p[token(Kind.PROGRAM)] *= 30  # percussion
    p[0] = 0
    return Fixed(p / p.sum())


def model_of(predictor: Fixed, music: bytes = b"") -> LoadedModel:
    """A model of type 6 that predicts so."""
    bundle = Bundle(
        "x", tracks_vocabulary(Encoding()), Network(model_type=6), Training(), {"bpm": 100}
    )
    return LoadedModel(replace(bundle, music=music), family_of(6), predictor, "none")
