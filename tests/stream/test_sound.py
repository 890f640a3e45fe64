"""How a station sounds: as loud as people are used to, its voices placed, in a room."""

import shutil
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from live import MODEL
from players import Offline, pcm

from config_bach import Paths
from music.events import Event
from music.loudness import MOST_GAIN
from music.synth import RATE
from stream import recording, source
from stream.model_cache import ModelCache
from stream.player_settings import PlayedEvent, PlayerSettings
from stream.source import StreamEvent

pytestmark = pytest.mark.slow

PIANO, XYLOPHONE, ORGAN = 1, 14, 20
VOICES = ("soprano", "alto", "tenor", "bass")
FOUR = "bach5_nc_mo"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ModelCache:
    folder = tmp_path_factory.mktemp("sound") / "models"
    folder.mkdir()
    for name in (MODEL, FOUR):
        shutil.copy(ROOT / "models" / f"{name}.zip", folder)
    return ModelCache(Paths(folder.parent))


def instead(monkeypatch: pytest.MonkeyPatch, *events: Event) -> None:
    """Let stations play these events again and again instead of a model's."""

    def play(self: Any) -> StreamEvent:
        self.notes += 1
        return StreamEvent(events[(self.notes - 1) % len(events)])

    monkeypatch.setattr(source.Source, "__next__", play)


def loud(pcm: np.ndarray) -> float:
    return float(np.sqrt((pcm.astype(float) ** 2).mean()))


def kept(player: Offline) -> np.ndarray:
    """What 'Keep that' gives of it."""
    events = [x for block in player.blocks for x in block.events]
    rows = [PlayedEvent(i, x.onset, x.predicted, x.settings) for i, x in enumerate(events)]
    return np.concatenate(list(recording.sound(rows)))


@pytest.mark.parametrize("program", [PIANO, ORGAN])
def test_a_station_is_as_loud_as_people_are_used_to(models: ModelCache, program: int) -> None:
    """-16 LUFS, and no peak above -1 dBFS between the samples; what is kept is as loud."""
    pyloudnorm = pytest.importorskip("pyloudnorm")
    from scipy.signal import resample_poly

    player = Offline(models, PlayerSettings(FOUR, program=program))
    sound = player.sound(40) / 32768
    lufs = pyloudnorm.Meter(RATE).integrated_loudness(sound)
    assert lufs == pytest.approx(-16, abs=1.5)
    assert 20 * np.log10(np.abs(resample_poly(sound, 4, 1)).max()) < -1
    assert pyloudnorm.Meter(RATE).integrated_loudness(kept(player) / 32768) == pytest.approx(
        lufs, abs=1
    )


def test_peaks_stay_below_the_limit_at_full_volume(models: ModelCache) -> None:
    from scipy.signal import resample_poly

    sound = Offline(models, PlayerSettings(FOUR, program=XYLOPHONE, volume=1.0)).sound(20)
    peak = np.abs(resample_poly(sound / 32768, 4, 1)).max()
    assert -6 < 20 * np.log10(peak) < -1


CHORD = (72, 67, 60, 48)


def voices_of(pcm: np.ndarray) -> list[np.ndarray]:
    """The strength of each voice of CHORD, left and right, by its fundamental."""
    spectrum = np.abs(np.fft.rfft(pcm.astype(float), axis=0))
    place = [round(440 * 2 ** ((p - 69) / 12) * len(pcm) / RATE) for p in CHORD]
    return [spectrum[i - 3 : i + 4].max(0) for i in place]


@pytest.fixture
def chord(models: ModelCache, monkeypatch: pytest.MonkeyPatch) -> Offline:
    """A station that plays one long chord in four voices, without an echo."""
    instead(monkeypatch, Event(tuple(sorted(CHORD)), Fraction(600), 90, CHORD, (True,) * 4))
    player = Offline(models, PlayerSettings(FOUR, program=80, room=0.0))  # hardly an overtone
    player.sound(1)
    return player


def change(player: Offline, **changes: Any) -> np.ndarray:
    """Two seconds of sound after a change, from when it holds."""
    from dataclasses import replace

    player.producer.change(replace(player.producer.settings, **changes))
    player.sound(0.5)
    return player.sound(2)


def test_the_voices_stand_from_left_to_right(chord: Offline) -> None:
    right = [float(r / (l + r)) for l, r in voices_of(chord.sound(2))]  # noqa: E741
    assert right == sorted(right)
    assert right[0] < 0.4
    assert right[3] > 0.6
    assert np.diff(right).min() > 0.05


@pytest.mark.parametrize("voice", range(4))
def test_each_voice_has_its_volume_and_its_place(chord: Offline, voice: int) -> None:
    before = voices_of(chord.sound(2))
    half = voices_of(change(chord, **{f"{VOICES[voice]}_volume": 0.5}))
    for i in range(4):
        wanted = 0.5 if i == voice else 1.0
        assert loud(half[i]) / loud(before[i]) == pytest.approx(wanted, abs=0.1), i
    right = voices_of(
        change(chord, **{f"{VOICES[voice]}_volume": 1.0, f"{VOICES[voice]}_pan": 1.0})
    )
    assert right[voice][0] < 0.02 * right[voice][1]
    assert loud(right[voice - 1]) == pytest.approx(loud(before[voice - 1]), rel=0.1)


def test_a_voice_can_be_silenced_and_comes_back(chord: Offline) -> None:
    before = voices_of(chord.sound(2))
    off = voices_of(change(chord, bass_volume=0.0))
    assert loud(off[3]) < 0.003 * loud(before[3])
    on = voices_of(change(chord, bass_volume=1.0))
    assert loud(on[3]) == pytest.approx(loud(before[3]), rel=0.05)
    silence = change(chord, **{f"{v}_volume": 0.0 for v in VOICES})[RATE:]
    assert np.abs(silence).max() <= 4  # FluidSynth's dither


def test_music_without_voices_follows_the_volume_of_the_first_and_stands_in_the_middle(
    models: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, Event((60, 67), Fraction(600), 90))
    player = Offline(models, PlayerSettings(MODEL, program=80, soprano_pan=1.0, room=0.0))
    player.sound(1)
    before = player.sound(1)
    assert loud(before[:, 0]) == pytest.approx(loud(before[:, 1]), rel=0.05)
    assert loud(change(player, alto_volume=0.0)) == pytest.approx(loud(before), rel=0.05)
    half = change(player, soprano_volume=0.5)
    assert loud(half) == pytest.approx(loud(before) / 2, rel=0.1)


NOTE = (Event((72,), Fraction(1), 100, (72, -1, -1, -1), (True,) * 4), Event((), Fraction(600)))


def echo(player: Offline) -> float:
    """How loud it is a second and more after a note has ended, against what went before."""
    sound = player.sound(4)
    return loud(sound[2 * RATE : 3 * RATE]) / loud(sound[: RATE // 2])


def test_the_room_echoes_and_can_be_changed_while_it_plays(
    models: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, *NOTE)
    usual = PlayerSettings(FOUR).room
    rooms = [
        echo(Offline(models, PlayerSettings(FOUR, program=ORGAN, room=room)))
        for room in (0.0, usual, 1.0)
    ]
    assert rooms[1] > 3 * rooms[0]
    assert rooms[2] / rooms[1] == pytest.approx(1 / usual, rel=0.2)
    assert 0.001 < rooms[1] < 0.02
    player = Offline(models, PlayerSettings(FOUR, program=ORGAN, room=0.0))
    player.sound(0.1)
    player.producer.change(PlayerSettings(FOUR, program=ORGAN, room=1.0))
    assert echo(player) > 1.4 * rooms[1]


def test_a_synth_that_is_used_again_has_the_usual_room_and_voices(
    models: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, *NOTE)
    new = Offline(models, PlayerSettings(FOUR, program=ORGAN))
    used = Offline(
        models, PlayerSettings(FOUR, program=ORGAN, room=1.0, soprano_volume=0.2, soprano_pan=1.0)
    )
    used.sound(1)
    synth = used.producer._player._synth
    used.producer._player.close()
    again = Offline(models, PlayerSettings(FOUR, program=ORGAN))
    b, a = again.sound(0.5), new.sound(0.5)
    assert again.producer._player._synth is synth
    assert [loud(side) for side in b.T] == pytest.approx([loud(side) for side in a.T], rel=0.03)
    assert echo(again) == pytest.approx(echo(new), rel=0.2)


@pytest.mark.parametrize(
    "changes",
    [{"room": 1.0}, {"soprano_volume": 0.0}, {"bass_pan": -1.0}, {"volume": 0.2}, {"volume": 1.0}],
)
def test_changes_do_not_click(chord: Offline, changes: dict[str, float]) -> None:
    """No step between two samples is much larger than those that the music has by itself."""
    first = len(chord.blocks)
    before = chord.sound(1).astype(int)
    after = change(chord, **changes).astype(int)
    usual = max(np.abs(np.diff(x, axis=0)).max() for x in (before, after))
    assert np.abs(np.diff(pcm(chord.blocks[first:]).astype(int), axis=0)).max() < 1.3 * usual


def test_another_instrument_is_as_loud_at_once(
    models: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    player = Offline(models, PlayerSettings(FOUR, program=ORGAN))
    organ = player.sound(8)
    player.producer.change(PlayerSettings(FOUR, program=XYLOPHONE))
    player.sound(0.2)
    gain = player.producer._player._gain
    assert 1 < gain < MOST_GAIN
    xylophone = player.sound(8)
    assert 0.3 < loud(xylophone) / loud(organ) < 1.5
