"""The 128 General MIDI instruments: 1..128 for people, 0..127 in MIDI files and FluidSynth."""

import difflib
import json
from collections.abc import Sequence
from pathlib import Path

from config_bach import UserError

Programs = int | Sequence[int]  # General MIDI 1..128: one for all voices, or one for each
VOICES = 4
VOICE_NAMES = ("soprano", "alto", "tenor", "bass")
ORGAN = 20  # it holds its notes as voices do
# of the four voices in pictures, scores and pages: told apart with any colour blindness, and on white
# as on the dark roll of the pages (at least 3:1); see docs/decisions.md
VOICE_COLORS = ("#e06c00", "#c86fb0", "#009e73", "#7a76e0")
VOICE_RANGES = ((60, 81), (53, 74), (48, 69), (36, 64))  # MIDI pitches of Bach's four voices

FAMILIES: dict[str, list[str]] = json.loads(
    (Path(__file__).parent / "general_midi.json").read_text(encoding="utf-8")
)
NAMES = tuple(name for names in FAMILIES.values() for name in names)


def by_voice(programs: Programs) -> tuple[int, ...]:
    """A program (1..128) for each of four voices: one for all, or one each. The last one goes on."""
    given = (programs,) if isinstance(programs, int) else tuple(programs)
    return (*given, *[given[-1]] * VOICES)[:VOICES]


def instrument_name(program: int) -> str:
    """The General MIDI name of a program 1..128."""
    return NAMES[program - 1]


def program_number(instrument: str) -> int:
    """The program 1..128 of a name, of a unique part of a name ('grand piano') or of a number.

    Raises UserError when nothing, or more than one instrument, answers to it.
    """
    wanted = instrument.strip().lower()
    if wanted.lstrip("+-").isdigit():
        if 1 <= int(wanted) <= 128:
            return int(wanted)
        raise UserError(
            f"instrument {instrument} does not exist: General MIDI counts from 1 to 128."
        )
    lowered = [name.lower() for name in NAMES]
    if wanted in lowered:
        return lowered.index(wanted) + 1
    hits = [i for i, name in enumerate(lowered) if wanted and wanted in name]
    if len(hits) == 1:
        return hits[0] + 1
    close = [NAMES[i] for i in hits[:6]] or [
        NAMES[lowered.index(n)] for n in difflib.get_close_matches(wanted, lowered, 3, 0.4)
    ]
    advice = f"did you mean {' or '.join(close)}?" if close else "give a number from 1 to 128."
    problem = "could be several" if hits else "is not in General MIDI"
    raise UserError(f"the instrument '{instrument}' {problem}; {advice}")
