"""Every setting of Play Bach, once: its name, default, unit, range and meaning.

The settings are frozen dataclasses that check themselves. The command line overrides them, and a
bundle carries the ones it was trained with, so that nobody has to repeat them.
"""

import importlib.util
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, Self, get_args, get_origin

LONGEST_DURATION = Fraction(4)  # quarter lengths; longer events come in parts
DEFAULT_BPM = 90.0  # where neither the user nor the corpus says
DEFAULT_PROGRAM = 1  # General MIDI: acoustic grand piano
BAR_AFTER = 2  # seconds of work without a progress bar
BPM_RANGE = (10.0, 400.0)  # quarter notes a minute that music can have


class UserError(Exception):
    """Something the person at the keyboard can mend: one sentence, exit code 2, no traceback."""


def require(package: str, what: str) -> None:
    """Raise UserError if a package is not installed, as where only what composes is."""
    if importlib.util.find_spec(package) is None:
        raise UserError(
            f"{what} needs {package}, which is not installed here: pip install -r requirements.txt."
        )


def require_large(package: str, what: str) -> None:
    """Raise UserError if a package is not installed that only large corpora need."""
    if importlib.util.find_spec(package) is None:
        raise UserError(
            f"{what} needs {package}, which is not installed here: pip install -r "
            "requirements-large.txt."
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what native code writes to standard error off the screen.

    TensorFlow, LiteRT and FluidSynth print lines about drivers that no setting silences.
    """
    try:
        kept = os.dup(2)
    except OSError:  # no standard error to begin with
        yield
        return
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


# for people, where figures first stand
NATS = (
    "nats: how surprised the model is by what really comes (0: it was certain, 0.7: one chance in two, "
    "2.3: one in ten); lower is better"
)


def counted(number: int, what: str) -> str:
    """A number and what it counts: '1 piece', '2 pieces'."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def setting(default: Any, low: float, high: float, text: str) -> Any:
    """A dataclass field with an allowed range (inclusive) and a help text."""
    return field(default=default, metadata={"low": low, "high": high, "help": text})


LONGEST_TEXT = 1000  # characters of a setting
KINDS = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    dict: "an object in braces",
    list: "a list in brackets",
}


@dataclass(frozen=True)
class Settings:
    """A group of settings that refuses values of another type or out of range.

    Whatever comes from outside (command line, play_bach.json, requests, bundles) becomes one of these
    before it touches anything.
    """

    def __post_init__(self) -> None:
        for item in fields(self):
            low, value = item.metadata.get("low"), getattr(self, item.name)
            if not _is_a(item.type, value):
                kinds = " or ".join(KINDS.get(kind, "none") for kind in _kinds(item.type))
                raise UserError(f"{item.name} is {_cut(repr(value))}, but it must be {kinds}.")
            if isinstance(value, str) and len(value) > LONGEST_TEXT:
                raise UserError(f"{item.name} is too long; {LONGEST_TEXT} characters are allowed.")
            if low is None or value is None:
                continue
            if not low <= value <= item.metadata["high"]:  # also refuses NaN
                raise UserError(
                    f"{item.name} is {_cut(repr(value))}, but it must lie between {low} and "
                    f"{item.metadata['high']} ({item.metadata['help']})."
                )

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON types; fractions become strings such as '1/3'."""
        return {k: str(v) if isinstance(v, Fraction) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`. Raises UserError for an unknown or a badly typed setting."""
        try:
            return cls(**data)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise UserError(
                f"the settings of {cls.__name__} are not understood: {error}."
            ) from error


def _kinds(declared: Any) -> tuple[type, ...]:
    """The types that a field may have: 'int | None' -> (int, NoneType), 'list[str]' -> (list,)."""
    if get_origin(declared) in (dict, list):
        return (get_origin(declared),)
    return get_args(declared) or (declared,)


def _is_a(declared: Any, value: Any) -> bool:
    """Whether a value has a declared type; a whole number is a number, but true is not one."""
    kinds = _kinds(declared)
    if isinstance(value, bool):
        return bool in kinds
    return isinstance(value, kinds) or (float in kinds and isinstance(value, int))


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."


@dataclass(frozen=True)
class Reading:
    """What of a score is read: its repeats as they are played; all parts, or one by name or number."""

    unfold: bool = True
    part: str = ""


@dataclass(frozen=True)
class Encoding(Settings):
    """How a piece becomes symbols."""

    normal: bool = False  # True folds the octaves of chords: 'A2.E3' -> 'A.E'
    concatenate: bool = False  # True makes the duration part of the symbol: 'C4$0.5'
    max_duration: Fraction = setting(LONGEST_DURATION, 0.25, 64, "quarter lengths")
    transpose: int = setting(0, 0, 6, "semitones up and down that training pieces are moved")
    min_count: int = setting(2, 1, 1000, "rarer training symbols become '?'")
    unfold: bool = False  # True reads scores with their repeats, as they are played
    part: str = ""  # the only part of each file that is read, by name or number; empty: all

    @property
    def reading(self) -> Reading:
        """What of a score is read."""
        return Reading(self.unfold, self.part)

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_duration", Fraction(self.max_duration))
        super().__post_init__()


@dataclass(frozen=True)
class Network(Settings):
    """The size of the Keras model. Each family has defaults of its own, and uses what it needs."""

    model_type: int = setting(1, 1, 99, "the number of the model family, see --help")
    seqlen: int = setting(
        40, 2, 1000, "events (type 5: sixteenths, 6: tokens) in a training window"
    )
    units: int = setting(192, 4, 2048, "LSTM units in each layer")
    layers: int = setting(2, 1, 8, "LSTM layers")
    embedding: int = setting(64, 2, 1024, "size of a pitch embedding")
    dropout: float = setting(0.4, 0.0, 0.95, "share of LSTM outputs set to zero in training")
    input_dropout: float = setting(0.0, 0.0, 0.95, "share of inputs set to zero in training")
    lookback_dropout: float = setting(0.0, 0.0, 1.0, "share of training windows without lookback")
    head_dropout: float = setting(0.0, 0.0, 0.95, "share of the heads' units set to zero")
    recurrent_dropout: float = setting(0.0, 0.0, 0.95, "share of LSTM states set to zero")
    token_dropout: float = setting(0.0, 0.0, 0.95, "share of input tokens hidden in training")
    profiles: bool = False  # whether it is told how much each pitch class sounded so far
    retrieval: bool = False  # whether it is told how training pieces with the same tune went on


@dataclass(frozen=True)
class Training(Settings):
    """How the model is fitted."""

    epochs: int = setting(30, 1, 100_000, "passes over the training pieces")
    batch: int = setting(32, 1, 4096, "windows in a batch")
    learning_rate: float = setting(0.004, 1e-7, 1.0, "of AdamW, at the start")
    patience: int = setting(5, 1, 10_000, "epochs without improvement before stopping early")
    weight_decay: float = setting(0.004, 0.0, 1.0, "of AdamW")
    average: float = setting(
        0.0, 0.0, 0.99999, "momentum of the running mean of the weights; 0: no mean"
    )
    min_steps: int = setting(50, 1, 10_000, "batches in an epoch at the least")
    consistency: float = setting(
        0.0, 0.0, 100.0, "weight of the distance between two predictions of the same window"
    )
    seed: int = setting(1, 0, 2**32 - 1, "of the split, the weights and the windows")
    split: str = "piece"  # 'piece' is honest; 'window' reproduces the articles, and leaks

    @property
    def copies(self) -> int:
        """How often each window stands in a batch: twice, one after the other, where two predictions of
        it are to agree (R-Drop, Liang et al. 2021, arXiv 2106.14448)."""
        return 2 if self.consistency and self.batch % 2 == 0 else 1


@dataclass(frozen=True)
class FineTuning(Settings):
    """How a trained model goes on to learn other music (see workflows/finetune.py)."""

    base: str = ""  # the model that it starts from
    mix: float = setting(1.65, 0.0, 100.0, "steps of the old music for each of the new")
    slower: float = setting(10.0, 1.0, 10_000.0, "what the learning rate is divided by")
    epochs: int = setting(12, 1, 100_000, "passes at most")
    patience: int = setting(4, 1, 10_000, "epochs without improvement before stopping early")
    min_steps: int = setting(40, 1, 10_000, "batches in an epoch at the least")
    no_scratch: bool = False  # True: do not train from scratch to compare


@dataclass(frozen=True)
class Composing(Settings):
    """How new music is sampled."""

    notes: int = setting(200, 1, 1_000_000, "events to compose")
    temperature: float = setting(1.0, 0.0, 100.0, "0 always takes the likeliest")
    top_p: float = setting(0.95, 0.0, 1.0, "sample from the likeliest symbols of this total mass")
    seed: int | None = setting(None, 0, 2**63 - 1, "the same seed gives the same notes")
    bpm: float | None = setting(None, *BPM_RANGE, "quarter notes a minute")
    max_copy: int | None = setting(None, 4, 10_000, "notes that may be copied in a row")
    scale: str = ""  # only notes of it, such as 'G major' (music.scales); empty: any


@dataclass(frozen=True)
class Runtime(Settings):
    """What LiteRT runs on."""

    threads: int = setting(1, 1, 64, "threads of LiteRT; small networks are fastest with one")
    delegate: str = ""  # the path of a LiteRT delegate library, e.g. of an accelerator


@dataclass(frozen=True)
class Paths:
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
    def uploads(self) -> Path:
        """What users of the control page train with."""
        return self.root / "uploads"

    @property
    def cache(self) -> Path:
        """Scores already read, by content."""
        return self.root / ".cache"

    @property
    def log(self) -> Path:
        """What every run was asked and told, with times."""
        return self.root / "log_play_bach.log"


def model_name(app: str, network: Network, encoding: Encoding) -> str:
    """The name of a model, as in the articles: 'cello' with type 1 gives 'cello1_nc_mo'.

    app + model type + '_c' or '_nc' (durations concatenated or not) + '_so' or '_mo' (chords in a
    single octave or in multiple octaves).
    """
    joined = "c" if encoding.concatenate else "nc"
    octaves = "so" if encoding.normal else "mo"
    return f"{app}{network.model_type}_{joined}_{octaves}"
