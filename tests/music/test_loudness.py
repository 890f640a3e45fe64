"""Music is as loud as people are used to, whatever plays it, and never too loud."""

from fractions import Fraction

import numpy as np
import pytest

from music import loudness
from music.events import Event
from music.loudness import CEILING, FULL_VOLUME, KNEE, Fader, Levels, beginning, limit, solo
from music.synth import RATE, Mix, Pcm, Performer, Synth

PIANO, ORGAN, STRINGS, TRUMPET = 1, 20, 49, 57
CHORDS = [(72, 67, 64, 48), (71, 67, 62, 55), (72, 69, 65, 53), (74, 67, 59, 43)]


def chorale(velocity: int = 90, repeats: int = 6) -> list[Event]:
    chords = CHORDS * repeats
    return [Event(tuple(sorted(c)), Fraction(1), velocity, c, (True,) * 4) for c in chords]


def lufs(pcm: np.ndarray) -> float:
    """As broadcasting measures it."""
    pyloudnorm = pytest.importorskip("pyloudnorm")
    return float(pyloudnorm.Meter(RATE).integrated_loudness(pcm / 32768))


def raw(music: list[Event], programs: int | tuple[int, ...], mix: Mix | None = None) -> Pcm:
    player = Performer(music, Synth(programs, mix=mix), 90)
    return player.block(int(16 * RATE))


@pytest.mark.parametrize("programs", [PIANO, ORGAN, STRINGS, TRUMPET, (PIANO, ORGAN, 74, 44)])
@pytest.mark.parametrize("velocity", [50, 100])
def test_instruments_are_equally_loud(programs: int | tuple[int, ...], velocity: int) -> None:
    music = chorale(velocity)
    sound = raw(music, programs)
    gain = Levels().gain(music, programs)
    assert lufs(sound) + 20 * np.log10(gain) == pytest.approx(
        FULL_VOLUME, abs=2.2
    )  # bright ones more, by 16 kHz


def test_music_without_voices_and_with_rests_is_as_loud() -> None:
    """Pauses are not counted, as in BS.1770."""
    tune = [Event((60 + i,), Fraction(2)) for i in range(8)]
    rests = [e for note in tune for e in (note, Event((), Fraction(2)))]
    levels = Levels()
    for music in (tune, rests):
        player = Performer(music, Synth(ORGAN, mix=Mix(pans=(0.0,) * 4)), 90)
        sound = np.concatenate([player.block(4096) for _ in range(100)])
        loud = lufs(sound) + 20 * np.log10(levels.gain(music, ORGAN))
        assert loud == pytest.approx(FULL_VOLUME, abs=1.2)


def test_an_instrument_is_measured_once() -> None:
    levels = Levels()
    first = levels.gain(chorale(), (PIANO, ORGAN, PIANO, ORGAN))
    assert levels._power.cache_info().misses == 4
    assert levels.gain(chorale(), (PIANO, ORGAN, PIANO, ORGAN)) == first
    levels.gain(chorale(), (PIANO, ORGAN, PIANO, TRUMPET))
    assert levels._power.cache_info().misses == 5
    assert levels._power.cache_info().maxsize == loudness.KEPT


def test_what_was_measured_before_changes_nothing() -> None:
    used, new = Levels(), Levels()
    used.gain(chorale(), ORGAN)
    used.gain(chorale(127), STRINGS)
    assert used.gain(chorale(), PIANO) == pytest.approx(new.gain(chorale(), PIANO), rel=0.02)


def test_silence_is_left_alone_and_hardly_anything_is_not_made_loud() -> None:
    levels = Levels()
    assert levels.gain([], PIANO) == 1
    assert levels.gain([Event((), Fraction(4))], PIANO) == 1
    assert levels.gain([Event((60,), Fraction(1), 1)] * 8, PIANO) == loudness.MOST_GAIN


def test_a_passage_is_the_beginning_and_each_voice_is_heard_alone() -> None:
    music = chorale()
    assert beginning(music) == tuple(music[:8])
    assert beginning(music[:3]) == tuple(music[:3])
    assert beginning([Event((60,), Fraction(99))] * 2) == (Event((60,), Fraction(99)),)
    assert [e.voices for e in solo(music[:2], 3)] == [(-1, -1, -1, 48), (-1, -1, -1, 55)]
    assert solo([Event((60,), Fraction(1))], 0) == (Event((60,), Fraction(1)),)


def test_the_limiter_leaves_what_is_quiet_and_bends_what_is_loud() -> None:
    ramp = np.linspace(-90_000, 90_000, 20_001, dtype=np.float32)
    sound = np.stack([ramp, -ramp], 1)
    limit(sound)
    quiet = np.abs(ramp) <= KNEE
    assert np.array_equal(sound[quiet, 0], ramp[quiet])
    assert np.abs(sound).max() <= CEILING
    assert (np.diff(sound[:, 0]) >= 0).all()
    assert np.abs(np.diff(sound[:, 0])).max() <= 9.01  # no jump where it begins
    assert np.allclose(sound[:, 0], -sound[:, 1])


def test_gain_and_volume_are_applied_and_change_without_a_jump() -> None:
    pcm = np.full((1000, 2), 1000, np.int16)
    fade = Fader(2.0, 0.5)
    assert (fade(pcm, 2.0, 0.5) == 1000).all()
    assert (fade(pcm, 4.0, 0.5)[[0, -1]] == [[1000], [2000]]).all()
    down = fade(pcm, 4.0, 0.0).astype(int)
    assert (down[[0, -1]] == [[2000], [0]]).all()
    assert np.abs(np.diff(down[:, 0])).max() <= 3
    assert not fade(pcm, 4.0, 0.0).any()


@pytest.mark.parametrize(("before", "now"), [(30.0, 30.0), (1.0, 30.0), (30.0, 1.0)])
def test_the_limiter_comes_before_the_volume(before: float, now: float) -> None:
    """A loud block is bent below the ceiling while the gain stays, rises or falls; then it is halved."""
    pcm = np.full((1000, 2), -2000, np.int16)
    sound = Fader(before, 0.5)(pcm, now, 0.5).astype(int)
    loudest = -sound.min()
    assert KNEE / 2 < loudest <= CEILING / 2
