"""What every model family promises, whatever its network: one test for all of them."""

import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from chorales import chorale, tiny
from conftest import home, tune
from grooves import groove, little
from songs import piece as song

from config_bach import Composing, Encoding, Network, Paths
from families import metrics
from families.base import Composition, CompositionRequest, Corpus, LoadedModel, ModelFamily, Split
from families.registry import families, family_of
from litert.export import with_variants
from litert.keras_runner import network_of, on_keras
from litert.loading import loaded
from storage import bundle as bundles
from storage.bundle import Bundle
from workflows.trainer import TrainingTask, new_bundle, resumed, train

pytestmark = pytest.mark.slow

FAMILIES = families()
IDS = [str(family.number) for family in FAMILIES]


def pieces_for(family: ModelFamily) -> tuple[object, ...]:
    """A small corpus, the same as the shared bundles have."""
    if family.voices:
        return tuple(chorale(i) for i in range(20))
    if not family.pitched:
        return tuple(groove(i) for i in range(16))
    if family.unit == "token":
        return tuple(song(i, 3 + i % 4) for i in range(12))
    return tuple(tune(50 + i, 50 + 3 * i) for i in range(12))


def small(family: ModelFamily) -> Network:
    """The network of a family, very small."""
    if family.voices:
        return tiny()
    if not family.pitched:
        return little()
    return replace(family.network, units=10, embedding=6, seqlen=8, dropout=0.1, input_dropout=0.0)


def started(family: ModelFamily, epochs: int) -> tuple[Bundle, Split]:
    """An untrained bundle and its split."""
    corpus = Corpus("small", pieces_for(family), ())
    training = replace(family.training, epochs=epochs, batch=4, min_steps=6, patience=99)
    encoding = Encoding(transpose=min(family.transpose, 1))
    return new_bundle("contract", corpus, encoding, small(family), training)


@pytest.fixture(scope="module", params=FAMILIES, ids=IDS)
def trained_home(request: pytest.FixtureRequest) -> tuple[Bundle, Paths]:
    """A small trained bundle of each family, and the home where it was trained."""
    shared = {2: "event_bundle", 4: "drum_bundle", 5: "satb_bundle"}
    if name := shared.get(request.param.number):
        found: tuple[Bundle, Paths] = request.getfixturevalue(name)
        return found
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    paths = home(factory.mktemp("contract"))
    bundle, parts = started(request.param, 2)
    return train(bundle, parts, paths), paths


@pytest.fixture(scope="module")
def trained(request: pytest.FixtureRequest, trained_home: tuple[Bundle, Paths]) -> Bundle:
    """The bundle with its LiteRT model in 32 bits."""
    number = trained_home[0].network.model_type
    if number == 2:
        all_variants: Bundle = request.getfixturevalue("all_variants")
        return all_variants
    if number == 5:
        all_voices: tuple[Bundle, object] = request.getfixturevalue("all_voices")
        return all_voices[0]
    return with_variants(trained_home[0], ["float32"])


@pytest.fixture(scope="module")
def model(trained: Bundle) -> LoadedModel:
    return loaded(trained, "float32")


def test_keras_and_litert_give_the_same_probabilities(trained: Bundle, model: LoadedModel) -> None:
    """Whole sequences by Keras, steps by Keras and steps by LiteRT: to 1e-5."""
    family, network = model.family, network_of(trained)
    sequences = family.sequences(family.unpack(trained.held_out), trained)
    symbols = max(len(f.symbols) for f in trained.vocabulary.fields)
    whole = {s.name: p for s, p in metrics.forward(family, network, sequences, symbols)}
    by_keras = on_keras(trained, network).predictor
    for predictor in (by_keras, model.predictor):
        for sequence, heads in metrics.stepwise(predictor, sequences):
            for a, b in zip(whole[sequence.name], heads, strict=True):
                np.testing.assert_allclose(a, b, atol=1e-5)


def test_probabilities_are_probabilities(trained: Bundle, model: LoadedModel) -> None:
    family = model.family
    sequences = family.sequences(family.unpack(trained.held_out), trained)
    for _, heads in metrics.stepwise(model.predictor, sequences):
        for head in heads:
            assert (head >= 0).all()
            np.testing.assert_allclose(head.sum(-1), 1, atol=1e-4)


def test_nll_is_that_of_the_reported_probabilities(trained: Bundle, model: LoadedModel) -> None:
    """Counted by hand: the mean of -log p of what came, over steps, summed over heads."""
    family, fields = model.family, trained.vocabulary.fields
    sequences = family.sequences(family.unpack(trained.held_out), trained)
    scored = list(metrics.stepwise(model.predictor, sequences))
    nats, units = 0.0, 0
    for sequence, heads in scored:
        for step, targets in enumerate(sequence.targets.tolist()):
            for head, target in enumerate(targets):
                nats -= float(np.log(heads[head][step, target]))
                nats += fields[head].unknown_nats if target == 0 and not family.voices else 0.0
            units += len(family.voices) or 1
    found = metrics.measure(family, scored, fields)
    assert found.nll == pytest.approx(nats / units, rel=1e-5)
    assert found.count == units
    assert found.nll == pytest.approx(trained.metadata["metrics"]["valid"]["nll"], abs=2e-3)


def test_a_bundle_comes_back_from_its_file(
    trained: Bundle, model: LoadedModel, paths: Paths
) -> None:
    path = paths.models / "x.zip"
    trained.save(path)
    again = bundles.load(path)
    for field in ("name", "vocabulary", "network", "training", "metadata", "music", "held_out"):
        assert getattr(again, field) == getattr(trained, field)
    assert again.steps == trained.steps
    for a, b in zip(again.weights, trained.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    family = model.family
    assert family.pack(family.unpack(again.music)) == again.music


def test_what_a_bundle_carries_are_the_pieces_that_were_learned(
    trained: Bundle, model: LoadedModel
) -> None:
    table = trained.metadata["corpus"]["pieces"]
    for side, data in (("train", trained.music), ("valid", trained.held_out)):
        wanted = [(p["name"], p["fingerprint"]) for p in table if p["side"] == side]
        assert [(p.name, p.fingerprint) for p in model.family.unpack(data)] == wanted


def test_the_same_seed_composes_the_same(model: LoadedModel, paths: Paths) -> None:
    def piece(seed: int) -> Composition:
        request = CompositionRequest(Composing(seed=seed, notes=40, temperature=1.5))
        return model.family.compose(model, request, paths)

    first, again = piece(1), piece(1)
    assert list(first.events) == list(again.events)
    assert any(list(piece(seed).events) != list(first.events) for seed in range(2, 10))
    assert sum(len(e.drawn) for e in first.events) > 0


def test_the_same_seed_streams_the_same(model: LoadedModel) -> None:
    def music(seed: int) -> list[object]:
        composer = model.family.stream(model, Composing(seed=seed, temperature=1.5))
        return [prediction.event for prediction in islice(composer, 30)]

    assert music(3) == music(3)
    assert any(music(3) != music(seed) for seed in range(4, 12))


def test_temperature_zero_always_takes_the_likeliest(model: LoadedModel) -> None:
    composer = model.family.stream(model, Composing(seed=3, temperature=0.0))
    for prediction in islice(composer, 20):
        assert prediction.chosen != 0
    a, b = (model.family.stream(model, Composing(seed=3, temperature=0.0)) for _ in range(2))
    assert [p.event for p in islice(a, 20)] == [p.event for p in islice(b, 20)]


@pytest.mark.usefixtures("without_export")
def test_a_training_goes_on_where_it_stopped(
    trained_home: tuple[Bundle, Paths], tmp_path: Path
) -> None:
    """The weights are those of the last epoch, the optimizer has counted its steps."""
    shutil.copytree(trained_home[1].root, tmp_path / "home")
    paths = Paths(tmp_path / "home")
    last = bundles.load(paths.checkpoint / trained_home[0].name / "last.zip")
    pieces = pieces_for(family_of(last.network.model_type))
    again, parts = resumed(last, 1, Corpus("small", pieces, ()))
    assert parts.table() == last.metadata["corpus"]["pieces"]
    task = TrainingTask.of(again, parts)
    network = task.compiled(again)
    assert int(network.optimizer.iterations.numpy()) == int(last.optimizer[0])
    short = replace(again, training=replace(again.training, min_steps=4))
    gone_on = train(short, parts, paths)
    done = len(last.metadata["history"])
    assert [e["epoch"] for e in gone_on.metadata["history"]] == list(range(1, done + 2))
    assert gone_on.metadata["history"][:done] == last.metadata["history"]


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_a_dataset_counts_every_step_once(family: ModelFamily) -> None:
    bundle, parts = started(family, 1)
    task = TrainingTask.of(bundle, parts)
    each = len(family.voices) or 1
    first = family.unit in ("event", "token")  # of a piece, which is heard and not predicted
    wanted = each * sum(len(p) - first for p in parts.valid)
    assert task.counts()["valid"] == wanted
    assert task.dataset.baselines
