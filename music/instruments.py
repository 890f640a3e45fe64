"""The 128 General MIDI instruments: 1..128 for people, 0..127 in MIDI files and FluidSynth."""

import difflib
from collections.abc import Sequence

from config_bach import UserError

Programs = int | Sequence[int]  # General MIDI 1..128: one for all voices, or one for each
VOICES = 4
ORGAN = 20  # it holds its notes as voices do
VOICE_RANGES = ((60, 81), (53, 74), (48, 69), (36, 64))  # MIDI pitches of Bach's four voices

FAMILIES = {
    "Piano": "Acoustic Grand Piano, Bright Acoustic Piano, Electric Grand Piano, Honky-tonk Piano, "
    "Electric Piano 1, Electric Piano 2, Harpsichord, Clavinet",
    "Chromatic Percussion": "Celesta, Glockenspiel, Music Box, Vibraphone, Marimba, Xylophone, "
    "Tubular Bells, Dulcimer",
    "Organ": "Drawbar Organ, Percussive Organ, Rock Organ, Church Organ, Reed Organ, Accordion, "
    "Harmonica, Tango Accordion",
    "Guitar": "Acoustic Guitar (nylon), Acoustic Guitar (steel), Electric Guitar (jazz), "
    "Electric Guitar (clean), Electric Guitar (muted), Overdriven Guitar, Distortion Guitar, "
    "Guitar Harmonics",
    "Bass": "Acoustic Bass, Electric Bass (finger), Electric Bass (pick), Fretless Bass, "
    "Slap Bass 1, Slap Bass 2, Synth Bass 1, Synth Bass 2",
    "Strings": "Violin, Viola, Cello, Contrabass, Tremolo Strings, Pizzicato Strings, "
    "Orchestral Harp, Timpani",
    "Ensemble": "String Ensemble 1, String Ensemble 2, Synth Strings 1, Synth Strings 2, "
    "Choir Aahs, Voice Oohs, Synth Voice, Orchestra Hit",
    "Brass": "Trumpet, Trombone, Tuba, Muted Trumpet, French Horn, Brass Section, Synth Brass 1, "
    "Synth Brass 2",
    "Reed": "Soprano Sax, Alto Sax, Tenor Sax, Baritone Sax, Oboe, English Horn, Bassoon, Clarinet",
    "Pipe": "Piccolo, Flute, Recorder, Pan Flute, Blown Bottle, Shakuhachi, Whistle, Ocarina",
    "Synth Lead": "Lead 1 (square), Lead 2 (sawtooth), Lead 3 (calliope), Lead 4 (chiff), "
    "Lead 5 (charang), Lead 6 (voice), Lead 7 (fifths), Lead 8 (bass + lead)",
    "Synth Pad": "Pad 1 (new age), Pad 2 (warm), Pad 3 (polysynth), Pad 4 (choir), Pad 5 (bowed), "
    "Pad 6 (metallic), Pad 7 (halo), Pad 8 (sweep)",
    "Synth Effects": "FX 1 (rain), FX 2 (soundtrack), FX 3 (crystal), FX 4 (atmosphere), "
    "FX 5 (brightness), FX 6 (goblins), FX 7 (echoes), FX 8 (sci-fi)",
    "Ethnic": "Sitar, Banjo, Shamisen, Koto, Kalimba, Bagpipe, Fiddle, Shanai",
    "Percussive": "Tinkle Bell, Agogo, Steel Drums, Woodblock, Taiko Drum, Melodic Tom, "
    "Synth Drum, Reverse Cymbal",
    "Sound Effects": "Guitar Fret Noise, Breath Noise, Seashore, Bird Tweet, Telephone Ring, "
    "Helicopter, Applause, Gunshot",
}
NAMES = tuple(name for family in FAMILIES.values() for name in family.split(", "))


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
