"""Composing percussion with a network whose probabilities are known."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from grooves import groove, little, short_training
from predictors import Fixed

from config_bach import Composing, Encoding
from families.base import LoadedModel
from families.drums.encoding import FIRST, KINDS, SILENT, SYMBOLS, drum_vocabulary
from families.drums.family import Drums
from families.drums.features import PAST
from families.drums.kit import NAMES
from families.drums.sampler import SONG, DrumComposer, DrumSampler, compose, metre_of
from families.registry import family_of
from music.copies import CopyIndex, CopyTracker
from storage.bundle import Bundle

FAMILY = family_of(4)
HAT = NAMES.index("closed hi-hat")


def chances(struck: float, symbol: int = FIRST + 2) -> list[float]:
    """The probabilities of a kind that is struck as often as that."""
    return [0.0, 1 - struck, *(struck * (s == symbol) for s in range(FIRST, SYMBOLS))]


def kit(**kinds: float) -> Fixed:
    """Kinds by name that are struck as often as told, the others never."""
    told = {name.replace("_", " "): p for name, p in kinds.items()}
    return Fixed(*(chances(told.get(name, 0.0)) for name in NAMES))


def model_of(predictor: Fixed, metres: Sequence[Sequence[int]] = ((24, 1),)) -> LoadedModel:
    metadata = {"history": [], "metres": [list(m) for m in metres], "bpm": None}
    bundle = Bundle("x", drum_vocabulary(Encoding()), little(), short_training(), metadata)
    return LoadedModel(bundle, FAMILY, predictor, "none")


def settings(**options: object) -> Composing:
    return replace(Composing(top_p=1.0, seed=1), **options)  # type: ignore[arg-type]


def test_a_piece_is_whole_bars_with_enough_events() -> None:
    piece = compose(model_of(kit(kick=0.3)), settings(notes=20), 18)
    assert len(piece) % 18 == 0
    struck = int((piece.symbols >= FIRST).any(1).sum())
    last_bar = int((piece.symbols[-18:] >= FIRST).any(1).sum())
    assert struck >= 20 > struck - last_bar


def test_silence_without_end_is_ended() -> None:
    piece = compose(model_of(kit()), settings(notes=5), 24)
    assert len(piece) == 5 * 24
    assert piece.hits == 0
    assert all(e.duration == 4 for e in piece.events)


def test_after_a_prime_bars_go_on() -> None:
    predictor = kit(kick=1.0)
    prime = groove(1, bars=3)
    piece = compose(model_of(predictor), settings(notes=24), 24, prime)
    rows = np.concatenate(predictor.rows)
    assert len(rows) == 72 + 24
    assert rows[::24, PAST + 3].tolist() == [0, 1, 2, 3]  # bars of the phrase
    assert (rows[72, :KINDS] == prime.symbols[-1]).all()
    assert piece.places[0].tolist() == [0, 0, 24]


def test_it_hears_and_answers_step_by_step() -> None:
    predictor = kit(kick=1.0)
    sampler = DrumSampler(predictor, settings(), np.random.default_rng(0))
    heard = [SILENT] * HAT + [FIRST + 1] + [SILENT] * (KINDS - HAT - 1)
    sampler.hear(heard, (0, 0, 24))
    answer = sampler.play((0, 1, 24))
    assert answer == [FIRST + 2] + [SILENT] * (KINDS - 1)
    assert predictor.rows[1][0, :KINDS].tolist() == heard
    assert sampler.chances["kick"] == 1.0
    assert sampler.chances["snare"] == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_metres_come_as_often_as_in_the_corpus(seed: int) -> None:
    model = model_of(kit(), [(24, 3), (18, 1)])
    drawn = [metre_of(model, 100 * seed + i) for i in range(100)]
    assert set(drawn) == {24, 18}
    assert 55 <= drawn.count(24) <= 92
    assert metre_of(model, seed) == metre_of(model, seed)


def test_music_without_end_is_piece_after_piece() -> None:
    composer = DrumComposer(model_of(kit(kick=0.5, snare=0.2)), settings())
    events = list(islice(composer, 1400))
    begins = [i for i, p in enumerate(events) if p.begins is not None]
    assert begins[0] == 0
    assert events[0].begins == 1
    assert len(begins) > 2
    bars = sum(p.event.beat == 0 for p in events[begins[0] : begins[1]])
    assert bars == SONG
    again = DrumComposer(
        model_of(kit(kick=0.5, snare=0.2)), settings(seed=events[begins[1]].begins)
    )
    second = [p.event for p in events[begins[1] : begins[2]]]
    assert [p.event for p in islice(again, len(second))] == second


def test_settings_may_change_while_it_plays() -> None:
    composer = DrumComposer(model_of(kit(kick=0.3)), settings())
    next(composer)
    composer.settings = settings(temperature=0.0)
    later = list(islice(composer, 40))[8:]
    assert all(not p.event.sounds for p in later)  # the likeliest is silence


def test_predictions_tell_which_kinds_were_likely() -> None:
    composer = DrumComposer(model_of(kit(kick=1.0, snare=0.25)), settings())
    for prediction in islice(composer, 50):
        assert prediction.likely[:2] == (("kick", 1.0), ("snare", 0.25))
        both = prediction.name == "kick + snare"
        assert both or prediction.name == "kick"
        assert prediction.probability == pytest.approx(0.25 if both else 0.75)
        assert len(prediction.event.sounds) == 1 + both


def test_the_name_of_nothing_is_silence() -> None:
    prediction = next(DrumComposer(model_of(kit(snare=0.0)), settings()))
    assert prediction.name == "silence"
    assert prediction.event.duration == 4


def test_copies_are_kept_as_short_as_wanted() -> None:
    predictor = kit(kick=0.9, closed_hi_hat=0.1)
    learned = [compose(model_of(predictor), settings(notes=200, seed=9), 24)]
    index = CopyIndex(("learned", p.events) for p in learned)

    def longest(most: int | None) -> int:
        found = 0
        for seed in range(3):
            rng = np.random.default_rng(seed)
            sampler = DrumSampler(predictor, settings(max_copy=most), rng, CopyTracker(index))
            steps = [sampler.play((i // 24, i % 24, 24)) for i in range(240)]
            piece = replace(groove(0, bars=10), symbols=np.array(steps, np.uint8))
            found = max(found, index.longest(piece.events).notes)
        return found

    free = longest(None)
    assert free > 12
    assert longest(12) <= 12


def test_the_family_has_names_for_what_it_makes() -> None:
    assert isinstance(FAMILY, Drums)
    assert (FAMILY.kind, FAMILY.pitched, FAMILY.own_instruments) == ("drums", False, True)
