"""What is written is what sounds, at the time it is written for."""

import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import synth
from config_bach import UserError
from piece import Event
from synth import RATE, Performer, Synth, Synths

PIANO = 1


def loudness(pcm: np.ndarray, frames: int = 441) -> np.ndarray:
    """RMS in steps of 10 ms."""
    usable = pcm[: len(pcm) // frames * frames].astype(float).mean(1).reshape(-1, frames)
    return np.sqrt((usable**2).mean(1))


def onsets(pcm: np.ndarray) -> list[float]:
    """When the sound suddenly grows, in seconds."""
    level = np.append(0.0, loudness(pcm))
    rising = (level[1:] > 2.5 * level[:-1] + 60).nonzero()[0]
    return [i / 100 for i, before in zip(rising, [-9, *rising[:-1]], strict=True) if i - before > 5]


def performed(events: list[Event], bpm: float, block: int = synth.BLOCK) -> np.ndarray:
    player = Performer(events, Synth(PIANO), bpm)
    blocks = []
    while player._left is None or player._left > 0:
        blocks.append(player.block(block))
    return np.concatenate(blocks)


@pytest.mark.parametrize("bpm", [60, 97, 180])
def test_the_tempo_written_is_the_tempo_in_the_samples(bpm: float) -> None:
    beat = [Event((72,), Fraction(1, 4), 100), Event((), Fraction(3, 4))] * 24
    heard = onsets(performed(beat, bpm))
    assert len(heard) == 24
    assert np.allclose(np.diff(heard), 60 / bpm, atol=0.021)
    assert heard[-1] - heard[0] == pytest.approx(23 * 60 / bpm, abs=0.02)


def test_odd_durations_do_not_drift() -> None:
    events = [Event((72,), Fraction(1, 7))] * 7000
    player = Performer(events, Synth(PIANO), 113)
    frames = 0
    while player._left is None:
        frames += len(player.block(64))
    assert frames == pytest.approx(1000 * 60 / 113 * RATE, abs=64)


def test_the_size_of_a_block_changes_no_sample_order() -> None:
    events = [Event((60, 64, 67), Fraction(1, 2), 90), Event((62,), Fraction(1, 3), 90)] * 4
    a, b = performed(events, 120, 1024).astype(float), performed(events, 120, 333).astype(float)
    n = min(len(a), len(b))
    lag = np.abs(a[:n] - b[:n])
    assert lag.mean() < 0.02 * np.abs(a).max()


def test_there_is_no_click_at_block_borders() -> None:
    pcm = performed([Event((48,), Fraction(8), 100)], 120).astype(float).mean(1)
    steps = np.abs(np.diff(pcm))[RATE // 2 :]
    borders = steps[synth.BLOCK - 1 - (RATE // 2) % synth.BLOCK :: synth.BLOCK]
    assert borders.max() <= steps.max()
    assert borders.mean() < 1.5 * steps.mean()


def test_notes_ring_on_after_they_end() -> None:
    level = loudness(performed([Event((60,), Fraction(1), 100)], 120))
    assert level[51:55].min() > 0.05 * level[30:50].mean()
    assert level[-1] < 0.05 * level.max()


def test_a_held_note_is_not_struck_again() -> None:
    held = [Event((60, 67), Fraction(1), 90), Event((60, 69), Fraction(1), 90)]
    struck = []

    class Watched(Synth):
        def strike(self, pitch: int, velocity: int, voice: int = 0) -> None:
            struck.append(pitch)
            super().strike(pitch, velocity)

    list(Performer(held, Watched(PIANO), 240))
    assert struck == [60, 67, 69]


def test_instruments_sound_different() -> None:
    def spectrum(program: int) -> np.ndarray:
        player = Performer([Event((60,), Fraction(4), 100)], Synth(program), 120)
        pcm = np.concatenate([player.block() for _ in range(60)]).astype(float).mean(1)
        power = np.abs(np.fft.rfft(pcm[RATE // 4 :]))
        return power / np.linalg.norm(power)

    assert spectrum(1) @ spectrum(1) == pytest.approx(1)
    assert spectrum(1) @ spectrum(74) < 0.9


def test_wav_files_are_44100_hz_stereo_and_not_silent(tmp_path: Path) -> None:
    synth.write_wav(tmp_path / "x.wav", [Event((60,), Fraction(2), 90)], 60, PIANO)
    with wave.open(str(tmp_path / "x.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (44100, 2, 2)
        assert file.getnframes() / RATE == pytest.approx(4, abs=0.05)  # two seconds and the tail
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert np.abs(pcm[:RATE]).max() > 500


def test_a_soundfont_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(synth.SOUNDFONT_VARIABLE, str(tmp_path / "none.sf2"))
    with pytest.raises(UserError, match=r"none\.sf2"):
        synth.find_soundfont()
    (tmp_path / "text.sf2").write_text("not a SoundFont")
    with pytest.raises(UserError, match="not a SoundFont"):
        Synth(PIANO, tmp_path / "text.sf2")


def test_a_synth_that_is_used_again_is_silent_and_has_the_instrument_asked_for() -> None:
    synths = Synths()
    used = synths.take(PIANO)
    used.strike(60, 127)
    used.render(RATE)
    synths.give_back(used)
    again = synths.take(57)
    assert again is used
    assert np.abs(again.render(4410)).max() <= 1

    def spectrum(synth: Synth) -> np.ndarray:
        synth.strike(60, 100)
        return np.abs(np.fft.rfft(synth.render(RATE).mean(1)))

    new, old, other = spectrum(Synth(57)), spectrum(again), spectrum(Synth(PIANO))
    assert np.corrcoef(new, old)[0, 1] > 0.95 > np.corrcoef(other, old)[0, 1]
