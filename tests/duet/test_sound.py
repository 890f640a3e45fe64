"""A duet as sound: who is heard, when, by which instrument; what it costs while nobody listens."""

import time
from collections.abc import Iterator

import numpy as np
import pytest
from mido import Message

from duet import sound as sounds
from duet.session import METRONOME
from duet.sound import Renderer, SoundOutput
from music.loudness import Levels
from music.midi_synth import MidiSynth
from music.sounds import DRUMS
from music.synth import RATE

BLOCK = 8192
HISS = 15  # of 32768: FluidSynth dithers


def on(note: int, channel: int = 0, velocity: int = 90) -> Message:
    return Message("note_on", note=note, channel=channel, velocity=velocity)


def off(note: int, channel: int = 0) -> Message:
    return Message("note_off", note=note, channel=channel)


class Stage:
    """An output, and what renders it, in a time that is not real."""

    def __init__(self, **programs: int) -> None:
        self.output = SoundOutput(lambda owner: programs.get(owner, 1))
        self.renderer = Renderer(self.output, LEVELS)
        self.renderer.begin()
        self.now = 100.0
        self.heard: list[tuple[float, tuple[int, ...], float]] = []  # second, pitches, seconds

    def play(self, owner: str, message: Message, later: float = 0.0) -> None:
        """Somebody plays, so many seconds after the block that comes next begins."""
        self.output.hear(message, owner, self.now + later)

    def block(self) -> np.ndarray:
        """The next block of sound, as loudness [frames]."""
        pcm, events = self.renderer.block(self.now, BLOCK)
        begun = self.now - 100.0
        self.heard += [(begun + at / RATE, e.pitches, float(e.duration)) for at, e in events]
        self.now += BLOCK / RATE
        assert pcm.shape == (BLOCK, 2)
        return np.abs(pcm.astype(float)).max(1)


LEVELS = Levels()


@pytest.fixture
def stage() -> Stage:
    return Stage()


def spectrum(stage: Stage) -> np.ndarray:
    pcm = np.concatenate([stage.renderer.block(stage.now + i, BLOCK)[0] for i in range(4)])
    return np.abs(np.fft.rfft(pcm.mean(1)))


def test_a_note_sounds_from_the_moment_at_which_it_was_played(stage: Stage) -> None:
    assert stage.block().max() <= HISS, "silence is sound, too"
    stage.play("me", on(72), 0.1)
    loud = stage.block()
    first = int(np.argmax(loud > 50)) / RATE
    assert 0.1 <= first < 0.11
    stage.play("me", on(60), -9)  # that was long on its way begins at once
    assert stage.block()[:2000].max() > 500


def test_messages_are_rendered_in_the_order_of_their_times(stage: Stage) -> None:
    stage.play("me", on(60), 0.15)
    stage.play("other", on(64), 0.05)
    stage.play("other", off(64), 0.1)
    stage.play("me", off(60), BLOCK / RATE + 0.1)
    stage.play("me", on(36, 9), BLOCK / RATE + 0.1)
    stage.play("me", on(38, 9), BLOCK / RATE + 0.1)
    stage.block()
    stage.block()
    pitches = [(round(at, 2), p, round(long, 2)) for at, p, long in stage.heard]
    assert pitches == [(0.05, (64,), 0.05), (0.15, (60,), 0.14)]


def test_an_end_is_never_before_its_beginning(stage: Stage) -> None:
    stage.play("me", on(60), 0.1)
    stage.play("me", off(60), 0.02)  # clocks of pages waver
    stage.play("me", on(60), 0.12)
    stage.block()
    assert stage.output.sounding == {(0, 60)}
    assert stage.block().max() > 500, "it sounds on"


def test_each_player_has_an_instrument_of_their_own_whatever_the_channel(stage: Stage) -> None:
    stage = Stage(organ=20)
    for owner, channel in (("organ", 0), ("me", 0), ("beat", 9), ("me", 9)):
        stage.output.send(on(60, channel), owner)
    assert stage.output.sounding == {(0, 60), (1, 60), (9, 60)}
    assert stage.output.port.programs == {0: 20, 1: 1}
    stage.output.send(Message("program_change", channel=0, program=56), "me")
    assert stage.output.port.programs == {0: 20, 1: 57}
    stage.output.end("me")
    assert stage.output.sounding == {(0, 60), (9, 60)}, "drums are struck by two"
    stage.output.end("beat")
    assert stage.output.sounding == {(0, 60)}


def test_instruments_are_those_that_were_chosen_while_nobody_listened() -> None:
    found = []
    for program in (1, 20, 74):
        stage = Stage()
        stage.renderer.end()
        stage.output.send(Message("program_change", channel=3, program=program - 1), "m")
        stage.renderer.begin()
        stage.play("m", on(69, 3))
        found.append(spectrum(stage))
    likeness = [
        float(np.corrcoef(found[0], other)[0, 1]) for other in found[1:]
    ]  # of a piano with an organ and a flute
    assert max(likeness) < 0.9


def test_while_nobody_listens_nothing_is_kept_and_nothing_rendered() -> None:
    stage = Stage()
    stage.play("me", on(60))
    stage.renderer.end()
    for _ in range(100):
        stage.play("me", on(60))
    assert stage.output.taken(np.inf) == []
    assert stage.renderer._synth is None
    stage.renderer.begin()
    assert stage.block().max() <= HISS, "what began before is not heard"
    stage.play("me", off(60))
    stage.play("me", on(62))
    assert stage.block().max() > 500


def test_who_comes_back_does_not_hear_what_sounded_when_they_left(stage: Stage) -> None:
    stage.play("me", on(60))
    stage.block()
    stage.renderer.end()
    stage.output.send(off(60), "me")
    stage.renderer.begin()
    assert stage.block().max() <= HISS
    stage.block()
    assert not stage.heard[1:], "nor see it"


def test_long_notes_are_told_in_parts_and_without_a_gap(stage: Stage) -> None:
    stage.play("me", on(60), 0.1)
    for _ in range(10):
        stage.block()
    stage.play("me", off(60))
    stage.block()
    assert len(stage.heard) >= 3
    assert stage.heard[0][0] == pytest.approx(0.1, abs=0.001)
    for (at, _, long), (following, _, _) in zip(stage.heard, stage.heard[1:], strict=False):
        assert at + long == pytest.approx(following)
    at, _, long = stage.heard[-1]
    assert at + long == pytest.approx(10 * BLOCK / RATE, abs=0.001)


def test_the_pedal_holds_until_its_player_is_gone(stage: Stage) -> None:
    pedal = Message("control_change", control=64, value=127)
    for message in (pedal, on(60), off(60)):
        stage.play("me", message)
    for _ in range(4):
        held = stage.block().max()
    assert held > 500
    stage.output.end("me")
    for _ in range(8):
        gone = stage.block().max()
    assert gone < held / 5, "but for the room"


def test_panic_is_silence(stage: Stage) -> None:
    stage.play("me", on(60))
    stage.play("me", on(36, 9))
    loud = stage.block().max()
    stage.output.panic()
    for _ in range(6):
        quiet = stage.block().max()
    assert quiet < loud / 5, "but for the room"
    assert stage.output.sounding == set()


def test_the_metronome_and_the_clock_are_not_heard(stage: Stage) -> None:
    stage.output.send(on(76, 9), METRONOME)
    stage.output.send(Message("clock"), "")
    assert stage.block().max() <= HISS


def test_more_players_than_channels_share_them_and_leave_nothing_sounding() -> None:
    stage = Stage()
    for i in range(40):
        stage.play(f"player {i}", on(40 + i))
    assert len(stage.output.sounding) == 15
    for i in range(40):
        stage.play(f"player {i}", off(40 + i))
    stage.block()
    assert stage.output.sounding == set()
    assert stage.renderer._sounding == set()


def test_a_renderer_that_does_not_come_costs_bounded_memory(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sounds, "MOST_WAITING", 20)
    stage.output.send(Message("program_change", program=19), "me")
    for i in range(501):
        stage.play("me", on(60) if i % 2 else off(60))
    assert len(stage.output.port._waiting or ()) <= 21
    stage.block()
    assert stage.renderer._synth is not None
    assert stage.output.port.programs == {0: 20}
    stage.output.end("me")
    assert stage.renderer._sounding == set(), "no note of what was lost sounds on"
    for _ in range(12):
        quiet = stage.block().max()
    assert quiet < 300


def test_to_play_never_waits_for_the_sound(stage: Stage) -> None:
    """The output is used by the thread that keeps the time, while another one renders."""
    stage.play("me", on(60))
    took = []
    for i in range(300):
        begun = time.perf_counter()
        stage.output.send(on(50 + i % 20), "m")
        took.append(time.perf_counter() - begun)
    assert sorted(took)[150] < 0.001


# ---- the synth


@pytest.fixture(scope="module")
def synth() -> Iterator[MidiSynth]:
    made = MidiSynth(LEVELS)
    yield made
    made.close()


def loudness(synth: MidiSynth, program: int) -> float:
    channel = 9 if program == DRUMS else 3
    if program != DRUMS:
        synth.take(Message("program_change", channel=channel, program=program - 1))
    synth.take(on(64, channel))
    pcm = synth.render(RATE // 2).astype(float)
    synth.reset()
    return float(np.sqrt((pcm**2).mean()))


def test_instruments_are_about_equally_loud(synth: MidiSynth) -> None:
    levels = [loudness(synth, program) for program in (1, 20, 41, 57, 74)]
    assert max(levels) < 5 * min(levels)  # 14 dB; as they come it is 25


@pytest.mark.parametrize("message", [
    Message("pitchwheel", pitch=8191), Message("control_change", control=1, value=127),
])  # fmt: skip
def test_bends_and_modulation_are_heard(synth: MidiSynth, message: Message) -> None:
    heard = []
    for first in (Message("sysex"), message):
        synth.take(first)
        synth.take(on(69))
        heard.append(synth.render(RATE // 2).astype(float))
        synth.reset()
    assert np.corrcoef(heard[0][:, 0], heard[1][:, 0])[0, 1] < 0.98


def test_what_would_choose_another_bank_does_nothing(synth: MidiSynth) -> None:
    before = loudness(synth, 1)
    synth.take(Message("control_change", channel=3, control=0, value=5))
    synth.take(Message("control_change", channel=3, control=7, value=0))
    assert loudness(synth, 1) == pytest.approx(before, rel=0.1)
