"""A page that joins late is told what sounds and what is to come."""

import random
from typing import Any

import pytest
from mido import Message

from duet.browser import BrowserOutput, BrowserPort
from duet.ports import Inbox
from duet.told import LARGEST, Record


def played(*messages: tuple[float, list[Any]]) -> Record:
    record = Record()
    for beat, message in messages:
        record.take(message, beat)
    return record


BEGUN = (0.9, ["plan", "m", 1.0, 1, False, 60, 80])
ENDS = (0.9, ["plan", "m", 2.0, 0, False, 60, 0])
PLAYED = (1.2, ["now", "pad", 1, False, 50, 70])


@pytest.mark.parametrize(
    ("messages", "beat", "told"),
    [
        ((BEGUN, ENDS), 0.95, [BEGUN[1], ENDS[1]]),
        ((BEGUN, ENDS), 1.5, [BEGUN[1], ENDS[1]]),
        ((BEGUN, ENDS), 2.0, []),
        ((BEGUN,), 9.0, [BEGUN[1]]),
        ((PLAYED,), 3.0, [["plan", "pad", 1.2, 1, False, 50, 70]]),
        ((PLAYED, (2.0, ["now", "pad", 0, False, 50, 0])), 3.0, []),
        ((PLAYED, (2.0, ["now", "other", 0, False, 50, 0])), 3.0,
         [["plan", "pad", 1.2, 1, False, 50, 70]]),
        (((1.0, ["now", "pad", 1, True, 36, 70]),), 1.1, []),  # percussion rings out
        ((BEGUN, ENDS, (1.5, ["cancel", "m", 1.8])), 5.0, [BEGUN[1]]),
        ((BEGUN, ENDS, (0.9, ["cancel", "m", None])), 5.0, []),
        ((BEGUN, ENDS, (0.9, ["cancel", "m", 0.5])), 5.0, []),
        ((BEGUN, ENDS, (0.9, ["cancel", "x", None])), 1.5, [BEGUN[1], ENDS[1]]),
        ((BEGUN, PLAYED, (1.5, ["end", "m"])), 5.0, [["plan", "pad", 1.2, 1, False, 50, 70]]),
        ((BEGUN, PLAYED, (1.5, ["panic"])), 5.0, []),
        ((BEGUN, (1.0, ["refused", "no"]), (1.0, ["players", []])), 1.5, [BEGUN[1]]),
    ],
)  # fmt: skip
def test_what_sounds_and_comes_is_told(messages: Any, beat: float, told: list[Any]) -> None:
    assert played(*messages).now(beat) == told


def test_it_stays_small() -> None:
    record = Record()
    for i in range(3 * LARGEST):
        record.take(["plan", "m", float(i), i % 2, False, 60, 80], 0.0)
    assert len(record.now(0.0)) <= LARGEST + 1
    for i in range(3 * LARGEST):
        record.take(["now", "m", 1, False, i % 128, 80], 0.0)
    assert len(record.now(1e9)) <= 128


def test_who_joins_is_told_once_and_then_hears_all(monkeypatch: pytest.MonkeyPatch) -> None:
    port = BrowserPort(Inbox())
    output = BrowserOutput(port)
    early: list[Any] = []
    port.join(early.append)
    port.beat = lambda: 1.0
    output.send(Message("note_on", note=60, velocity=70), "me")
    output.planned(1.5, Message("note_on", note=62, velocity=70), "m")
    late: list[Any] = []
    port.join(late.append)
    assert [m[:2] for m in early] == [["now", "me"], ["plan", "m"]]
    assert late == [["plan", "me", 1.0, 1, False, 60, 70], ["plan", "m", 1.5, 1, False, 62, 70]]
    assert output.sounding == {(0, 60)}
    output.end("me")
    output.close()
    output.send(Message("note_on", note=64, velocity=70), "me")
    output.planned(1.7, Message("note_on", note=64, velocity=70), "m")
    assert late[2:] == [["end", "me"], ["panic"]], "nothing is begun after that"
    assert output.sounding == set()


@pytest.mark.parametrize("seed", range(10))
def test_whatever_is_told_a_late_page_sounds_what_an_early_one_does(seed: int) -> None:
    rng, record, page = random.Random(seed), Record(), Record()
    beat = 0.0
    for _ in range(200):
        beat += rng.random() / 4
        who, pitch = rng.choice("ab"), rng.randrange(60, 64)
        message: list[Any] = rng.choice([
            ["now", who, rng.randrange(2), False, pitch, 70],
            ["plan", who, beat + rng.random(), rng.randrange(2), False, pitch, 70],
            ["cancel", who, beat + rng.random()], ["cancel", who, None], ["end", who],
        ])  # fmt: skip
        for each in (record, page):
            each.take(message, beat)
        if rng.random() < 0.1:  # the page comes anew
            page = Record()
            for told in record.now(beat):
                page.take(told, beat)
        assert _sounding(record, beat) == _sounding(page, beat)


def _sounding(record: Record, beat: float) -> set[Any]:
    record.now(beat)
    return set(record.sounding)
