"""What is written is what sounds, at the time it is written for."""

import importlib.util
import os
import sys
import wave
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sounds import Samples, loudness, onsets

from config_bach import UserError
from music import synth
from music.events import Event
from music.instruments import Programs
from music.synth import BLOCK, MIDDLE, RATE, TAIL, Mix, Performer, Synth, Synths
from music.wav import write_wav

PIANO = 1


class Logged(Synth):
    """A synth that makes no sound, and writes down what is done to it, and at which frame."""

    def __init__(self) -> None:
        self.frames, self.log = 0, list[tuple[int, str, int, int]]()  # frame, what, voice, pitch

    def program(self, programs: Programs) -> None:
        pass

    def strike(self, pitch: int, velocity: int, voice: int = 0) -> None:
        self.log.append((self.frames, f"strike {velocity}", voice, pitch))

    def release(self, pitch: int, voice: int = 0) -> None:
        self.log.append((self.frames, "release", voice, pitch))

    def render(self, frames: int) -> synth.Pcm:
        self.frames += frames
        return np.zeros((frames, 2), np.int16)


def performed(events: list[Event], bpm: float, block: int = synth.BLOCK) -> Samples:
    player = Performer(events, Synth(PIANO, mix=Mix(room=0.0)), bpm)
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
    player = Performer([Event((72,), Fraction(1, 7))] * 7000, Logged(), 113)
    while player._left is None:
        player.block(4096)
    ended = player.frames - (TAIL - player._left)
    assert ended == int(Fraction(1000 * 60 * RATE, 113))


def test_every_note_begins_with_the_frame_it_is_written_for() -> None:
    logged = Logged()
    list(Performer([Event((60 + i,), Fraction(1, 3)) for i in range(50)], logged, 97))
    struck = [frame for frame, what, *_ in logged.log if what == "strike 90"]
    assert struck == [int(Fraction(i * 60 * RATE, 3 * 97)) for i in range(50)]


def test_each_voice_holds_and_strikes_on_its_own_channel() -> None:
    first = Event((48, 60), Fraction(1), 80, (60, -1, -1, 48), (True, False, False, True))
    then = Event((48, 60), Fraction(1), 70, (60, -1, -1, 48), (True, False, False, False))
    logged = Logged()
    list(Performer([first, then], logged, 60))
    assert logged.log == [
        (0, "strike 80", 0, 60), (0, "strike 80", 3, 48),
        (RATE, "release", 0, 60), (RATE, "strike 70", 0, 60),
        (2 * RATE, "release", 0, 60), (2 * RATE, "release", 3, 48),
    ]  # fmt: skip


def test_a_block_has_the_frames_asked_for_and_silence_after_the_end() -> None:
    player = Performer([Event((60,), Fraction(1, 100))], Logged(), 60)
    assert len(player.block()) == BLOCK
    assert player.frames == BLOCK
    rest = sum(len(block) for block in player)
    assert TAIL <= rest + BLOCK - 441 < TAIL + BLOCK
    assert len(player.block(7)) == 7
    assert list(player) == []


def test_a_change_of_tempo_holds_from_the_next_frame() -> None:
    logged = Logged()
    player = Performer([Event((60,), Fraction(1)), Event((62,), Fraction(1))], logged, 60)
    player.block(RATE // 2)
    player.bpm = 120
    assert player.bpm == 120
    list(player)
    struck = [frame for frame, what, *_ in logged.log if what.startswith("strike")]
    assert struck == [0, RATE // 2 + RATE // 4]
    assert logged.log[-1][0] == RATE // 2 + RATE // 4 + RATE // 2


def test_an_event_can_be_cut_short() -> None:
    logged = Logged()
    player = Performer([Event((60,), Fraction(4)), Event((62,), Fraction(1))], logged, 60)
    player.block(100)
    player.cut_short()
    player.block(1)
    assert [(f, w, p) for f, w, _, p in logged.log] == [
        (0, "strike 90", 60), (100, "release", 60), (100, "strike 90", 62),
    ]  # fmt: skip


def test_what_sounds_begins_anew_on_another_instrument() -> None:
    logged = Logged()
    player = Performer([Event((60, 64), Fraction(4), 77)], logged, 60)
    player.strike_again()  # nothing sounds yet
    assert logged.log == []
    player.block(10)
    player.strike_again()
    assert logged.log[2:] == [
        (10, "release", 0, 60), (10, "strike 77", 0, 60),
        (10, "release", 0, 64), (10, "strike 77", 0, 64),
    ]  # fmt: skip


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
    logged = Logged()
    held = [Event((60, 67), Fraction(1), 90), Event((60, 69), Fraction(1), 90)]
    list(Performer(held, logged, 240))
    assert [pitch for _, what, _, pitch in logged.log if what == "strike 90"] == [60, 67, 69]


def test_instruments_sound_different() -> None:
    def spectrum(program: int) -> Samples:
        player = Performer([Event((60,), Fraction(4), 100)], Synth(program), 120)
        pcm = np.concatenate([player.block() for _ in range(60)]).astype(float).mean(1)
        power = np.abs(np.fft.rfft(pcm[RATE // 4 :]))
        return np.asarray(power / np.linalg.norm(power))

    assert spectrum(1) @ spectrum(1) == pytest.approx(1)
    assert spectrum(1) @ spectrum(74) < 0.9


def test_instruments_are_those_of_general_midi() -> None:
    made = Synth((1, 43, 128))
    found = [made._synth.channel_info(voice)[2] for voice in range(4)]
    assert found == [0, 42, 127, 127]  # which counts from 0


def test_each_voice_has_an_instrument_of_its_own() -> None:
    def sound(program: int, voice: int) -> Samples:
        four, one = (Synth(p, mix=Mix(pans=MIDDLE)) for p in ((1, 57, 74, 20), program))
        for made in (four, one):
            made.strike(60, 100, voice if made is four else 0)
        return np.abs(four.render(RATE).astype(float) - one.render(RATE)).max()

    assert sound(74, 2) <= 1
    assert sound(1, 2) > 100


def test_wav_files_are_44100_hz_stereo_and_not_silent(tmp_path: Path) -> None:
    write_wav(tmp_path / "x.wav", [Event((60,), Fraction(2), 90)], 60, PIANO)
    with wave.open(str(tmp_path / "x.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (44100, 2, 2)
        assert file.getnframes() / RATE == pytest.approx(4, abs=0.05)  # two seconds and the tail
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert np.abs(pcm[:RATE]).max() > 500


def test_more_sound_than_a_wav_file_holds_is_refused(tmp_path: Path) -> None:
    day = [Event((60,), Fraction(60 * 60 * 24), 90)]
    with pytest.raises(UserError, match=r"would last 24\.0 hours, and a WAV file holds 6\.8"):
        write_wav(tmp_path / "x.wav", day, 60, PIANO)
    assert list(tmp_path.iterdir()) == []


def test_a_wav_file_ends_when_its_synth_fails_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write_wav(tmp_path / "x.wav", [Event((60,), Fraction(1))], 0, PIANO)
    assert list(tmp_path.iterdir()) == []


def test_a_soundfont_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(synth.SOUNDFONT_VARIABLE, str(tmp_path / "none.sf2"))
    with pytest.raises(UserError, match=r"none\.sf2, but there is no such file"):
        synth.find_soundfont()
    (tmp_path / "text.sf2").write_text("not a SoundFont")
    with pytest.raises(UserError, match="not a SoundFont"):
        Synth(PIANO, tmp_path / "text.sf2")


def test_the_soundfont_is_that_of_the_environment_or_the_best_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(synth.SOUNDFONT_VARIABLE, raising=False)
    folders = [tmp_path / "a", tmp_path / "b"]
    monkeypatch.setattr(synth, "SOUNDFONT_FOLDERS", tuple(map(str, folders)))
    assert synth.find_soundfont().name == "TimGM6mb.sf2"  # the one of pretty_midi
    for folder, name in zip(folders, ("TimGM6mb.sf2", "MuseScore_General.sf3"), strict=True):
        folder.mkdir()
        (folder / name).write_bytes(b"")
    assert synth.find_soundfont() == folders[1] / "MuseScore_General.sf3"
    monkeypatch.setenv(synth.SOUNDFONT_VARIABLE, str(folders[0] / "TimGM6mb.sf2"))
    assert synth.find_soundfont() == folders[0] / "TimGM6mb.sf2"


def test_without_any_soundfont_it_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(synth.SOUNDFONT_VARIABLE, raising=False)
    monkeypatch.setattr(synth, "SOUNDFONT_FOLDERS", ())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install pretty_midi"):
        synth.find_soundfont()


def test_without_fluidsynth_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fluidsynth", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"FluidSynth is missing.*fluidsynth\.org"):
        Synth(PIANO)
    (tmp_path / "dnf").touch()
    monkeypatch.setenv("PATH", os.pathsep.join(["/nowhere", str(tmp_path)]))
    assert synth.library_advice() == "install it with: sudo dnf install -y fluidsynth-libs"
    monkeypatch.setitem(sys.modules, "fluidsynth", ModuleType("fluidsynth"))
    with pytest.raises(UserError, match="another program"):
        synth.fluidsynth_module()


def test_a_synth_that_is_used_again_is_silent_and_has_the_instrument_asked_for() -> None:
    synths = Synths()
    used = synths.take(PIANO)
    used.strike(60, 127)
    used.render(RATE)
    synths.give_back(used)
    again = synths.take(57)
    assert again is used
    assert np.abs(again.render(4410)).max() <= 2

    def spectrum(synth: Synth) -> Samples:
        synth.strike(60, 100)
        return np.asarray(np.abs(np.fft.rfft(synth.render(RATE).mean(1))))

    new, old, other = spectrum(Synth(57)), spectrum(again), spectrum(Synth(PIANO))
    assert np.corrcoef(new, old)[0, 1] > 0.9 > np.corrcoef(other, old)[0, 1]
    assert synths.take(57) is not again  # which nobody gave back
