"""Composing towards the ends of phrases: the network knows only the past, so several versions of
the last beats are composed side by side, and one whose cadence is good goes on (a particle filter,
as in inpainting).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config_bach import Composing
from families.satb.encoding import VOICES, Grid, pitch
from families.satb.plan import ANY, Cadence, Plan
from families.satb.sampler import SatbSampler
from families.satb.style import ends_phrase
from families.steps import Probabilities
from music.chords import QUALITIES, Chord, chord_of
from music.events import Event
from music.keys import Key

PARTICLES, LAST_PARTICLES = 8, 16  # side by side; towards the end of the piece
LEAD, LAST_LEAD = 12, 20  # steps before the end of a phrase, and of the piece, that are composed so
# log weights that a cadence costs which is not the planned triad in root position
OTHER_TRIAD, INVERTED, INCOMPLETE, OTHER_CHORD = 2.0, 4.0, 5.0, 8.0
GOAL = 1.5  # logarithm of how much likelier the notes of the planned triad become
FINAL = 2.0  # and how much more at the end of the piece


@dataclass(frozen=True)
class Step:
    """A composed sixteenth: symbols [4], what sounds [4], its row of the plan [3], and the
    probabilities of the soprano that it was chosen from [SYMBOLS]."""

    symbols: Grid
    sounds: Grid
    plan: Grid
    soprano: Probabilities


class PlannedComposer:
    """An iterator over the steps of a chorale on a plan."""

    def __init__(
        self, sampler: SatbSampler, plan: Plan, settings: Callable[[], Composing] | None = None
    ) -> None:
        """settings: those that hold now, asked for before every step; None: they never change."""
        self.sampler, self.plan = sampler, plan
        self._settings = settings
        self._composed: list[Grid] = []

    def __iter__(self) -> Iterator[Step]:
        step, cadences = 0, list(self.plan.cadences)
        while step < len(self.plan):
            if self._settings:
                self.sampler.follow(self._settings())
            while cadences and cadences[0].last < step:
                cadences.pop(0)
            if cadences and step >= begin_of(cadences[0]) and not self._is_copy(step):
                steps = self._towards(cadences.pop(0), step)
            else:
                steps = [self._single(step)]
            for found in steps:
                self._composed.append(found.symbols)
                step += 1
                yield found

    def _is_copy(self, step: int) -> bool:
        return self.plan.whole and self.plan.returning(step) is not None

    def _given(self, step: int) -> dict[int, int]:
        """What the voices do where the opening comes again."""
        earlier = self.plan.returning(step)
        if earlier is None or earlier >= len(self._composed):
            return {}
        symbols = self._composed[earlier].tolist()
        return dict(enumerate(symbols)) if self.plan.whole else {0: symbols[0]}

    def _single(self, step: int) -> Step:
        row = self.plan.grid[step]
        symbols = self.sampler.step(self._given(step), row.tolist())[0].astype(np.int16)
        sounds = np.array(self.sampler.features[0].sounding, np.int16)
        return Step(symbols, sounds, row, self.sampler.soprano[0])

    def _towards(self, cadence: Cadence, begin: int) -> list[Step]:
        """The steps up to the end of a phrase: of the versions that copy no more than is allowed one
        that ends well. Where all copy more, step after step alone, which avoids it.
        """
        sampler, place = self.sampler, self.sampler.place
        versions = self._versions(cadence, begin)
        copies = np.array([self._copies(version) for version in versions])
        if copies.all():
            sampler.place = place
            return [self._single(step) for step in range(begin, cadence.last + 1)]
        costs = [
            self._cost(version, cadence, max(cadence.first - begin, 0)) for version in versions
        ]
        best = chosen(np.where(copies, -np.inf, sampler.log_weights - costs), sampler.rng)
        sampler.keep(best)
        self._track(versions[best])
        return versions[best]

    def _versions(self, cadence: Cadence, begin: int) -> list[list[Step]]:
        """The steps up to the end of a phrase in pieces side by side [pieces][steps]."""
        sampler = self.sampler
        sampler.spread(LAST_PARTICLES if cadence.final else PARTICLES)
        versions: list[list[Step]] = [[] for _ in sampler.features]
        for step in range(begin, cadence.last + 1):
            row = self.plan.grid[step]
            sampler.goal = goal(cadence) if step == cadence.first else None
            symbols = sampler.step(self._given(step), row.tolist()).astype(np.int16)
            for i, version in enumerate(versions):
                sounds = np.array(sampler.features[i].sounding, np.int16)
                version.append(Step(symbols[i], sounds, row, sampler.soprano[i]))
        sampler.goal = None
        return versions

    def _cost(self, version: Sequence[Step], cadence: Cadence, at: int) -> float:
        """What the beginning, step `at` of a version, and the end of its cadence cost it."""
        chords = (chord_sounding(version[i].sounds) for i in (at, -1))
        return sum(cost(chord, cadence, self.plan.key) for chord in chords)

    # copies of training pieces

    def _event(self, step: Step) -> Event:
        return self.sampler.event(step.symbols.tolist(), step.sounds.tolist())

    def _copies(self, version: Sequence[Step]) -> bool:
        """Whether a version copies more than is allowed."""
        tracker, most = self.sampler.tracker, self.sampler.settings.max_copy
        if tracker is None or most is None:
            return False
        twin = tracker.twin()
        return any(twin.feed(self._event(step)) > most for step in version)

    def _track(self, version: Sequence[Step]) -> None:
        if self.sampler.tracker is not None:
            for step in version:
                self.sampler.tracker.feed(self._event(step))


def begin_of(cadence: Cadence) -> int:
    """The step from which several versions are composed side by side."""
    return cadence.first - (LAST_LEAD if cadence.final else LEAD)


def goal(cadence: Cadence) -> npt.NDArray[np.float64] | None:
    """How much likelier the notes of the planned triad become [voices, pitch classes], as
    logarithms; the bass shall have its root."""
    if cadence.quality == ANY:
        return None
    found = np.zeros((len(VOICES), 12))
    found[:-1, [(cadence.root + step) % 12 for step in QUALITIES[cadence.quality]]] = GOAL
    found[-1, cadence.root] = GOAL
    return found


def chord_sounding(sounds: Grid) -> Chord | None:
    """The chord of what four voices sound, as symbols [4]."""
    return chord_of(p for s in sounds.tolist() if (p := pitch(s)) >= 0)


def cost(chord: Chord | None, cadence: Cadence, key: Key) -> float:
    """How unlike the end of a phrase a chord is, as a logarithm of a weight: 0 for the planned triad."""
    weight = FINAL if cadence.final else 1.0
    if chord is None:
        return weight * OTHER_CHORD
    planned = cadence.quality == ANY or (chord.root == cadence.root and chord.is_triad)
    if ends_phrase(chord, key):
        return 0.0 if planned else weight * OTHER_TRIAD
    if planned or ends_phrase(Chord(chord.root, chord.quality, chord.root), key):
        return weight * INVERTED
    on_root = chord.in_root_position and chord.is_diatonic(key)
    return weight * (INCOMPLETE if on_root else OTHER_CHORD)


def chosen(log_weights: npt.NDArray[np.float64], rng: np.random.Generator) -> int:
    """One of the pieces, by its weight."""
    weights = np.exp(log_weights - log_weights.max())
    return int(rng.choice(len(weights), p=weights / weights.sum()))
