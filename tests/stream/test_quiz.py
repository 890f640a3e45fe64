"""'Bach or not?' over real HTTP: what it plays, what it tells and when, what it counts."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live import LOGIN, SHIPPED, get, settings

from config_bach import Paths, UserError
from gui.server import PageServer
from storage.answers import answers_of
from stream import quiz as quizzes
from stream.listener import Full
from stream.quiz import Quiz, Round
from stream.quiz_worker import Done, Job, Piece
from stream.server import Servers

from .test_tunes import post

VOICES = SHIPPED.parent / "bach5_nc_mo.zip"
NOTE = [[60, 64], "1", 90]


class Quick(Quiz):
    """Rounds whose excerpts cost nothing."""

    jobs: list[Job]

    def _do(self, job: Job) -> Done:
        self.jobs = [*getattr(self, "jobs", []), job]
        real = [Piece([NOTE], name=f"bwv{i}.mxl") for i in range(job.real)]
        composed = None if job.compose is None else Piece([NOTE, NOTE], seed=job.compose)
        return Done("print", real, composed, b"sound" if job.render else b"")


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Quick]:
    """Rounds without a process."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / VOICES.name).symlink_to(VOICES)
    from stream.model_cache import ModelCache

    paths = Paths(tmp_path)
    quiz = Quick(ModelCache(paths), paths, settings())
    yield quiz
    quiz.close()


def played(quiz: Quick, name: str, said: bool = True) -> list[Any]:
    """All answers of a round."""
    answers = []
    for number in range(1, 11):
        quiz.sound(name, number)
        answers.append(quiz.answer(name, number, said))
    return answers


def round_of(quiz: Quick, name: str) -> Round:
    return quiz._rounds[name]


def test_half_is_bach_in_an_order_that_nobody_knows(quick: Quick) -> None:
    orders = []
    for _ in range(6):
        name = quick.begin("anna")
        answers = played(quick, name)
        assert sum(a.bach for a in answers) == 5
        assert [a.score for a in answers][-1] == 5
        assert [a.answers for a in answers] == list(range(1, 11))
        assert sorted(a.piece for a in answers if a.bach) == [f"bwv{i}.mxl" for i in range(5)]
        seeds = [a.seed for a in answers if not a.bach]
        assert len(set(seeds)) == 5
        assert all(a.seed is None and a.right for a in answers if a.bach)
        orders.append(tuple(a.bach for a in answers))
    assert len(set(orders)) > 3


def test_each_excerpt_takes_the_same_work_and_no_seed_is_left_out(quick: Quick) -> None:
    name = quick.begin("anna")
    answers = played(quick, name)
    composing = [job.compose is not None for job in quick.jobs]
    assert composing == [True] * 5 + [False] * 6  # whatever the order is
    drawn = [job.compose for job in quick.jobs if job.compose is not None]
    assert [a.seed for a in answers if not a.bach] == drawn
    rendered = [len(job.render) for job in quick.jobs[1:]]
    assert rendered == [1 if a.bach else 2 for a in answers]


def test_the_first_answer_counts_and_only_that(quick: Quick, tmp_path: Path) -> None:
    name = quick.begin("anna")
    quick.sound(name, 1)
    first = quick.answer(name, 1, True)
    assert quick.answer(name, 1, False) == first
    assert len(round_of(quick, name).answers) == 1
    assert answers_of(Paths(tmp_path)).of(VOICES.stem, "print").answers == 1


def test_counts_survive_a_restart(quick: Quick, tmp_path: Path) -> None:
    played(quick, quick.begin("anna"))
    played(quick, quick.begin("anna"), said=False)
    again = answers_of(Paths(tmp_path)).of(VOICES.stem, "print")
    assert (again.real, again.real_right, again.composed, again.composed_right) == (10, 5, 10, 5)


def test_a_file_that_cannot_be_written_does_not_end_the_game(quick: Quick, tmp_path: Path) -> None:
    (tmp_path / "answers.db").mkdir()
    assert len(played(quick, quick.begin("anna"))) == 10


def test_only_the_excerpt_in_hand_and_the_next_can_be_heard(quick: Quick) -> None:
    name = quick.begin("anna")
    for number in (0, 2, 3, 11):
        with pytest.raises(UserError):
            quick.sound(name, number)
    with pytest.raises(UserError, match="hear this excerpt first"):
        quick.answer(name, 1, True)
    assert quick.sound(name, 1) == quick.sound(name, 2) == b"sound"
    with pytest.raises(UserError, match="before this one"):
        quick.sound(name, 3)
    with pytest.raises(UserError, match="hear this excerpt first"):
        quick.answer(name, 2, True)
    quick.answer(name, 1, True)
    with pytest.raises(UserError, match="is answered"):
        quick.sound(name, 1)
    assert list(round_of(quick, name).sounds) == [2]  # the memory is let go
    jobs = len(quick.jobs)
    quick.sound(name, 2)
    assert len(quick.jobs) == jobs
    with round_of(quick, name).making, pytest.raises(Full, match="is being made"):
        quick.sound(name, 3)


def test_rounds_are_bounded(quick: Quick, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quizzes, "MOST", 6)
    names = [quick.begin("anna") for _ in range(6)]
    assert quick.sound(names[0], 1) is None  # the oldest of one person make room
    assert quick.answer(names[1], 1, True) is None
    assert quick.sound(names[2], 1) == b"sound"
    for other in ("b", "c"):
        quick.begin(other)
    with pytest.raises(Full, match="too many people"):
        quick.begin("d")
    round_of(quick, names[3]).used -= quizzes.FORGET + 1
    quick.begin("d")
    assert quick.answer(names[3], 1, True) is None


def test_the_model_is_one_of_bachs_chorales(quick: Quick, tmp_path: Path) -> None:
    (tmp_path / "models" / "later6.zip").symlink_to(SHIPPED.parent / "madrigals6_nc_mo.zip")
    (tmp_path / "models" / "later2.zip").symlink_to(SHIPPED)
    assert quick.model() == VOICES.stem
    (tmp_path / "models" / VOICES.name).unlink()
    assert quick.model() is None
    with pytest.raises(UserError, match="no model of Bach's chorales"):
        quick.begin("anna")


# ---- over HTTP, with the process


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A server with the model of Bach's chorales."""
    home = tmp_path_factory.mktemp("quiz")
    (home / "models").mkdir()
    shutil.copy(VOICES, home / "models")
    running = Servers(settings(), Paths(home), PageServer)
    yield running
    running.close()


@pytest.fixture(scope="module")
def begun(servers: Servers) -> dict[str, Any]:
    """A round whose first two excerpts were heard; what the server told so far."""
    link = f"/round/{servers.context.links.sign('round', {'user': 'anna'})}"
    status, _, told = post(servers, link, {}, login="")
    assert status == 200, told
    sounds = [heard(servers, told, number) for number in (1, 2)]
    return {**told, "sounds": sounds}


def heard(servers: Servers, told: dict[str, Any], number: int) -> tuple[int, Any, bytes]:
    port = servers.context.server.flask_port
    return get(port, f"{told['sound'][2:]}{number}.mp3", None, 10**7)


@pytest.mark.slow
def test_excerpts_are_alike_and_nothing_tells_them_apart(
    servers: Servers, begun: dict[str, Any]
) -> None:
    assert set(begun) == {"excerpts", "sound", "guess", "sounds"}
    (known,) = servers.context.quiz._rounds.values()
    for status, headers, sound in begun["sounds"]:
        assert status == 200
        assert set(headers) == set(begun["sounds"][0][1])
        assert headers["Content-Type"] == "audio/mpeg"
        assert "bwv" not in str(headers).lower()
        assert sound[0] == 0xFF  # sound from the first byte: no tags
        seconds = len(sound) * 8 / 128_000
        assert 16 * 60 / 96 <= seconds <= 48 * 60 / 96 + 6
    assert sorted({len(p.events[0]) for p in (*known.real, *known.composed)}) == [7]
    assert {e[2] for p in (*known.real, *known.composed) for e in p.events} == {90}
    assert all(re.fullmatch(r"bwv.*", p.name) for p in known.real)


GUESSES: list[tuple[Any, int]] = [
    ({"number": 0, "bach": True}, 400),
    ({"number": 11, "bach": True}, 400),
    ({"number": 3, "bach": True}, 400),
    ({"number": 1}, 400),
    ({"bach": True}, 400),
    ({"number": 1, "bach": 1}, 400),
    ({"number": "1", "bach": True}, 400),
    ({"number": 1.5, "bach": True}, 400),
    ({"number": 1, "bach": True, "x": 1}, 400),
    ([1, True], 400),
    (b"", 400),
    (b"[" * 4000, 400),
    (b"\xff", 400),
    (b" " * 5000, 413),
]


@pytest.mark.slow
def test_bad_answers_are_refused_in_a_sentence_and_tell_nothing(
    servers: Servers, begun: dict[str, Any]
) -> None:
    for body, status in GUESSES:
        found, _, text = post(servers, begun["guess"][2:], body, login="")
        assert found == status, body
        assert text.count("\n") == 1
        assert "BWV" not in text
        assert "seed" not in text
    assert (
        post(servers, begun["guess"][2:], {"number": 1, "bach": True}, "text/plain", "")[0] == 415
    )
    for name in ("0.mp3", "3.mp3", "11.mp3"):
        port = servers.context.server.flask_port
        assert get(port, begun["sound"][2:] + name, None)[0] == 400
    for name in ("x.mp3", "1.wav", "1", "-1.mp3", "111.mp3"):
        assert get(port, begun["sound"][2:] + name, None)[0] == 404
    for path in ("/quiz/x", "/excerpt/x/1.mp3", begun["sound"][2:].replace("excerpt", "quiz")[:-1]):
        assert get(port, path, None)[0] == 403
    (known,) = servers.context.quiz._rounds.values()
    assert known.answers == []


@pytest.mark.slow
def test_an_answer_tells_what_it_was_and_is_counted_once(
    servers: Servers, begun: dict[str, Any]
) -> None:
    (known,) = servers.context.quiz._rounds.values()
    guess = {"number": 1, "bach": True}
    status, headers, told = post(servers, begun["guess"][2:], guess, login="")
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert told["bach"] == told["right"] == known.order[0]
    assert told["piece"].startswith("BWV ") == known.order[0]
    assert (told["seed"] is None) == known.order[0]
    assert (told["score"], told["answers"]) == (int(known.order[0]), 1)
    other = post(servers, begun["guess"][2:], {"number": 1, "bach": False}, login="")[2]
    assert other == told
    counts = servers.context.quiz._answers.of(known.model, known.fingerprint)
    assert (counts.answers, counts.right) == (1, int(known.order[0]))


@pytest.mark.slow
def test_a_model_that_was_replaced_ends_the_round(servers: Servers, begun: dict[str, Any]) -> None:
    (known,) = servers.context.quiz._rounds.values()
    with pytest.raises(UserError, match="was replaced"):
        servers.context.quiz._do(Job(known.model, "other"))


@pytest.mark.slow
def test_when_many_want_excerpts_the_others_are_told_to_come_again(servers: Servers) -> None:
    quiz = servers.context.quiz
    for _ in range(4):
        quiz._places.acquire()
    link = f"/round/{servers.context.links.sign('round', {'user': 'b'})}"
    status, headers, text = post(servers, link, {}, login=LOGIN)
    for _ in range(4):
        quiz._places.release()
    assert (status, headers["Retry-After"]) == (503, "30")
    assert "try again later" in text
