"""Every setting of Play Bach, once: its name, default, unit, range and meaning.

The settings are frozen dataclasses that check themselves. The command line overrides them, and a
bundle carries the ones it was trained with, so that nobody has to repeat them.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import asdict, dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

MODEL_TYPES = {
    1: "one-hot, stacked LSTM with dropout, softmax",
    2: "embeddings, lookback, stacked LSTM, attention, one softmax head each",
    3: "embedding, stacked LSTM, softmax",
    5: "four voices on a grid of sixteenths: LSTM, a softmax for each voice in turn",
}
CHORALE = 5


LONGEST = Fraction(4)  # quarter lengths; longer events are cut


class UserError(Exception):
    """Something the person at the keyboard can mend: one sentence, exit code 2, no traceback."""


def require(package: str, what: str) -> None:
    """Raise UserError if a package is not installed, as where only what composes is."""
    if importlib.util.find_spec(package) is None:
        raise UserError(
            f"{what} needs {package}, which is not installed here: pip install -r requirements.txt."
        )


def setting(default: Any, low: float, high: float, text: str) -> Any:
    """A dataclass field with an allowed range (inclusive) and a help text."""
    return field(default=default, metadata={"low": low, "high": high, "help": text})


@dataclass(frozen=True)
class Settings:
    """A group of settings that refuses values out of range."""

    def __post_init__(self) -> None:
        for item in fields(self):
            low, value = item.metadata.get("low"), getattr(self, item.name)
            if low is None or value is None:
                continue
            if not low <= value <= item.metadata["high"]:  # also refuses NaN
                raise UserError(
                    f"{item.name} is {value}, but it must lie between {low} and "
                    f"{item.metadata['high']} ({item.metadata['help']})."
                )

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON types; fractions become strings such as '1/3'."""
        return {k: str(v) if isinstance(v, Fraction) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`. Raises UserError for an unknown or a badly typed setting."""
        try:
            return cls(**data)
        except TypeError as error:
            raise UserError(
                f"the settings of {cls.__name__} are not understood: {error}."
            ) from error


@dataclass(frozen=True)
class Encoding(Settings):
    """How a piece becomes symbols."""

    normal: bool = False  # True folds the octaves of chords: 'A2.E3' -> 'A.E'
    concatenate: bool = False  # True makes the duration part of the symbol: 'C4$0.5'
    max_duration: Fraction = setting(LONGEST, 0.25, 64, "quarter lengths")
    transpose: int = setting(0, 0, 6, "semitones up and down that training pieces are moved")
    min_count: int = setting(2, 1, 1000, "rarer training symbols become '?'")

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_duration", Fraction(self.max_duration))
        super().__post_init__()


@dataclass(frozen=True)
class Network(Settings):
    """The size of the Keras model."""

    model_type: int = setting(1, 1, 5, "see --help")
    seqlen: int = setting(40, 2, 1000, "events in a window")
    units: int = setting(192, 4, 2048, "LSTM units in each layer")
    layers: int = setting(2, 1, 8, "LSTM layers")
    embedding: int = setting(64, 2, 1024, "size of a pitch embedding")
    dropout: float = setting(0.4, 0.0, 0.95, "share of units silenced while training")
    input_dropout: float = setting(0.0, 0.0, 0.95, "share of inputs silenced while training")
    forget: float = setting(0.0, 0.0, 1.0, "share of training windows without lookback")
    head_dropout: float = setting(0.0, 0.0, 0.95, "type 5: share of its heads' units silenced")
    recurrent_dropout: float = setting(0.0, 0.0, 0.95, "type 5: share of LSTM states silenced")
    mishear: float = setting(0.0, 0.0, 0.95, "type 5: share of notes not heard while training")


@dataclass(frozen=True)
class Training(Settings):
    """How the model is fitted."""

    epochs: int = setting(30, 1, 100_000, "passes over the training pieces")
    batch: int = setting(32, 1, 4096, "windows in a batch")
    learning_rate: float = setting(0.004, 1e-7, 1.0, "of AdamW, at the start")
    patience: int = setting(5, 1, 10_000, "epochs without improvement before stopping early")
    weight_decay: float = setting(0.004, 0.0, 1.0, "of AdamW")
    average: float = setting(
        0.0, 0.0, 0.99999, "of the mean weights, what each step keeps; 0: none"
    )
    min_steps: int = setting(50, 1, 10_000, "batches in an epoch at the least")
    seed: int = setting(1, 0, 2**32 - 1, "of the split, the weights and the windows")
    split: str = "piece"  # 'piece' is honest; 'window' reproduces the articles, and leaks


@dataclass(frozen=True)
class Composing(Settings):
    """How new music is sampled and written."""

    notes: int = setting(200, 1, 1_000_000, "events to compose")
    temperature: float = setting(1.0, 0.0, 100.0, "0 always takes the likeliest")
    top_p: float = setting(0.95, 0.0, 1.0, "sample from the likeliest symbols of this total mass")
    seed: int | None = setting(None, 0, 2**63 - 1, "the same seed gives the same notes")
    bpm: float | None = setting(None, 10.0, 400.0, "quarter notes a minute")
    max_copy: int | None = setting(None, 4, 10_000, "notes that may be copied in a row")


@dataclass(frozen=True)
class Runtime(Settings):
    """What LiteRT computes on."""

    threads: int = setting(1, 1, 64, "threads of LiteRT; small networks are fastest with one")
    delegate: str = ""  # the path of a LiteRT delegate library, e.g. of an accelerator


# What differs between the model types. Only type 2 knows which notes a chord is made of, so only it
# gains from hearing pieces in other keys; types 1 and 3 would have to learn each key anew.
NETWORKS = {
    1: Network(model_type=1, units=256, dropout=0.3),
    2: Network(model_type=2, units=128, embedding=32, dropout=0.5, input_dropout=0.2),
    3: Network(model_type=3, units=160, embedding=64, dropout=0.5, input_dropout=0.2),
    5: Network(
        model_type=5,
        seqlen=16,
        units=512,
        embedding=32,
        dropout=0.6,
        input_dropout=0.25,
        head_dropout=0.6,
        recurrent_dropout=0.3,
        mishear=0.2,
    ),
}
TRAININGS = {
    **dict.fromkeys((1, 2, 3), Training()),
    5: Training(
        epochs=16,
        batch=128,
        learning_rate=0.003,
        patience=12,
        weight_decay=0.05,
        average=0.999,
        min_steps=140,
    ),
}
TRANSPOSE = {1: 0, 2: 3, 3: 0, 5: 6}


@dataclass(frozen=True)
class Places:
    """The folders of a Play Bach installation: beside the program, or where PLAY_BACH_HOME says."""

    root: Path = field(
        default_factory=lambda: Path(
            os.environ.get("PLAY_BACH_HOME") or Path(__file__).parent
        ).resolve()
    )

    @property
    def training(self) -> Path:
        """The user's scores."""
        return self.root / "training"

    @property
    def models(self) -> Path:
        """Trained bundles, and what was composed with them."""
        return self.root / "models"

    @property
    def checkpoint(self) -> Path:
        """Unfinished training."""
        return self.root / "checkpoint"

    @property
    def cache(self) -> Path:
        """Scores already read, by content."""
        return self.root / ".cache"

    @property
    def log(self) -> Path:
        """What training printed, with times."""
        return self.root / "log_play_bach.log"


def model_name(app: str, network: Network, encoding: Encoding) -> str:
    """The name of a model, as in the articles: 'cello' with type 1 gives 'cello1_nc_mo'.

    app + model type + '_c' or '_nc' (durations concatenated or not) + '_so' or '_mo' (chords in a
    single octave or in multiple octaves).
    """
    joined = "c" if encoding.concatenate else "nc"
    octaves = "so" if encoding.normal else "mo"
    return f"{app}{network.model_type}_{joined}_{octaves}"
