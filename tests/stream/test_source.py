"""What a station plays: the models it may have, and the events they give."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from config_bach import Composing, Paths, UserError
from families.base import LoadedModel, Prediction
from families.drums.kit import NAMES
from families.sampling import with_temperature
from families.satb.plan import plan_of_piece
from families.satb.style import style_in
from litert.loading import loaded
from music.copies import CopyTracker, sixteenths
from music.events import Event
from storage.bundle import Bundle
from storage.catalog import path_of
from stream.context import ServerContext
from stream.model_cache import ModelCache
from stream.player_settings import PlayerSettings, range_of
from stream.settings import Server
from stream.source import Source

pytestmark = pytest.mark.slow


@pytest.fixture
def cache(event_bundle: tuple[Bundle, Paths], paths: Paths) -> ModelCache:
    """The small model, in a home of its own."""
    bundle, trained_in = event_bundle
    shutil.copy(path_of(bundle.name, trained_in), paths.models)
    return ModelCache(paths)


def test_a_model_is_read_once_and_again_when_its_file_changes(
    cache: ModelCache, event_bundle: tuple[Bundle, Paths], paths: Paths
) -> None:
    bundle, name = event_bundle[0], event_bundle[0].name
    first = cache.model(name)
    assert cache.model(name) is first
    assert first.bundle.weights == []
    bundle.with_metadata(bpm=111).save(path_of(name, paths))
    assert cache.model(name).metadata["bpm"] == 111


def test_without_the_usual_variant_another_one_plays(
    event_bundle: tuple[Bundle, Paths], paths: Paths
) -> None:
    bundle = event_bundle[0]
    other = replace(bundle, steps={"dynamic": bundle.steps["float32"]})
    other.save(path_of(bundle.name, paths))
    assert ModelCache(paths).model(bundle.name).variant == "dynamic"
    assert ModelCache(paths, variant="int8").model(bundle.name).variant == "dynamic"
    with pytest.raises(UserError, match="has no variant int8"):
        ModelCache(paths).model(f"{bundle.name}:int8")
    replace(bundle, steps={}).save(path_of(bundle.name, paths))
    with pytest.raises(UserError, match="holds nothing to compose with"):
        ModelCache(paths).model(bundle.name)


def test_a_model_of_an_unknown_type_is_left_out(
    cache: ModelCache, event_bundle: tuple[Bundle, Paths], paths: Paths
) -> None:
    bundle = event_bundle[0]
    strange = replace(bundle, network=replace(bundle.network, model_type=77))
    strange.save(path_of("strange77_nc_mo", paths))
    assert list(cache.models()) == [bundle.name]


def test_four_voices_copy_no_more_than_their_limit(
    satb_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As -pm does, unless told otherwise: 20 notes in a row of the training pieces. Here 9."""
    assert satb_model.family.max_copy == 20
    limit = 9
    monkeypatch.setattr(type(satb_model.family), "max_copy", limit)
    index = satb_model.copy_index
    assert index
    tracker, longest = CopyTracker(index), 0
    source = Source(satb_model, 0.6, seed=1)
    for event in islice(source, 150):
        for part in sixteenths((event.event,)):
            longest = max(longest, tracker.feed(part))
    free = satb_model.family.stream(satb_model, Composing(seed=1, temperature=0.6, max_copy=9999))
    tracker, unlimited = CopyTracker(index), 0
    for prediction in islice(free, 150):
        for part in sixteenths((prediction.event,)):
            unlimited = max(unlimited, tracker.feed(part))
    assert unlimited > limit >= longest


class Fixed:
    """A composer of dominant, suspension and tonic, in F sharp minor, and of nothing after them."""

    def __init__(self, symbols: int) -> None:
        self.settings, self._p = Composing(), np.full(symbols, 1 / symbols, np.float32)
        chords = ((73, 65, 56, 49), (73, 71, 61, 54), (73, 69, 61, 54), (73, 69, 61, 54))
        self._events = [
            Event(tuple(sorted(voices)), Fraction(1), 90, voices, (True,) * 4, None, number > 0)
            for number, voices in enumerate(chords)
        ]

    def __iter__(self) -> Iterator[Prediction]:
        return self

    def __next__(self) -> Prediction:
        return Prediction(self._events.pop(0), self._p, 0, key="F#m")


def test_the_key_is_told_and_the_chord_where_a_phrase_ends(
    event_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    symbols = len(event_model.vocabulary.fields[0].symbols)
    monkeypatch.setattr(type(event_model.family), "stream", lambda *_: Fixed(symbols))
    told = list(islice(Source(event_model, 1.0, seed=1), 4))
    assert [(x.key, x.cadence) for x in told] == [
        ("F#m", ""),
        ("F#m", ""),
        ("F#m", "i"),
        ("F#m", ""),
    ]


def test_four_voices_tell_the_key_of_their_plan(satb_model: LoadedModel) -> None:
    (first,) = islice(Source(satb_model, 1.0, seed=1), 1)
    plan = plan_of_piece(satb_model.metadata, style_in(satb_model.metadata), 1)
    assert first.key == plan.key.midi_name


def test_what_composes_without_a_key_tells_none(event_model: LoadedModel) -> None:
    assert {(x.key, x.cadence) for x in islice(Source(event_model, 1.0, seed=1), 5)} == {("", "")}


def test_what_is_shown_is_the_distribution_at_that_temperature(event_model: LoadedModel) -> None:
    source = Source(event_model, 1.7, seed=2)
    composer = event_model.family.stream(event_model, Composing(seed=2, temperature=1.7))
    for shown, predicted in islice(zip(source, composer, strict=False), 10):
        p = with_temperature(predicted.probabilities, 1.7)
        symbols = event_model.vocabulary.fields[0].symbols
        assert shown.chosen == symbols[predicted.chosen]
        assert shown.probability == pytest.approx(p[predicted.chosen])
        assert shown.likely[0][1] == pytest.approx(p.max())
        assert "?" not in [name for name, _ in shown.likely]


def test_the_default_tempo_is_within_the_range_of_the_slider(
    event_bundle: tuple[Bundle, Paths], paths: Paths
) -> None:
    bundle = event_bundle[0]
    low, high = range_of("bpm")
    for bpm, wanted in ((high + 100, high), (low - 20, low), (100.4, 100), (None, 90)):
        bundle.with_metadata(bpm=bpm).save(path_of(bundle.name, paths))
        context = ServerContext(Server(password="x"), paths)
        assert context.default_settings().bpm == wanted
        context.close()


def test_each_voice_may_have_an_instrument_of_its_own() -> None:
    settings = PlayerSettings("x", program=20, alto=30, bass=44)
    assert settings.programs == (20, 30, 20, 44)


def test_a_bundle_without_training_pieces_plays_without_a_limit(satb_model: LoadedModel) -> None:
    bundle = replace(satb_model.bundle, music=b"")
    model = loaded(bundle, satb_model.variant)
    assert model.copy_index is None
    source = Source(model, 1.0, seed=1)
    assert [next(source).from_corpus for _ in range(5)] == [False] * 5


def test_a_station_begins_with_what_makes_melodies(
    cache: ModelCache, drum_bundle: tuple[Bundle, Paths], paths: Paths
) -> None:
    tunes = cache.usual()
    drums, trained_in = drum_bundle
    shutil.copy(path_of(drums.name, trained_in), paths.models)
    assert list(cache.models())[-1] == drums.name  # the latest
    assert cache.usual() == tunes != drums.name
    path_of(str(tunes), paths).unlink()
    assert cache.usual() == drums.name


def test_what_is_struck_is_told_by_name(drum_model: LoadedModel) -> None:
    source = Source(drum_model, 1.0, seed=2)
    composer = drum_model.family.stream(drum_model, drum_model.limited(Composing(seed=2)))
    for shown, predicted in islice(zip(source, composer, strict=False), 20):
        assert (shown.event, shown.chosen) == (predicted.event, predicted.name)
        assert shown.likely == predicted.likely
        assert shown.probability == predicted.probability
        assert set(shown.chosen.split(" + ")) <= {*NAMES, "silence"}
