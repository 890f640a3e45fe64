"""The command line as one table: every option once, with its verbs, its range and its help.

`parser` is made from the table, and `validate` loops over it. An option that only some model types
understand is marked so here; which of them do, their families say (ModelFamily.flags).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn

from config_bach import Composing, Network, Runtime, Settings, Training, UserError
from families import families, family_of
from families.base import ModelFamily
from litert.c_header import MICRO
from litert.variants import VARIANTS

PURPOSE = "Play Bach: train a neural network on music you love, then hear it play."
EXAMPLES = """
examples:
  play_bach.py -pm --wav                          compose with the model that came with Play Bach
  play_bach.py -l 0 -f -pm                        train on the scores in training/, then compose
  play_bach.py -l 0 -f -pm --app cello --model-type 2
                                                  the same, with another name and another network
  play_bach.py -l 1 -f --app cello                go on training, also after a crash
  play_bach.py -pm --app cello --instrument cello --seed 7 --temperature 0.9
  play_bach.py -pm --app bach2_nc_mo --prime my_tune.mid --musicxml
                                                  continue a tune of yours
  play_bach.py -l 0 -f --app hymns --corpus music21:bach
                                                  train on scores that music21 carries
  play_bach.py -pm --model-type 5 --harmonise tune.mid --musicxml
                                                  three voices under a melody of yours
  play_bach.py -st                                live music on a phone, composed as you listen
  play_bach.py --evaluate music21:chorales        how good a model is, and what it copies
  play_bach.py -sl -bf -bl                        export, and measure here, all LiteRT variants
  play_bach.py --list                             what is in models/, and how good it is
  play_bach.py --doctor                           what is missing on this machine, and how to install it

model types:
"""


@dataclass(frozen=True)
class Verb:
    """Something to do: the module cli/NAME.py has a function of that name."""

    name: str
    flags: tuple[str, ...]  # any of them asks for it
    purpose: str  # for sentences: "... is for training: add -f"

    def wanted(self, args: argparse.Namespace) -> bool:
        """Whether a command line asks for it."""
        values = [getattr(args, _dest(flag)) for flag in self.flags]
        return any(value is not None and value is not False for value in values)


# In the order in which several are done. The last flag of each is the long one.
VERBS = (
    Verb("doctor", ("--doctor",), "looking around"),
    Verb("fit", ("--fit",), "training"),
    Verb("export", ("--save-lite",), "exporting"),
    Verb("benchmark", ("--benchmark-full", "--benchmark-lite"), "measuring"),
    Verb("predict", ("--predict-midi",), "composing"),
    Verb("evaluate", ("--evaluate",), "the report card"),
    Verb("list_models", ("--list",), "listing"),
    Verb("stream", ("--stream",), "the server"),
)
SHORT = {
    "--fit": "-f",
    "--predict-midi": "-pm",
    "--stream": "-st",
    "--save-lite": "-sl",
    "--benchmark-full": "-bf",
    "--benchmark-lite": "-bl",
    "--load": "-l",
    "--epochs": "-e",
}

DO = "what to do (several at once if you like)"
MODEL = "which model"
ENGINE = "what it runs on (with -pm, -st, -bl or --evaluate)"
LEARN = "training (with -f)"
COMPOSE = "composing (with -pm)"
VOICES = "composing in four voices (with -pm and model type 5)"
REPORT = "the report card (with --evaluate)"
SERVE = "the server (with -st)"

PLAYING = ("predict", "stream", "evaluate", "benchmark")


@dataclass(frozen=True)
class Option:
    """One option of the command line.

    verbs: what it is for; empty: anything. setting: the group and the field that it sets, which has
    range and default. by_family: only some model types understand it. shapes: it describes a new model,
    and cannot change a saved one. needs, excludes: other options.
    """

    flag: str
    group: str
    help: str
    verbs: tuple[str, ...] = ()
    setting: tuple[type[Settings], str] | None = None
    by_family: bool = False
    shapes: bool = False
    needs: str = ""
    excludes: tuple[str, ...] = ()
    how: dict[str, Any] = field(default_factory=dict)  # for argparse

    @property
    def dest(self) -> str:
        """Its name in the parsed arguments."""
        return self.setting[1] if self.setting else _dest(self.flag)

    def given(self, args: argparse.Namespace) -> bool:
        """Whether a command line has it."""
        return getattr(args, self.dest) not in (None, False, [])

    def families(self) -> list[ModelFamily]:
        """The model types that understand it."""
        return [f for f in families() if not self.by_family or self.dest in f.flags]


def _dest(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


ON = {"action": "store_true"}


def _number(kind: type, metavar: str = "N") -> dict[str, Any]:
    return {"type": kind, "metavar": metavar}


FIT, PREDICT = ("fit",), ("predict",)
OPTIONS = (
    Option("--fit", DO, "train the model", how=ON),
    Option("--predict-midi", DO, "compose a .mid file", how=ON),
    Option("--stream", DO, "stream live music to phones", how=ON),
    Option(
        "--save-lite",
        DO,
        f"export for LiteRT: {', '.join(VARIANTS)} (default: these), or {MICRO}, a C header",
        how={"nargs": "*", "choices": (*VARIANTS, MICRO), "metavar": "VARIANT"},
    ),
    Option("--benchmark-full", DO, "measure the Keras model here", how=ON),
    Option("--benchmark-lite", DO, "measure its LiteRT variants here", how=ON),
    Option(
        "--evaluate",
        DO,
        "the report card of a model: a folder of scores, music21:bach, or a JSON file of chorales",
        how={"metavar": "SOURCE"},
    ),
    Option("--list", DO, "list the models and how good each is", how=ON),
    Option("--doctor", DO, "look for what is missing here", how=ON),
    Option(
        "--load",
        MODEL,
        "0 a new model, 1 a saved one (default 1)",
        how={"type": int, "choices": (0, 1), "default": 1},
    ),
    Option(
        "--app",
        MODEL,
        "what the model is for (default bach)",
        how={"default": "bach", "metavar": "NAME"},
    ),
    Option(
        "--model-type",
        MODEL,
        "see below (a new model: 1; a saved one: the latest of its app)",
        how=_number(int),
    ),
    Option(
        "--variant",
        ENGINE,
        "of the exported ones (default: the fastest by -bl on this machine that loses nothing)",
        verbs=("predict", "stream", "evaluate"),
        how={"choices": tuple(VARIANTS)},
    ),
    Option(
        "--threads",
        ENGINE,
        "threads of LiteRT",
        verbs=PLAYING,
        setting=(Runtime, "threads"),
        how=_number(int),
    ),
    Option(
        "--delegate",
        ENGINE,
        "a LiteRT delegate library, e.g. of an accelerator",
        verbs=PLAYING,
        setting=(Runtime, "delegate"),
        how={"metavar": "PATH"},
    ),
    Option(
        "--corpus",
        LEARN,
        "a folder, a glob, or music21:chorales, music21:bach, music21:palestrina, ... "
        "(default: training/ or, while that is empty, music21:chorales)",
        verbs=FIT,
        how={"metavar": "SOURCE"},
    ),
    Option(
        "--epochs",
        LEARN,
        "passes over the corpus at most (default 30; type 5: 16)",
        verbs=FIT,
        setting=(Training, "epochs"),
        how=_number(int),
    ),
    Option(
        "--split",
        LEARN,
        "hold out whole pieces (default), or windows as in the articles, which leaks",
        verbs=FIT,
        setting=(Training, "split"),
        by_family=True,
        shapes=True,
        how={"choices": ("piece", "window")},
    ),
    Option(
        "--concatenate",
        LEARN,
        "make durations part of the symbols",
        verbs=FIT,
        by_family=True,
        shapes=True,
        how=ON,
    ),
    Option(
        "--normal",
        LEARN,
        "fold the octaves of chords",
        verbs=FIT,
        by_family=True,
        shapes=True,
        how=ON,
    ),
    Option(
        "--transpose",
        LEARN,
        "learn pieces up to N semitones up and down as well",
        verbs=FIT,
        shapes=True,
        how=_number(int),
    ),
    Option(
        "--seqlen",
        LEARN,
        "events in a window (40; type 5: 16 sixteenths)",
        verbs=FIT,
        setting=(Network, "seqlen"),
        shapes=True,
        how=_number(int),
    ),
    Option(
        "--units",
        LEARN,
        "LSTM units in each layer",
        verbs=FIT,
        setting=(Network, "units"),
        shapes=True,
        how=_number(int),
    ),
    Option(
        "--dropout",
        LEARN,
        "share of units set to zero (0.3 to 0.6, by type)",
        verbs=FIT,
        setting=(Network, "dropout"),
        shapes=True,
        how=_number(float, "P"),
    ),
    Option(
        "--forget",
        LEARN,
        "share of windows without lookback (default 0)",
        verbs=FIT,
        setting=(Network, "lookback_dropout"),
        by_family=True,
        shapes=True,
        how=_number(float, "P"),
    ),
    Option("--tensorboard", LEARN, "write TensorBoard events as well", verbs=FIT, how=ON),
    Option(
        "--seed",
        COMPOSE,
        "same seed, same notes; also of training",
        verbs=("fit", "predict"),
        setting=(Composing, "seed"),
        how=_number(int),
    ),
    Option(
        "--prime",
        COMPOSE,
        "continue this score (default: a held-out piece)",
        verbs=PREDICT,
        by_family=True,
        how={"type": Path, "metavar": "FILE"},
    ),
    Option(
        "--notes",
        COMPOSE,
        "notes and chords to compose (200)",
        verbs=PREDICT,
        setting=(Composing, "notes"),
        by_family=True,
        how=_number(int),
    ),
    Option(
        "--temperature",
        COMPOSE,
        "0 = always the likeliest (1.0)",
        verbs=PREDICT,
        setting=(Composing, "temperature"),
        how=_number(float, "T"),
    ),
    Option(
        "--top-p",
        COMPOSE,
        "sample from the likeliest symbols of this mass (0.95)",
        verbs=PREDICT,
        setting=(Composing, "top_p"),
        how=_number(float, "P"),
    ),
    Option(
        "--instrument",
        COMPOSE,
        "a General MIDI instrument or its number 1..128; in four voices one or four",
        verbs=PREDICT,
        how={"metavar": "NAME"},
    ),
    Option(
        "--bpm",
        COMPOSE,
        "quarter notes a minute",
        verbs=PREDICT,
        setting=(Composing, "bpm"),
        how=_number(float),
    ),
    Option(
        "--max-copy",
        COMPOSE,
        "copy at most N notes in a row from the training pieces (type 5: 20)",
        verbs=PREDICT,
        setting=(Composing, "max_copy"),
        how=_number(int),
    ),
    Option(
        "--output",
        COMPOSE,
        "the .mid file (models/MODEL.mid)",
        verbs=PREDICT,
        how={"type": Path, "metavar": "PATH"},
    ),
    Option("--wav", COMPOSE, "write the sound as well", verbs=PREDICT, how=ON),
    Option("--musicxml", COMPOSE, "write a score as well", verbs=PREDICT, how=ON),
    Option(
        "--harmonise",
        VOICES,
        "a melody, or a score in four voices: what is kept of it stays note for note, the "
        "other voices are composed",
        verbs=PREDICT,
        by_family=True,
        excludes=("--prime", "--notes", "--max-copy"),
        how={"type": Path, "metavar": "FILE"},
    ),
    Option(
        "--keep",
        VOICES,
        "the voices that stay, as in soprano,bass (soprano)",
        verbs=PREDICT,
        by_family=True,
        needs="--harmonise",
        how={"metavar": "VOICES"},
    ),
    Option(
        "--regenerate",
        VOICES,
        "of the score given with --harmonise only these bars are composed anew: 5-8",
        verbs=PREDICT,
        by_family=True,
        needs="--harmonise",
        how={"metavar": "BARS"},
    ),
    Option(
        "--scale",
        VOICES,
        "only these notes: 'G major', 'A minor' or 'C D E G A'",
        verbs=PREDICT,
        by_family=True,
        how={"metavar": "NAME"},
    ),
    Option(
        "--range",
        VOICES,
        "a voice stays within: soprano=C4-G5; may be repeated",
        verbs=PREDICT,
        by_family=True,
        how={"action": "append", "default": [], "metavar": "RANGE"},
    ),
    Option(
        "--no-crossing",
        VOICES,
        "no voice crosses another",
        verbs=PREDICT,
        by_family=True,
        how=ON,
    ),
    Option(
        "--json",
        REPORT,
        "write the figures as JSON, too",
        verbs=("evaluate",),
        how={"type": Path, "metavar": "PATH"},
    ),
    Option(
        "--host",
        SERVE,
        "listen on this address, whatever play_bach.json says",
        verbs=("stream",),
        how={"metavar": "ADDRESS"},
    ),
)


class _Parser(argparse.ArgumentParser):
    """Refuses in one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise UserError in the place of printing all options."""
        raise UserError(f"{message}; see play_bach.py -h.")


def parser() -> argparse.ArgumentParser:
    """The command line, made from the table."""
    types = "\n".join(f"  {family.number}  {family.summary}" for family in families())
    made = _Parser(
        prog="play_bach.py",
        description=PURPOSE,
        epilog=EXAMPLES + types,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    groups: dict[str, Any] = {}
    for option in OPTIONS:
        if option.group not in groups:
            groups[option.group] = made.add_argument_group(option.group)
        names = [SHORT[option.flag], option.flag] if option.flag in SHORT else [option.flag]
        groups[option.group].add_argument(
            *names, dest=option.dest, help=_help(option), **option.how
        )
    return made


def _help(option: Option) -> str:
    """What -h says of an option, with the model types that understand it where not all do."""
    numbers = [str(f.number) for f in option.families()]
    if not option.by_family or option.group == VOICES:
        return option.help
    plural = "s" if len(numbers) > 1 else ""
    return f"{option.help} [model type{plural} {', '.join(numbers)}]"


def settings_given(args: argparse.Namespace, group: type[Settings]) -> dict[str, Any]:
    """What a command line says of a group of settings."""
    known = {f.name for f in fields(group)}
    found = {o.dest: getattr(args, o.dest) for o in OPTIONS if o.setting and o.dest in known}
    return {name: value for name, value in found.items() if value is not None}


def validate(args: argparse.Namespace) -> None:
    """Raise UserError for options that make no sense together, in one sentence."""
    wanted = {verb.name for verb in VERBS if verb.wanted(args)}
    if not wanted:
        raise UserError("nothing to do: add -pm to compose, -f to train, or -h for help.")
    if args.load == 0 and "fit" not in wanted:
        raise UserError("-l 0 makes a new model, which knows nothing yet: add -f to train it.")
    if not args.app or not all(c.isalnum() or c in "-_" for c in args.app):
        raise UserError(f"--app {args.app!r} must be letters, digits, - and _ only.")
    given = [option for option in OPTIONS if option.given(args)]
    for option in given:
        if option.verbs and not wanted & set(option.verbs):
            _refuse_without_verb([o for o in given if o.verbs == option.verbs])
    if args.load == 1 and (shaping := [o.flag for o in given if o.shapes]):
        raise UserError(
            f"{', '.join(shaping)} cannot change a saved model: train a new one with -l 0 -f."
        )
    _refuse_combinations(given)
    if args.model_type is not None or args.load == 0:
        validate_for(args, family_of(args.model_type or 1))


def _refuse_without_verb(options: Sequence[Option]) -> NoReturn:
    flags = [option.flag for option in options]
    verbs = [verb for verb in VERBS if verb.name in options[0].verbs]
    purposes = " or ".join(verb.purpose for verb in verbs)
    add = " or ".join(SHORT.get(verb.flags[-1], verb.flags[-1]) for verb in verbs)
    raise UserError(
        f"{', '.join(flags)} {'is' if len(flags) == 1 else 'are'} for {purposes}: add {add}."
    )


def _refuse_combinations(given: Sequence[Option]) -> None:
    flags = {option.flag for option in given}
    for option in given:
        if option.needs and option.needs not in flags:
            raise UserError(f"{option.flag} needs a score: add {option.needs} FILE.")
        if others := [flag for flag in option.excludes if flag in flags]:
            raise UserError(
                f"{', '.join(others)} cannot be combined with {option.flag}: leave it out."
            )


def validate_for(args: argparse.Namespace, family: ModelFamily) -> None:
    """Raise UserError for an option that this model type does not understand."""
    for option in OPTIONS:
        if option.by_family and option.given(args) and option.dest not in family.flags:
            numbers = ", ".join(str(f.number) for f in option.families())
            raise UserError(
                f"{option.flag} is not for model type {family.number} ({family.summary}), only for "
                f"{numbers}: leave it out, or choose another with --model-type."
            )
