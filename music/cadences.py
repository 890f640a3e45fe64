"""The chords on which phrases end, by name."""

from collections.abc import Iterable, Sequence
from fractions import Fraction

from music.chords import chord_of
from music.events import Event
from music.keys import Key


class CadenceNamer:
    """Names the chord of each phrase end, as events come: the first one under a fermata that is a triad
    or a seventh, since a suspension comes before its chord.
    """

    def __init__(self) -> None:
        self._named = False  # whether the phrase end that sounds has its name

    def name(self, event: Event, key: Key | None) -> str:
        """The Roman numeral of the next event in a key ('V', 'ii6'); '' where no phrase end is named."""
        if not event.fermata or key is None:
            self._named = False
            return ""
        label = "" if self._named else chord_name(event, key)
        self._named = self._named or bool(label)
        return label


def chord_name(event: Event, key: Key) -> str:
    """The Roman numeral of what sounds in a key; '' for what is no triad and no seventh."""
    chord = chord_of(event.pitches)
    return chord.label(key) if chord else ""


def cadence_names(events: Sequence[Event], key: Key | None) -> dict[Fraction, str]:
    """The chords of phrase ends by their onset in quarter lengths, the last chord of all among them.

    Empty where voices are not told apart, or no key is known.
    """
    if key is None or not any(e.voices for e in events):
        return {}
    namer, found = CadenceNamer(), dict[Fraction, str]()
    for onset, event in _timed(events):
        if label := namer.name(event, key):
            found[onset] = label
    for onset, event in [x for x in _timed(events) if x[1].pitches][-1:]:
        if not event.fermata and (label := chord_name(event, key)):
            found[onset] = label
    return found


def _timed(events: Iterable[Event]) -> Iterable[tuple[Fraction, Event]]:
    now = Fraction(0)
    for event in events:
        yield now, event
        now += event.duration
