"""Small models in every variant."""

import pytest
from once import once

from config_bach import Paths
from litert.export import with_variants
from litert.parity import Row, with_parity
from litert.variants import VARIANTS
from storage.bundle import Bundle
from storage.catalog import path_of


@pytest.fixture(scope="session")
def all_variants(
    tmp_path_factory: pytest.TempPathFactory, event_bundle: tuple[Bundle, Paths]
) -> Bundle:
    """The small model of type 2 with every variant, and what each is worth."""
    return once(tmp_path_factory, "all variants", lambda _: converted(event_bundle[0])[0])


@pytest.fixture(scope="session")
def all_voices(
    tmp_path_factory: pytest.TempPathFactory, satb_bundle: tuple[Bundle, Paths]
) -> tuple[Bundle, list[Row]]:
    """The same of the small model of type 5."""
    return once(tmp_path_factory, "all voices", lambda _: converted(satb_bundle[0]))


def converted(bundle: Bundle) -> tuple[Bundle, list[Row]]:
    """A bundle in every variant, and the table of what each is worth."""
    return with_parity(with_variants(bundle, list(VARIANTS)), list(VARIANTS))


@pytest.fixture
def home(all_variants: Bundle, paths: Paths) -> Paths:
    """A home with that model, in models/."""
    all_variants.save(path_of(all_variants.name, paths))
    return paths
