"""Small pieces of percussion, and settings with which a model of type 4 is quickly trained on them."""

from dataclasses import replace
from fractions import Fraction

from config_bach import Network, Training
from families.drums.encoding import DrumPiece, Hit, gridded
from families.registry import family_of

KICK, SNARE, HAT, CRASH = 36, 38, 42, 49


def groove(number: int, bars: int = 4, length: int = 4) -> DrumPiece:
    """A beat of its own, every fourth bar with a fill, in straight or (every third) triplet eighths."""
    eighth = Fraction(1, 3) if number % 3 == 2 else Fraction(1, 2)
    hits: list[Hit] = []
    for bar in range(bars):
        start = Fraction(bar * length)
        for beat in range(length):
            time = start + beat
            hits += [(time, HAT, 92), (time + eighth, HAT, 64)]
            hits.append((time, SNARE if beat % 2 else KICK, 120 if beat % 2 else 92))
            if (number >> beat) % 2:
                hits.append((time + eighth, KICK, 92))
        if bar % 4 == 3:
            hits += [(start + length - 1 + Fraction(i, 4), SNARE, 92) for i in range(4)]
        elif bar and bar % 4 == 0:
            hits.append((start, CRASH, 120))
    whole = [(Fraction(bar * length), Fraction(length)) for bar in range(bars)]
    return gridded(f"groove {number}", hits, whole, 100.0 + number)


def little() -> Network:
    """The network of type 4, very small."""
    network = replace(family_of(4).network, units=16, embedding=8, seqlen=96, dropout=0.0)
    return replace(network, input_dropout=0.0, head_dropout=0.0, token_dropout=0.0)


def short_training() -> Training:
    """A training of a few seconds."""
    return replace(
        family_of(4).training, epochs=3, batch=4, min_steps=30, learning_rate=0.02, average=0.0
    )
