"""Real chorales."""

from pathlib import Path

import pytest

from families.satb.dataset import of_score
from families.satb.encoding import Chorale
from midi_io import read_scores

NAMES = [f"bwv{n}" for n in (253, 254, 255, 256, 258, 259, 260, 261, 262, 263, 264, 265)]


@pytest.fixture(scope="session")
def bach() -> list[Chorale]:
    """A dozen real chorales."""
    from music21 import corpus

    paths = [Path(str(corpus.getWork(f"bach/{name}"))) for name in NAMES]
    return [of_score(read_scores(path)[0]) for path in paths]
