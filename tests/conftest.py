"""Small real things that the tests share: pieces, trained bundles, a Play Bach home of their own."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live import equipped, new_context, new_servers  # noqa: F401  (fixtures of the live music)
from once import once, own_copy

from config_bach import Paths
from families.base import Corpus, LoadedModel
from litert.variants import VARIANTS
from music.events import Event, Piece
from storage.bundle import Bundle

if TYPE_CHECKING:
    from litert.parity import Row

# a suite that runs in the background inherits an ignored Ctrl-C, and so would what it starts
signal.signal(signal.SIGINT, signal.default_int_handler)
gc.set_threshold(20_000, 20, 20)  # see searched_once

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "models" / "bach2_nc_mo.zip"
TINY = ["--units", "12", "--seqlen", "8"]
LONGEST = (  # files, by what they take: one that begins last is waited for by all other processes
    "families/test_contract.py",
    "workflows/test_trainer.py",
    "test_containers.py",
    "families/satb/test_family.py",
    "workflows/test_finetune.py",
    "litert/test_interpreter.py",
    "litert/test_benchmark.py",
    "litert/test_parity.py",
    "test_same_notes.py",
    "workflows/test_stops.py",
    "workflows/test_parallel.py",
    "cli/test_fit.py",
    "families/test_toy_family.py",
    "gui/test_page.py",
    "gui/test_device.py",
    "gui/test_access.py",
    "gui/test_login.py",
    "gui/test_duet.py",
    "families/satb/test_network.py",
    "cli/test_encode.py",
    "stream/test_workers.py",
    "stream/test_tunes.py",
    "stream/test_server.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first."""
    places = {ROOT / "tests" / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(autouse=True, scope="module")
def searched_once() -> Iterator[None]:
    """What a module leaves is not searched for garbage again: TensorFlow keeps millions of objects."""
    yield
    if "keras" in sys.modules:
        gc.collect()
        gc.freeze()


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """An empty installation."""
    return home(tmp_path)


def home(folder: Path) -> Paths:
    """The folders of an installation."""
    for name in ("training", "models", "checkpoint"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return Paths(folder)


def tune(start: int, length: int = 60, name: str = "") -> Piece:
    """A piece that can be learned: up and down a scale, long notes on the turns, a chord each time."""
    scale = [0, 2, 4, 5, 7, 9, 11, 12, 11, 9, 7, 5, 4, 2]
    events = []
    for i in range(length):
        step = i % len(scale)
        pitches = (start, start + 4, start + 7) if step == 0 else (start + scale[step],)
        events.append(Event(pitches, Fraction(1, 2) if step % 7 else Fraction(1), 90))
    return Piece(name or f"tune{start}", tuple(events), 100.0, 43)


@pytest.fixture(scope="session")
def tunes() -> list[Piece]:
    """Twelve pieces that differ by more than their key."""
    return [tune(50 + i, 50 + 3 * i) for i in range(12)]


@pytest.fixture
def write_tunes(paths: Paths, tunes: list[Piece]) -> Callable[[], Paths]:
    """Put the tunes into training/ as MIDI files."""
    from midi_io import write_midi

    def write() -> Paths:
        for piece in tunes:
            write_midi(paths.training / f"{piece.name}.mid", piece.events, 100, 43)
        return paths

    return write


@pytest.fixture(scope="session")
def event_bundle(
    tmp_path_factory: pytest.TempPathFactory, tunes: list[Piece]
) -> tuple[Bundle, Paths]:
    """A small type 2 model, really trained on the tunes, in a home of its own."""

    def trained(folder: Path) -> tuple[Bundle, Path]:
        from config_bach import Encoding, Network, Training
        from workflows.trainer import new_bundle, train

        network = Network(model_type=2, units=24, embedding=8, seqlen=8, dropout=0.1)
        training = Training(epochs=5, learning_rate=0.02, min_steps=25)
        corpus = Corpus("tunes", tuple(tunes), ())
        bundle, parts = new_bundle("tunes", corpus, Encoding(transpose=2), network, training)
        return train(bundle, parts, home(folder)), folder

    bundle, folder = once(tmp_path_factory, "events", trained)
    return bundle, Paths(own_copy(tmp_path_factory, folder))


@pytest.fixture(scope="session")
def satb_bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Paths]:
    """A small model of type 5, really trained, in a home of its own."""

    def trained(folder: Path) -> tuple[Bundle, Path]:
        from chorales import chorale, small_training, tiny

        from config_bach import Encoding
        from workflows.trainer import new_bundle, train

        corpus = Corpus("small", tuple(chorale(i) for i in range(20)), ())
        bundle, parts = new_bundle("small", corpus, Encoding(transpose=6), tiny(), small_training())
        return train(bundle, parts, home(folder)), folder

    bundle, folder = once(tmp_path_factory, "satb", trained)
    return bundle, Paths(own_copy(tmp_path_factory, folder))


@pytest.fixture(scope="session")
def drum_bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Paths]:
    """A small model of type 4, really trained, in a home of its own."""

    def trained(folder: Path) -> tuple[Bundle, Path]:
        from grooves import groove, little, short_training

        from config_bach import Encoding
        from workflows.trainer import new_bundle, train

        corpus = Corpus("small", tuple(groove(i) for i in range(16)), ())
        bundle, parts = new_bundle("small", corpus, Encoding(), little(), short_training())
        return train(bundle, parts, home(folder)), folder

    bundle, folder = once(tmp_path_factory, "drums", trained)
    return bundle, Paths(own_copy(tmp_path_factory, folder))


@pytest.fixture(scope="session")
def drum_model(drum_bundle: tuple[Bundle, Paths]) -> LoadedModel:
    """The small model of percussion with what runs it."""
    return loaded_model(drum_bundle[0])


@pytest.fixture(scope="session")
def event_model(event_bundle: tuple[Bundle, Paths]) -> LoadedModel:
    """The small type 2 model with what runs it."""
    return loaded_model(event_bundle[0])


@pytest.fixture(scope="session")
def satb_model(satb_bundle: tuple[Bundle, Paths]) -> LoadedModel:
    """The small model of four voices with what runs it."""
    return loaded_model(satb_bundle[0])


@pytest.fixture(scope="session")
def all_variants(
    tmp_path_factory: pytest.TempPathFactory, event_bundle: tuple[Bundle, Paths]
) -> Bundle:
    """The small model of type 2 with every variant, and what each is worth."""
    return once(tmp_path_factory, "all variants", lambda _: in_every_variant(event_bundle[0])[0])


@pytest.fixture(scope="session")
def all_voices(
    tmp_path_factory: pytest.TempPathFactory, satb_bundle: tuple[Bundle, Paths]
) -> tuple[Bundle, list[Row]]:
    """The same of the small model of type 5, and the table of it."""
    return once(tmp_path_factory, "all voices", lambda _: in_every_variant(satb_bundle[0]))


def in_every_variant(bundle: Bundle) -> tuple[Bundle, list[Row]]:
    """A bundle in every variant, and the table of what each is worth."""
    from litert.export import with_variants
    from litert.parity import with_parity

    return with_parity(with_variants(bundle, list(VARIANTS)), list(VARIANTS))


@pytest.fixture
def without_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is trained has no variants, which take longer to make than a small network to train."""
    monkeypatch.setattr("litert.export.with_variants", lambda bundle, _: bundle)


def loaded_model(bundle: Bundle) -> LoadedModel:
    """A bundle in the variant that training ended with."""
    from litert.loading import loaded

    return loaded(bundle, next(iter(bundle.steps)))


def play_bach(
    *words: str | Path, home: Path, timeout: float = 240, module: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run play_bach.py as a person would, in a home of its own."""
    start = ["-m", "play_bach"] if module else [str(ROOT / "play_bach.py")]
    return subprocess.run(
        [sys.executable, *start, *map(str, words)],
        env={**os.environ, "PLAY_BACH_HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a refusal; fails if there was a traceback, more lines, or success."""
    assert result.returncode == 2, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("play_bach: ")
    return lines[0]
