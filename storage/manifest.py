"""bundle.json, the description of a model: what it must hold, and what it was called in version 1."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec
from msgspec import Meta

FORMAT = "play-bach-bundle"
FORMAT_VERSION = 2
LARGEST = 16 * 2**20  # bytes

Text = Annotated[str, Meta(max_length=100_000)]
Name = Annotated[str, Meta(max_length=1000)]


class OtherFormat(ValueError):
    """The manifest is of a version that is not known here, a later one most likely."""


class Field(TypedDict):
    """See storage.vocabulary.Field."""

    name: Name
    symbols: Annotated[list[Name], Meta(min_length=2)]
    rare: Annotated[int, Meta(ge=1)]


class Vocabulary(TypedDict):
    """See storage.vocabulary.Vocabulary."""

    encoding: dict[str, Any]
    fields: Annotated[list[Field], Meta(min_length=1, max_length=32)]
    octave: Annotated[int, Meta(ge=-1, le=9)]
    velocity: Annotated[int, Meta(ge=1, le=127)]


class Figures(TypedDict):
    """See families.metrics.Metrics."""

    nll: float
    accuracy: float


class Scores(TypedDict, total=False):
    """Figures by side, and of what must be beaten."""

    valid: Figures
    test: Figures
    baselines: dict[str, Figures]


class Variant(TypedDict, total=False):
    """What an exported variant is worth, see litert.parity."""

    kilobytes: float
    crc32: int
    nll_change: float


class Change(TypedDict):
    """How far two models are apart, see evaluation.comparison.change."""

    change: float
    interval: Annotated[list[float], Meta(min_length=2, max_length=2)] | None
    nll: NotRequired[float]
    pieces: NotRequired[int]
    before: NotRequired[float]
    after: NotRequired[float]


class Comparison(TypedDict):
    """What fine-tuning ended with, see evaluation.comparison."""

    unit: Name
    new: Change
    old: NotRequired[Change]
    scratch: NotRequired[Change]


class Source(TypedDict):
    """The corpus, and the side of each of its pieces."""

    source: Text
    pieces: NotRequired[list[dict[str, Any]]]


class Prime(TypedDict):
    """The beginning of a held-out piece, see music.events.to_json."""

    name: Name
    events: Annotated[list[list[Any]], Meta(min_length=1)]


class Template(TypedDict):
    """Bars and phrases of a held-out piece, see families.satb.templates."""

    name: Name
    plan: list[list[Annotated[int, Meta(ge=0, le=1000)]]]


Metre = tuple[Annotated[int, Meta(ge=1, le=72)], Annotated[int, Meta(ge=1)]]  # see families.drums


class Metadata(TypedDict, total=False):
    """What is known of a model and its training."""

    app: Name
    corpus: Source
    split: Name
    label: Text
    epochs: int
    history: list[dict[str, Any]]
    metrics: Scores
    variants: dict[str, Variant]
    primes: Annotated[list[Prime], Meta(min_length=1)]
    templates: Annotated[list[Template], Meta(min_length=1)]
    rhythm: dict[str, dict[str, int]]
    metres: Annotated[list[Metre], Meta(min_length=1)]
    finetuning: dict[str, Any]
    comparison: Comparison
    bpm: Annotated[float, Meta(ge=10, le=400)] | None
    instrument: Annotated[int, Meta(ge=1, le=128)] | None


class Manifest(TypedDict):
    """All of bundle.json. Network, training, encoding and the like are checked by their own Settings."""

    name: Name
    saved: NotRequired[Name]
    network: dict[str, Any]
    training: dict[str, Any]
    metadata: Metadata
    vocabulary: Vocabulary


def read(content: bytes) -> dict[str, Any]:
    """A manifest of this version or of an older one, checked; it knows nothing else of the bundle.

    Raises OtherFormat for a later version and ValueError, with the reason, for anything else.
    """
    try:
        manifest = json.loads(content)
    except RecursionError as error:
        raise ValueError("too deep") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError("its bundle.json is of something else")
    if manifest.get("version") == 1:
        manifest = upgraded(manifest)
    if manifest.get("version") != FORMAT_VERSION:
        raise OtherFormat(
            f"has format version {manifest.get('version')}, this Play Bach reads 1 to {FORMAT_VERSION}"
        )
    msgspec.convert(manifest, Manifest)  # raises a ValueError that names the place
    return manifest


# What version 1 called otherwise.
RENAMED_NETWORK = {"mishear": "token_dropout", "forget": "lookback_dropout"}
RENAMED_METADATA = {"forms": "templates"}


def upgraded(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of a bundle of format version 1 as version 2 has it."""
    network, metadata = manifest.get("network"), manifest.get("facts")
    renamed = {
        "network": _renamed(network, RENAMED_NETWORK),
        "metadata": _renamed(metadata, RENAMED_METADATA),
    }
    return {**manifest, "version": FORMAT_VERSION, **renamed}


def _renamed(data: Any, names: Mapping[str, str]) -> Any:
    return {names.get(k, k): v for k, v in data.items()} if isinstance(data, dict) else data
