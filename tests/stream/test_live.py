"""A station of what is played now: who hears it, how late, and what it costs while nobody does."""

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from live import hear, settings, until

from config_bach import Paths
from music.events import Event
from music.synth import RATE, Pcm
from stream.context import SoundContext
from stream.listener import Listener
from stream.live import LEAST_SLACK, SECOND, LiveProducer, LiveStation, LiveWorker
from stream.messages import BLOCK_SECONDS, Begin
from stream.texts import ENGLISH
from stream.titles import playing_on, station_title

pytestmark = pytest.mark.slow


class Counter:
    """Sound whose samples say for which hundredth of a second they are."""

    delay = 0.05

    def __init__(self) -> None:
        self.begun = self.ended = 0
        self.asked: list[tuple[float, float]] = []  # when a block was asked for, and its end
        self.broken = 0

    def begin(self) -> None:
        self.begun += 1

    def end(self) -> None:
        self.ended += 1

    def block(self, start: float, frames: int) -> tuple[Pcm, list[tuple[int, Event]]]:
        self.asked.append((time.monotonic(), start + frames / RATE))
        if self.broken:
            self.broken -= 1
            raise RuntimeError("broken")
        times = 100 * (start + np.arange(frames) / RATE) % 30_000
        event = Event((60,), Fraction(frames, RATE))
        return np.repeat(times.astype(np.int16)[:, None], 2, 1), [(0, event)]


class OnAir:
    """A context with one live station."""

    def __init__(self, home: Path, **changes: float) -> None:
        server = settings(ahead=0.6, backlog=1.0, idle_minutes=0.02, **changes)
        self.sound = Counter()
        self.context = SoundContext(server, Paths(home), LiveWorker(self.sound, server))
        stations = self.context.stations
        self.station = LiveStation(stations, server, lambda t: "Somebody\nplays")
        stations.add(self.station)

    def join(self, kind: str = "wav") -> Listener:
        return self.context.stations.join(self.station, kind)


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Callable[..., OnAir]]:
    made: list[OnAir] = []

    def make(**changes: float) -> OnAir:
        made.append(OnAir(tmp_path, **changes))
        return made[-1]

    yield make
    for one in made:
        one.context.close()


def test_it_is_heard_so_late_as_the_settings_say_and_without_a_gap(
    new: Callable[..., OnAir],
) -> None:
    air = new()
    joined = time.monotonic()
    pcm = hear(air.join(), 1.5)[:, 0].astype(int)
    took = time.monotonic() - joined
    assert took < 1.5 - 0.6 + 0.45, "what is behind comes at once"
    steps = np.diff(pcm)
    assert set(steps.tolist()) <= {0, 1, -29_999, 30_000 - 1}, "no block is missing or twice"
    behind = joined - (joined // 300 * 300 + pcm[0] / 100)
    assert behind % 300 == pytest.approx(0.6, abs=0.15)
    for asked, ended in air.sound.asked:
        assert asked >= ended + Counter.delay, "not before all that is played can have come"
    assert air.station.underruns == 0
    assert max(air.station.lead, 0.3) >= LEAST_SLACK - 0.1


def test_it_is_never_heard_so_soon_that_blocks_would_be_late() -> None:
    begin = Begin(1, "x", SECOND, 0, 0, ())
    for ahead, later in ((2.0, 2.0), (0.3, Counter.delay + BLOCK_SECONDS + LEAST_SLACK)):
        producer = LiveProducer(begin, Counter(), settings(ahead=ahead), lambda report: None)
        assert producer._later == pytest.approx(later)
        assert producer.due() is None, "nobody listens"


def test_nothing_is_rendered_while_nobody_listens(new: Callable[..., OnAir]) -> None:
    air = new()
    time.sleep(0.3)
    assert (air.sound.begun, air.sound.asked) == (0, [])
    listener = air.join()
    hear(listener, 0.3)
    other = air.join("mp3")
    air.station.leave(listener)
    until(lambda: len(air.sound.asked) > 4)
    assert (air.sound.begun, air.sound.ended) == (1, 0), "another one listens still"
    air.station.leave(other)
    assert air.sound.ended == 1
    count = len(air.sound.asked)
    time.sleep(0.5)
    assert len(air.sound.asked) == count
    again = time.monotonic()
    first = hear(air.join(), 0.2)[0, 0]
    assert air.sound.begun == 2
    assert (again - first / 100) % 300 == pytest.approx(0.6, abs=0.2), "and not what was before"


def test_all_hear_the_same_in_their_format_and_who_does_not_read_is_let_go(
    new: Callable[..., OnAir],
) -> None:
    air = new()
    slow, wav, mp3 = air.join(), air.join(), air.join("mp3")
    data = b""
    coming = iter(mp3)
    while len(data) < 20_000:
        data += next(coming)
    assert data[0] == 0xFF
    assert data[1] & 0xE0 == 0xE0, "whole frames of MP3"
    air.station.leave(mp3)
    hear(wav, 2.0)
    until(lambda: slow._gone, 3)
    assert air.station.dropped == 1
    begun = time.monotonic()
    hear(wav, 0.5)
    assert time.monotonic() - begun < 1, "the others hear on"


def test_a_failure_is_silence_and_no_gap(
    new: Callable[..., OnAir], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.live.AGAIN", 0.3)
    air = new()
    listener = air.join()
    hear(listener, 0.6)
    air.sound.broken = 1
    until(lambda: not air.sound.broken)
    pcm = np.abs(hear(listener, 1.5)[:, 0])
    quiet = np.flatnonzero(pcm == 0)
    assert len(quiet) >= BLOCK_SECONDS * RATE
    assert pcm[-1] > 0
    assert air.station.underruns == 0


def test_the_station_stays_while_its_server_runs_and_is_not_remembered(
    new: Callable[..., OnAir],
) -> None:
    air = new()
    listener = air.join()
    hear(listener, 0.3)
    time.sleep(0.3)  # the watch has looked
    air.station.leave(listener)
    time.sleep(1.6)  # longer than idle_minutes
    assert air.context.stations.get(air.station.name) is air.station
    assert air.context.store.station(air.station.name) is None


def test_it_is_called_what_it_is(new: Callable[..., OnAir]) -> None:
    air = new()
    assert playing_on(air.context, air.station, ENGLISH) == "Somebody plays"
    assert station_title(air.context, air.station) == "Play Bach: Somebody plays"


def test_what_sounds_is_told_with_the_second_in_which_it_is_heard(
    new: Callable[..., OnAir],
) -> None:
    air = new()
    listener = air.join()
    hear(listener, 0.8)
    played = air.station.news(0)
    assert [x.event.drawn for x in played[:3]] == [[60]] * 3
    assert [x.onset for x in played[:3]] == [0, 8192, 2 * 8192]
    assert played[0].seconds == pytest.approx(BLOCK_SECONDS)


def test_the_end_of_the_server_is_the_end_of_all_responses(new: Callable[..., OnAir]) -> None:
    air = new()
    listener = air.join()
    ended = threading.Thread(target=lambda: list(listener), daemon=True)
    ended.start()
    air.context.stations.close()
    ended.join(3)
    assert not ended.is_alive()
    assert air.sound.ended == 1
