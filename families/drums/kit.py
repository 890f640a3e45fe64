"""The kinds of percussion that are told apart, and to which of them each General MIDI note belongs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of percussion: its name, the General MIDI note that it is written as, and the other notes
    that are read as it, being the nearest to it in sound."""

    name: str
    note: int
    others: tuple[int, ...] = ()


KIT = (
    Kind("kick", 36, (35,)),
    Kind("snare", 38, (40,)),
    Kind("side stick", 37, (31, 32, 33, 75, 76, 77, 85)),  # sticks, claves, wood blocks, castanets
    Kind("hand clap", 39, (28,)),
    Kind("closed hi-hat", 42),
    Kind("pedal hi-hat", 44),
    Kind("open hi-hat", 46),
    Kind("low tom", 43, (41, 86, 87)),  # surdos
    Kind("mid tom", 47, (45,)),
    Kind("high tom", 50, (48,)),
    Kind("crash", 49, (52, 55, 57)),  # Chinese, splash
    Kind("ride", 51, (53, 59)),
    Kind("cowbell", 56, (34, 67, 68, 71, 72)),  # agogos, whistles
    Kind("tambourine", 54, (80, 81, 83, 84)),  # triangles, jingle bell, bell tree
    Kind("shaker", 70, (27, 29, 30, 58, 69, 73, 74, 82)),  # cabasa, guiros, vibraslap, scratches
    Kind("high conga", 63, (60, 62, 65, 78)),  # high bongo and timbale, mute cuica
    Kind("low conga", 64, (61, 66, 79)),
)
NAMES = tuple(kind.name for kind in KIT)
KIND_OF = {note: i for i, kind in enumerate(KIT) for note in (kind.note, *kind.others)}
