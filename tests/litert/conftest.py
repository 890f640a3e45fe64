"""A home with a small model in every variant."""

import pytest

from config_bach import Paths
from storage.bundle import Bundle
from storage.catalog import path_of


@pytest.fixture
def home(all_variants: Bundle, paths: Paths) -> Paths:
    """A home with that model, in models/."""
    all_variants.save(path_of(all_variants.name, paths))
    return paths
