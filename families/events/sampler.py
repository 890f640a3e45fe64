"""The next event, endlessly, by a network of types 1 to 3.

The state of the LSTM is kept between events instead of computing the whole window again for each.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Self

import numpy as np
import numpy.typing as npt

from config_bach import Composing
from families.base import LoadedModel, Prediction
from families.events.encoding import EventEncoder, chord_pitches, knows_durations
from families.events.rhythm import Rhythm
from families.sampling import StepSampler
from families.steps import Predictor, Rows
from music.copies import CopyTracker
from music.events import NOTE_NAMES, Event
from music.lookback import Lookback
from music.scales import scale_of
from storage.vocabulary import Vocabulary

LONGEST_RUN = 8  # the same note or chord in a row
LONGEST_PERIOD = 4  # patterns of up to so many events are watched
LONGEST_LOOP = 32  # events that such a pattern may fill


class EventFeatures:
    """What the network is told of a piece: the last event and, for type 2, what lookback found."""

    def __init__(self, lookback: bool) -> None:
        self._lookback = Lookback() if lookback else None
        self._row: list[int] = []
        self.recent: list[int] = []  # the first field of the latest events

    def feed(self, tokens: Sequence[int]) -> None:
        """Take one event: an id for each field."""
        again = self._lookback.feed(tokens) if self._lookback else ()
        self._row = [*tokens, *again]
        self.recent = [*self.recent[1 - LONGEST_LOOP :], tokens[0]]

    def row(self) -> list[int]:
        return self._row

    def copy(self) -> Self:
        twin = type(self)(False)
        twin._lookback = self._lookback.copy() if self._lookback else None
        twin._row, twin.recent = list(self._row), list(self.recent)
        return twin


def repeating(recent: Sequence[int]) -> set[int]:
    """The tokens that would go on with a repetition that has gone on for long enough.

    LONGEST_RUN equal tokens in a row, or LONGEST_LOOP of a pattern of two to four.
    """
    forbidden = set()
    for period in range(1, LONGEST_PERIOD + 1):
        limit = LONGEST_RUN if period == 1 else LONGEST_LOOP
        last = recent[-limit:]
        if len(last) == limit and all(a == b for a, b in zip(last, last[period:], strict=False)):
            forbidden.add(last[-period])
    return forbidden


def within(vocabulary: Vocabulary, scale: frozenset[int]) -> npt.NDArray[np.bool_]:
    """Which pitch symbols have notes of a scale only, and rests [symbols]; '?' is none of them.

    If no note or chord does, those with the fewest notes outside: a scale gives way where else nothing
    could sound.
    """
    chords = [chord_pitches(s.partition("$")[0], 4) for s in vocabulary.fields[0].symbols[1:]]
    outside = np.array([sum(p % 12 not in scale for p in chord) for chord in chords])
    rest = np.array([not chord for chord in chords])
    fewest = outside[~rest].min(initial=len(NOTE_NAMES))
    return np.append(False, rest | (outside == fewest))


class EventSampler(StepSampler[EventFeatures]):
    """A StepSampler of one piece, whose steps are events."""

    def __init__(
        self,
        predictor: Predictor,
        settings: Composing,
        vocabulary: Vocabulary,
        lookback: bool,
        *,
        rhythm: Rhythm | None = None,
        tracker: CopyTracker | None = None,
    ) -> None:
        """rhythm: durations for networks that predict pitches alone. Equal seeds give equal music."""
        rng = np.random.default_rng(settings.seed)
        super().__init__(predictor, settings, rng, [EventFeatures(lookback)], tracker)
        self.last = Event((), Fraction(1))
        self._encoder, self._rhythm = EventEncoder(vocabulary), rhythm
        self._symbols = len(vocabulary.fields[0].symbols)
        self._scale: tuple[str, npt.NDArray[np.bool_]] = ("", np.ones(self._symbols, bool))
        self._durations: list[Fraction] = []

    def begin(self, prime: Sequence[Event]) -> None:
        """Take the events that come before; one at the least."""
        self._durations = [e.duration for e in prime]
        first, *others = self._encoder.encode(prime).tolist()
        self.features[0].feed(first)
        for row in others:
            self._advance_over(row)

    def _advance_over(self, row: Sequence[int]) -> None:
        features = self.features[0]
        rows = np.array([features.row()], np.int32)
        _, self._state = self._predictor.advance(rows, self._state)
        features.feed(row)

    def next(self) -> Event:
        """Compose the next event."""
        self.step()
        self._durations = [*self._durations[-LONGEST_RUN:], self.last.duration]
        return self.last

    def allowed(
        self, head: int, piece: int, tokens: Rows, row: Rows, given: Mapping[int, int]
    ) -> npt.NDArray[np.bool_] | None:
        """Pitches of the scale, and none that only goes on with a repetition.

        Where nothing but a repetition is of the scale, it goes on.
        """
        closed = repeating(self.features[piece].recent) if head == 0 else ()
        scale = self._within(self.settings.scale) if head == 0 and self.settings.scale else None
        if not closed:
            return scale
        mask = np.ones(self._symbols, bool) if scale is None else scale.copy()
        mask[list(closed)] = False
        return scale if scale is not None and not mask.any() else mask

    def _within(self, scale: str) -> npt.NDArray[np.bool_]:
        """Which symbols have notes of a scale only [symbols]."""
        if self._scale[0] != scale:
            self._scale = (scale, within(self._encoder.vocabulary, scale_of(scale)))
        return self._scale[1]

    def event(self, tokens: Sequence[int], row: Sequence[int]) -> Event:
        """The event of a row of ids; the rhythm gives its duration where the network does not."""
        duration = self._rhythm.sample(self._durations, self.rng) if self._rhythm else Fraction(1)
        self.last = self._encoder.event(tokens, duration)
        return self.last


class EventComposer:
    """An endless iterator over predictions, after the events of a prime."""

    def __init__(
        self, model: LoadedModel, settings: Composing, prime: Sequence[Event], lookback: bool
    ) -> None:
        """Of the prime the last `seqlen` events are used. Equal seeds give equal music."""
        vocabulary = model.vocabulary
        self._begins = settings.seed
        rhythm = None if knows_durations(vocabulary) else Rhythm(model.metadata["rhythm"])
        tracker = model.copy_tracker(settings)
        self._sampler = EventSampler(
            model.predictor, settings, vocabulary, lookback, rhythm=rhythm, tracker=tracker
        )
        self._sampler.begin(list(prime)[-model.bundle.network.seqlen :])

    def __iter__(self) -> Iterator[Prediction]:
        return self

    def __next__(self) -> Prediction:
        begins, self._begins = self._begins, None
        event = self._sampler.next()
        chosen = self._sampler.features[0].recent[-1]
        return Prediction(event, self._sampler.probabilities[0], chosen, begins)

    @property
    def settings(self) -> Composing:
        """How it samples; may be replaced at any time, the next event follows the new ones."""
        return self._sampler.settings

    @settings.setter
    def settings(self, settings: Composing) -> None:
        self._sampler.settings = settings
