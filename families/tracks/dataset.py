"""Pieces as tokens: read, cut, packed, and made into step sequences."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from families.steps import StepSequence
from families.tracks.cursor import Cursor
from families.tracks.encoding import encode
from families.tracks.events import events_of
from families.tracks.features import rows_of
from families.tracks.song import ONSET, Ints, Song, sorted_notes
from families.tracks.tokens import INDEX, KINDS, SYMBOLS, Kind, Tokens
from music.events import Event

LEFT_OUT = (Kind.TEMPO, Kind.VELOCITY)  # in what is compared: how it is played


@dataclass(frozen=True, eq=False)
class TokenPiece:
    """A piece of many instruments as its tokens, from 'begin' to 'end'."""

    name: str
    tokens: Tokens

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def song(self) -> Song:
        """Its notes, tempi and metres."""
        return song_of(self.name, self.tokens)

    @property
    def bpm(self) -> float | None:
        """The tempo that is in force for most of the time."""
        return self.song.bpm

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """What sounds when; tempi in proportion to `bpm`."""
        return events_of(self.tokens.tolist(), self.bpm)

    @property
    def fingerprint(self) -> str:
        """The same for the same notes in any key, however they are played."""
        kinds, index = KINDS[self.tokens], INDEX[self.tokens].astype(np.int64)
        pitched = kinds == Kind.PITCH
        index[pitched] = np.diff(index[pitched], prepend=index[pitched][:1])
        kept = ~np.isin(kinds, LEFT_OUT)
        music = np.stack([kinds[kept], index[kept]]).astype(np.int16)
        return hashlib.sha256(music.tobytes()).hexdigest()[:16]

    def part(self, start: int, stop: int, name: str) -> TokenPiece:
        """The bars that begin within some of its tokens, under a name of their own."""
        times, cursor = [0], Cursor()
        for token in self.tokens.tolist():
            cursor.feed(token)
            times.append(cursor.bar)
        begin = times[start + 1] if start else 0
        end = times[stop] if stop < len(self.tokens) else self.song.end + 1
        return TokenPiece(name, encode(_cut(self.song, begin, end, name)))


def _cut(song: Song, begin: int, end: int, name: str) -> Song:
    """The notes that begin between two bar lines."""
    onsets = song.notes[:, ONSET]
    notes = song.notes[(onsets >= begin) & (onsets < end)].copy()
    notes[:, ONSET] -= begin
    tempi, metres = (_from(rows, begin, end) for rows in (song.tempi, song.metres))
    return Song(name, notes, tempi, metres, song.upbeat and begin == 0)


def _from(changes: Ints, begin: int, end: int) -> Ints:
    """The changes between two times, and at the first of them what is in force there."""
    rows = changes[changes[:, 0] < end].copy()
    rows[:, 0] = np.maximum(rows[:, 0] - begin, 0)
    return rows[np.append(rows[1:, 0] > 0, True)] if len(rows) else rows


def song_of(name: str, tokens: Tokens) -> Song:
    """Tokens -> notes, tempi and metres: the inverse of `encode`."""
    cursor = Cursor()
    notes, tempi, metres, upbeat = [], [], [], False
    for token in tokens.tolist():
        cursor.feed(token)
        if cursor.struck:
            program, pitch, velocity, duration = cursor.struck
            notes.append((cursor.time, max(duration, 1), program, pitch, velocity))
        elif cursor.kind == Kind.TEMPO:
            tempi.append((cursor.time, cursor.index))
        elif cursor.kind == Kind.METRE:
            metres.append((cursor.bar, cursor.index))
        upbeat = upbeat or cursor.upbeat
    rows, _ = sorted_notes(np.array(notes, np.int64).reshape(-1, 5))
    return Song(name, rows, _table(tempi), _table(metres), upbeat)


def _table(changes: list[tuple[int, int]]) -> Ints:
    return np.array(changes, np.int64).reshape(-1, 2)


def packed(pieces: Iterable[TokenPiece]) -> bytes:
    """Pieces as a bundle carries them."""
    return json.dumps([[p.name, p.tokens.tolist()] for p in pieces], separators=(",", ":")).encode()


def unpacked(data: bytes) -> list[TokenPiece]:
    """The inverse of `packed`. Raises ValueError or TypeError for anything else."""
    pieces = []
    for name, tokens in json.loads(data or b"[]"):
        row = np.array(tokens, np.int64).reshape(-1)
        if len(row) and not 0 <= int(row.min()) <= int(row.max()) < SYMBOLS:
            raise ValueError(f"{name} holds tokens that there are not")
        pieces.append(TokenPiece(str(name), row.astype(np.uint16)))
    return pieces


def sequences(pieces: Sequence[TokenPiece]) -> list[StepSequence]:
    """A step sequence for each piece in its own key: after each token the next one is the target."""
    return [
        StepSequence(p.name, rows_of(p.tokens), p.tokens[1:, None].astype(np.int32))
        for p in pieces
        if len(p) > 1
    ]
