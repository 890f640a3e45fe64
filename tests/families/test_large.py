"""Learning from shards is learning from the same sequences, in memory that does not grow."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chorales import chorale, tiny
from conftest import tune

from config_bach import Encoding, Paths, Training, UserError
from families import large
from families.base import Dataset, ModelFamily
from families.events.dataset import transposed_sequences
from families.large import (
    ShardSequences,
    encoder_of,
    epoch_length,
    is_large,
    lengths_of,
    order_of,
    read_shards,
)
from families.registry import family_of
from midi_io import write_midi
from storage.bundle import Bundle
from storage.shards import Manifest, write_shard

pytest.importorskip("pyarrow")

TRANSPOSED = Encoding(transpose=2, min_count=3)
PIECES = [tune(45 + i, 30 + 3 * i) for i in range(20)]


def shards_in(folder: Path, pieces: list[Any], family: ModelFamily, encoding: Encoding) -> Path:
    """Pieces as shards, two of them in each."""
    codec, names = family.codec(), []
    for i in range(0, len(pieces), 2):
        names.append(f"shard-{i:05d}-x.parquet")
        rows = [_row(codec, p, folder) for p in pieces[i : i + 2]]
        write_shard(folder / names[-1], rows, [])
    Manifest("here", encoder_of(family, encoding), len(pieces), 0, tuple(names)).save(folder)
    return folder


def _row(codec: Any, piece: Any, folder: Path) -> Any:
    if not hasattr(codec, "_made"):  # the one that takes any piece
        return codec.row(piece, Path(piece.name))
    path = folder / f"{piece.name}.mid"
    write_midi(path, piece.events, 100, 43)
    (row,) = codec.rows(path, TRANSPOSED)
    path.unlink()
    return row


def bundle_of(family: ModelFamily, corpus: Any, encoding: Encoding, **network: Any) -> Bundle:
    vocabulary = family.codec().vocabulary(corpus.shards, encoding)
    return Bundle(
        "x", vocabulary, replace(family.network, seqlen=8, **network), Training(batch=8), {}
    )


@pytest.fixture(scope="module", params=[1, 2, 3])
def learned(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    family = family_of(request.param)
    folder = shards_in(tmp_path_factory.mktemp("shards"), PIECES, family, TRANSPOSED)
    corpus = read_shards(folder, family, TRANSPOSED, seed=1)
    return family, corpus, bundle_of(family, corpus, TRANSPOSED)


def train_pieces(corpus: Any) -> list[Any]:
    return [p for p, side in zip(corpus.pieces, corpus.sides, strict=True) if side == "train"]


def test_the_vocabulary_is_that_of_the_pieces(learned: Any) -> None:
    family, corpus, bundle = learned
    wanted = family.vocabulary(train_pieces(corpus), TRANSPOSED)
    assert (bundle.vocabulary.octave, bundle.vocabulary.velocity) == (
        wanted.octave,
        wanted.velocity,
    )
    for found, field in zip(bundle.vocabulary.fields, wanted.fields, strict=True):
        assert (found.name, found.rare) == (field.name, field.rare)
        assert sorted(found.symbols) == sorted(field.symbols)


def test_sequences_are_those_of_the_pieces_in_every_key(learned: Any) -> None:
    family, corpus, bundle = learned
    sequences = ShardSequences(corpus.shards, family, bundle)
    wanted = transposed_sequences(train_pieces(corpus), bundle.vocabulary, family.lookback)
    found = [sequences.in_key(i, k) for i in range(len(sequences)) for k in range(sequences.keys)]
    for a, b in zip(found, wanted, strict=True):
        assert (a.rows.dtype, a.rows.tolist()) == (b.rows.dtype, b.rows.tolist())
        assert a.targets.tolist() == b.targets.tolist()
    own = family.sequences(train_pieces(corpus), bundle)
    assert [s.rows.tolist() for s in sequences] == [s.rows.tolist() for s in own]
    assert lengths_of(sequences).tolist() == [len(s) for s in own] == lengths_of(own).tolist()
    assert [s.name for s in sequences[2:5]] == [s.name for s in own[2:5]]
    assert sequences[-1].name == own[-1].name
    with pytest.raises(IndexError):
        sequences[len(own)]


@pytest.mark.parametrize("concatenate", [True, False])
@pytest.mark.parametrize("normal", [True, False])
def test_other_ways_of_encoding_are_kept(tmp_path: Path, concatenate: bool, normal: bool) -> None:
    family = family_of(1)
    encoding = Encoding(normal, concatenate, transpose=1)
    folder = shards_in(tmp_path, PIECES[:8], family, encoding)
    corpus: Any = read_shards(folder, family, encoding, seed=1)
    bundle = bundle_of(family, corpus, encoding)
    wanted = family.vocabulary(train_pieces(corpus), encoding)
    assert sorted(bundle.vocabulary.fields[0].symbols) == sorted(wanted.fields[0].symbols)
    found = ShardSequences(corpus.shards, family, bundle)
    own = transposed_sequences(train_pieces(corpus), bundle.vocabulary, False)
    assert [found.in_key(i, k).rows.tolist() for i in range(len(found)) for k in range(3)] == [
        s.rows.tolist() for s in own
    ]


@pytest.fixture(scope="module")
def chorales(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Four voices, by way of the codec that takes any family's pieces."""
    family = family_of(5)
    pieces = [chorale(i) for i in range(20)]
    folder = shards_in(tmp_path_factory.mktemp("satb"), pieces, family, Encoding(transpose=6))
    corpus: Any = read_shards(folder, family, Encoding(transpose=6), seed=1)
    network = tiny()
    vocabulary = family.codec().vocabulary(corpus.shards, Encoding(transpose=6))
    return family, corpus, Bundle("x", vocabulary, network, Training(batch=4, min_steps=5), {})


def test_any_family_can_learn_from_shards(chorales: Any) -> None:
    family, corpus, bundle = chorales
    sequences = ShardSequences(corpus.shards, family, bundle)
    own = family.sequences(train_pieces(corpus), bundle)
    assert [s.rows.tolist() for s in sequences] == [s.rows.tolist() for s in own]
    assert [s.targets.tolist() for s in sequences] == [s.targets.tolist() for s in own]
    assert bundle.vocabulary == family.vocabulary([], Encoding(transpose=6))
    batches = family.batches(Dataset(sequences, [], [], {}), bundle, 0)
    (rows, _, _), targets = batches[0]
    assert rows.shape[:2] == targets.shape[:2] == (4, bundle.network.seqlen)


@pytest.mark.slow
def test_batches_hold_every_event_of_every_piece_once(learned: Any) -> None:
    from families.events.batches import ShardBatches

    family, corpus, bundle = learned
    sequences = ShardSequences(corpus.shards, family, bundle)
    batches = ShardBatches(sequences, bundle.network, Training(batch=8, min_steps=1), 0)
    heard: Counter[int] = Counter()
    for rows, targets in _batches_of(batches):
        assert rows[0].shape == targets[0].shape == (8, 8)
        heard.update((targets[0] >= 0).sum(1).tolist())
    assert sum(n * count for n, count in heard.items()) >= 0.9 * sequences.lengths.sum()
    again = ShardBatches(sequences, bundle.network, Training(batch=8, min_steps=1), 0)
    other = ShardBatches(sequences, bundle.network, Training(batch=8, min_steps=1), 1)
    first = [x[0][0].tolist() for x in _batches_of(again)]
    assert first == [
        x[0][0].tolist()
        for x in _batches_of(
            ShardBatches(sequences, bundle.network, Training(batch=8, min_steps=1), 0)
        )
    ]
    assert first != [x[0][0].tolist() for x in _batches_of(other)]


def _batches_of(batches: Any) -> Iterator[Any]:
    return (batches[i] for i in range(len(batches)))


def test_each_piece_comes_once_in_an_order_of_its_own(
    learned: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "TOGETHER", 3)
    family, corpus, bundle = learned
    sequences = ShardSequences(corpus.shards, family, bundle)
    orders = [list(order_of(sequences, np.random.default_rng(seed))) for seed in (1, 1, 2)]
    assert sorted(orders[0]) == list(range(len(sequences)))
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) != orders[0]
    blocks = list(sequences.blocks(np.random.default_rng(1)))
    assert all(len(set(corpus.shards.groups(sequences._pieces[b]).tolist())) <= 3 for b in blocks)


def test_an_epoch_of_shards_ends_in_time(learned: Any) -> None:
    family, corpus, bundle = learned
    assert epoch_length(ShardSequences(corpus.shards, family, bundle), 10**6) == large.MOST_BATCHES
    assert epoch_length([], 10**6) == 10**6


def test_a_corpus_of_shards_tells_what_it_holds(learned: Any) -> None:
    _, corpus, _ = learned
    (line,) = large.lines(corpus.shards)
    assert "20 of 20 files accepted, 0 copies left out: 20 pieces" in line
    assert "in 10 shards" in line
    assert {"train", "valid", "test"} == set(corpus.sides)


def test_shards_of_another_family_or_encoding_are_refused(learned: Any) -> None:
    family, corpus, _ = learned
    other = family_of(5)
    with pytest.raises(UserError, match="encode the corpus again"):
        read_shards(corpus.shards.folder, other, TRANSPOSED, seed=1)
    with pytest.raises(UserError, match="encode the corpus again"):
        read_shards(corpus.shards.folder, family, Encoding(normal=True), seed=1)
    read_shards(corpus.shards.folder, family, Encoding(transpose=5), seed=1)


def test_a_source_is_large_from_so_many_files_on(
    learned: Any, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_large(str(learned[1].shards.folder))
    for i in range(3):
        (paths.training / f"{i}.mid").write_bytes(b"")
    assert not is_large(str(paths.training))
    monkeypatch.setattr(large, "LARGE", 3)
    assert is_large(str(paths.training))
