"""The command line as one table: every option once, with its verbs, its range and its help.

`parser` is made from the table, and `validate` loops over it. An option that only some model types
understand is marked so here; which of them do, their families say (ModelFamily.flags).
"""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

from config_bach import Composing, Runtime, Settings, UserError
from duet.settings import CHOICES, Together
from families.base import ModelFamily
from families.registry import families, family_of
from litert.c_header import MICRO
from litert.variants import VARIANTS

MOST_CANDIDATES = 100  # of --best-of
PURPOSE = "Play Bach: train a neural network on music you love, then hear it play."
EXAMPLES = """
examples:
  play_bach.py -pm --wav                          compose with the model that came with Play Bach
  play_bach.py -l 0 -f -pm                        train on the scores in training/, then compose
  play_bach.py -l 0 -f -pm --app cello --model-type 2
                                                  the same, with another name and another network
  play_bach.py -l 1 -f --app cello                go on training, also after a crash
  play_bach.py -l 1 -f --app mine --from bach --corpus FOLDER
                                                  teach a trained model your own music as well
  play_bach.py -pm --app cello --instrument cello --seed 7 --temperature 0.9
  play_bach.py -pm --app bach2_nc_mo --prime my_tune.mid --musicxml
                                                  continue a tune of yours
  play_bach.py -l 0 -f --app hymns --corpus music21:bach
                                                  train on scores that music21 carries
  play_bach.py -pm --model-type 5 --harmonise tune.mid --musicxml
                                                  three voices under a melody of yours
  play_bach.py -st                                live music on a phone, composed as you listen
  play_bach.py --duet --midi-in Push --midi-out Live --clock in
                                                  play, and a model answers on the next beat
  play_bach.py --evaluate music21:chorales        how good a model is, and what it copies
  play_bach.py -sl -bf -bl                        export, and measure here, all LiteRT variants
  play_bach.py --list                             what is in models/, and how good it is
  play_bach.py --doctor                           what is missing on this machine, and how to install it

model types:
"""
WORDS = """

words:
  nats      how surprised a model is by what really comes: 0 if it was certain, 0.7 if it gave
            it one chance in two, 2.3 for one in ten; lower is better
  prime     the music that comes before, which a model continues
  bundle    a trained model as one file, models/NAME.zip
  lookback  being told what followed the last time the same notes came in this piece
  LiteRT    runs a trained model without TensorFlow; a variant is the model with smaller numbers
"""


@dataclass(frozen=True)
class Verb:
    """Something to do: the module cli/NAME.py has a function of that name."""

    name: str
    flags: tuple[str, ...]  # any of them asks for it; the last one is named in sentences
    purpose: str  # for sentences: "... is for training: add -f"

    def wanted(self, args: argparse.Namespace) -> bool:
        """Whether a command line asks for it."""
        values = [getattr(args, option.dest) for option in OPTIONS if option.flag in self.flags]
        return any(value is not None and value is not False for value in values)


VERBS = (  # in the order in which several are done
    Verb("doctor", ("--doctor",), "looking around"),
    Verb("encode", ("--encode",), "encoding a corpus"),
    Verb("fit", ("--fit",), "training"),
    Verb("export", ("--save-lite",), "exporting"),
    Verb("benchmark", ("--benchmark-full", "--benchmark-lite"), "measuring"),
    Verb("predict", ("--predict-midi",), "composing"),
    Verb("evaluate", ("--evaluate",), "the report card"),
    Verb("list_models", ("--list",), "listing"),
    Verb("add_user", ("--add-user",), "adding a user"),
    Verb("add_guest", ("--add-guest",), "adding a guest"),
    Verb("self_signed", ("--self-signed",), "making a certificate"),
    Verb("list_ports", ("--list-ports",), "listing MIDI ports"),
    Verb("replay", ("--replay",), "playing a session again"),
    Verb("duet", ("--duet",), "playing together"),
    Verb("stream", ("--stream",), "the server"),
)


@dataclass(frozen=True)
class Group:
    """A heading of -h, and the verbs that its options are for; none: any."""

    title: str
    verbs: tuple[str, ...] = ()


DO = Group("what to do (several at once if you like)")
MODEL = Group("which model")
ENGINE = Group(
    "what it runs on (with -pm, -st, -bl or --evaluate)",
    ("predict", "stream", "evaluate", "benchmark", "duet"),
)
LEARN = Group("training (with -f)", ("fit",))
CORPUS = ("fit", "encode")  # what --encode needs to know as well
COMPOSE = Group("composing (with -pm)", ("predict",))
VOICES = Group("composing in four voices (with -pm and model type 5)", ("predict",))
REPORT = Group("the report card (with --evaluate)", ("evaluate",))
TOGETHER = Group("playing together (with --duet; lengths are in quarters)", ("duet",))
SERVE = Group("the server (with -st)", ("stream",))


def text(value: str) -> str:
    """A value that is not empty. Raises ArgumentTypeError."""
    if not value.strip():
        raise argparse.ArgumentTypeError("is empty, leave it out or write something")
    return value


def file(value: str) -> Path:
    """The path of a file. Raises ArgumentTypeError."""
    return Path(text(value))


def candidates(value: str) -> int:
    """How many pieces the best is taken of. Raises ArgumentTypeError."""
    if not value.isdecimal() or not 1 <= int(value) <= MOST_CANDIDATES:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 to {MOST_CANDIDATES}")
    return int(value)


@dataclass(frozen=True)
class Option:
    """One option of the command line.

    names: its flags and, where it takes a value, what -h calls the value: '-e --epochs N'. sets:
    the field of Composing, Network, Runtime, Together or Training that it sets. family: only some
    types understand it, but for the verbs `anyone`, for which all do. shapes: it describes a new
    model, and cannot change a saved one. needs, excludes: other options. how: further arguments for
    argparse.
    """

    names: str
    group: Group
    help: str
    kind: Callable[[str], Any] = text
    sets: str = ""
    verbs: tuple[str, ...] = ()  # in the place of the group's
    family: bool = False
    anyone: tuple[str, ...] = ()
    shapes: bool = False
    needs: str = ""
    excludes: tuple[str, ...] = ()
    how: dict[str, Any] = field(default_factory=dict)

    @property
    def flags(self) -> list[str]:
        """The flags, the short one first if there is one."""
        return [word for word in self.names.split() if word.startswith("-")]

    @property
    def flag(self) -> str:
        """The long flag."""
        return self.flags[-1]

    @property
    def dest(self) -> str:
        """Its name in the parsed arguments."""
        return self.sets or self.flag.strip("-").replace("-", "_")

    @property
    def wanted_by(self) -> tuple[str, ...]:
        """The verbs that it is for; none: any."""
        return self.verbs or self.group.verbs

    def given(self, args: argparse.Namespace) -> bool:
        """Whether a command line has it."""
        value = getattr(args, self.dest)
        return value is not None and value is not False and value != []  # 0 is a value

    def families(self) -> list[ModelFamily]:
        """The model types that understand it."""
        return [f for f in families() if not self.family or self.dest in f.flags]

    def arguments(self) -> dict[str, Any]:
        """What argparse is told of it; without a name for its value it is a switch."""
        metavar = [word for word in self.names.split() if not word.startswith("-")]
        value = {"type": self.kind, "metavar": metavar[0]} if metavar else {"action": "store_true"}
        return {"dest": self.dest, "help": self._help(), **value, **self.how}

    def _help(self) -> str:
        """The help, with the model types that understand it where not all do."""
        told = self.help.format(default=self._default())
        if not self.family or self.group is VOICES:
            return told
        numbers = [str(f.number) for f in self.families()]
        return f"{told} [model type{'s' * (len(numbers) > 1)} {', '.join(numbers)}]"

    def _default(self) -> str:
        """The default, where it is a number: one for all model types, or that of each."""
        by_value: dict[str, list[str]] = {}
        for family in self.families():
            if isinstance(value := default_of(self.dest, family), int | float):
                by_value.setdefault(f"{value:g}", []).append(str(family.number))
        if len(by_value) == 1 and len(*by_value.values()) == len(self.families()):
            return next(iter(by_value))
        return "; ".join(f"type {', '.join(types)}: {v}" for v, types in by_value.items())


def default_of(name: str, family: ModelFamily) -> Any:
    """What an option is where nobody says, by its name in the parsed arguments."""
    groups = (
        family,
        family.network,
        family.training,
        family.finetuning,
        Composing(),
        Runtime(),
        Together(),
    )
    found = (getattr(group, name, None) for group in groups)
    return next((value for value in found if value is not None), None)


PLAYED = ("predict", "duet")
REPEATED: dict[str, Any] = {"action": "append", "default": []}
SOURCES = "a folder, a glob, or music21:chorales, music21:bach, music21:palestrina, ..."
# fmt: off
OPTIONS = (
    Option("-f --fit", DO, "train the model"),
    Option("-pm --predict-midi", DO, "compose a .mid file"),
    Option("-st --stream", DO, "stream live music to phones"),
    Option("-sl --save-lite VARIANT", DO, f"export for LiteRT: {', '.join(VARIANTS)} (default: these), "
           f"or {MICRO}, a C header", how={"nargs": "*", "choices": (*VARIANTS, MICRO)}),
    Option("-bf --benchmark-full", DO, "measure the Keras model here"),
    Option("-bl --benchmark-lite", DO, "measure its LiteRT variants here"),
    Option("--evaluate SOURCE", DO, "the report card of a model: a folder of scores, music21:bach, or a "
           "JSON file of chorales"),
    Option("--encode FOLDER", DO, "encode a large corpus into shards there, to train on with --corpus "
           "FOLDER (docs/large.md)", file),
    Option("--list", DO, "list the models and how good each is"),
    Option("--doctor", DO, "look for what is missing here"),
    Option("--duet", DO, "play together with people and models over MIDI, in time"),
    Option("--list-ports", DO, "list the MIDI ports that there are"),
    Option("--replay SESSION", DO, "play a session of --duet again, note for note, into a .mid", file),
    Option("--add-user NAME", DO, "let somebody else log in to the server, with a random password"),
    Option("--add-guest NAME", DO, "make a code with which a guest may listen (NAME begins it)",
           how={"nargs": "?", "const": "guest"}),
    Option("--self-signed NAME", DO, "make a certificate, with which the server speaks HTTPS, for this "
           "machine and for further host names and addresses", how={"nargs": "*"}),
    Option("-l --load N", MODEL, "0 a new model, 1 a saved one (default 1)", int,
           how={"choices": (0, 1), "default": 1}),
    Option("--app NAME", MODEL, "what the model is for, or its whole name (a new model: bach; a saved "
           "one: that trained last here, else bach)"),
    Option("--model-type N", MODEL, "see below (a new model: 1; a saved one: the latest of its app)",
           int),
    Option("--variant NAME", ENGINE, f"{', '.join(VARIANTS)} (default: the fastest by -bl on this "
           "machine that loses nothing)", verbs=("predict", "stream", "evaluate", "duet"),
           how={"choices": tuple(VARIANTS)}),
    Option("--threads N", ENGINE, "threads of LiteRT ({default})", int, "threads"),
    Option("--delegate PATH", ENGINE, "a LiteRT delegate library", text, "delegate"),
    Option("--corpus SOURCE", LEARN, f"{SOURCES} (default: training/ or, while empty, chorales)",
           verbs=CORPUS),
    Option("--part NAME", LEARN, "read only this part of each score: its name, or what no other part's "
           "name contains, or its number; also of --prime, --harmonise and --evaluate",
           verbs=("fit", "predict", "evaluate")),
    Option("--processes N", LEARN, "train in N processes that share each batch, on JAX; encode in as "
           "many (one for each core)", int, verbs=CORPUS),
    Option("--ray ADDRESS", LEARN, "encode and train on the machines of a Ray cluster: its address, "
           "auto, or local", verbs=CORPUS),
    Option("-e --epochs N", LEARN, "passes at most ({default})", int, "epochs"),
    Option("--split KIND", LEARN, "hold out whole pieces (piece, default), or windows as in the "
           "articles (window), which leaks: is measured on what it learned from", str, "split",
           family=True, shapes=True, how={"choices": ("piece", "window")}),
    Option("--concatenate", LEARN, "durations become part of symbols", family=True, shapes=True,
           verbs=CORPUS),
    Option("--normal", LEARN, "fold the octaves of chords", family=True, shapes=True,
           verbs=CORPUS),
    Option("--transpose N", LEARN, "learn also up to N semitones up and down ({default})", int,
           shapes=True),
    Option("--seqlen N", LEARN, "steps that are learned at a time ({default})", int, "seqlen",
           shapes=True),
    Option("--units N", LEARN, "LSTM units in a layer ({default})", int, "units", shapes=True),
    Option("--dropout P", LEARN, "share of units set to zero while learning ({default})", float,
           "dropout", shapes=True),
    Option("--forget P", LEARN, "share of windows without lookback ({default})", float,
           "lookback_dropout", family=True, shapes=True),
    Option("--retrieval", LEARN, "tell the network how training pieces with the same tune went on, for "
           "music that is heard or measured; new music is composed without", sets="retrieval",
           family=True, shapes=True),
    Option("--from NAME", LEARN, "start from this saved model (an app or a whole name) and make a new "
           "one of it, --app, that learns other pieces as well", text, "base"),
    Option("--mix R", LEARN, "steps of the old music that are learned for each of the new, with --from "
           "({default})", float, "mix", needs="--from"),
    Option("--no-scratch", LEARN, "do not train from scratch as well, to compare, with --from",
           needs="--from"),
    Option("--tensorboard", LEARN, "write TensorBoard events as well"),
    Option("--progress FOLDER", LEARN, "tell there how far it is (progress.json), with a few seconds of "
           "music of every epoch; a file named stop in it ends the training as Ctrl-C does", file),
    Option("--seed N", COMPOSE, "same seed, same notes (drawn); also of training ({default})", int,
           "seed", verbs=("fit", "predict", "duet")),
    Option("--prime FILE", COMPOSE, "continue this score, the prime (types 1 to 3: one of the pieces "
           "that training never saw)", file, family=True),
    Option("--with-prime", COMPOSE, "begin with the music that is continued (default with --prime)",
           family=True),
    Option("--without-prime", COMPOSE, "write the new notes alone", family=True, needs="--prime",
           excludes=("--with-prime",)),
    Option("--notes N", COMPOSE, "how many notes and chords ({default})", int, "notes", family=True),
    Option("--temperature T", COMPOSE, "0: always the likeliest, above 1: bolder ({default})", float,
           "temperature", verbs=PLAYED),
    Option("--top-p P", COMPOSE, "choose among the likeliest that together have this probability "
           "({default})", float, "top_p", verbs=PLAYED),
    Option("--instrument NAME", COMPOSE, "a General MIDI instrument or its number 1..128; in four "
           "voices one or four (as in the corpus)", verbs=PLAYED),
    Option("--bpm N", COMPOSE, "quarter notes a minute (as in the corpus)", float, "bpm", verbs=PLAYED),
    Option("--max-copy N", COMPOSE, "copy at most N notes in a row from the training pieces "
           "({default})", int, "max_copy"),
    Option("--best-of N", COMPOSE, "compose N pieces, with this seed and those after it, and keep the "
           "one that the judge grades best", candidates, family=True, excludes=("--harmonise",)),
    Option("--output PATH", COMPOSE, "the .mid file, or a folder for it (models/MODEL.mid); NAME.wav "
           "and NAME.musicxml: these as well", verbs=PLAYED),
    Option("--wav", COMPOSE, "write the sound as well"),
    Option("--musicxml", COMPOSE, "write a score as well", verbs=PLAYED),
    Option("--harmonise FILE", VOICES, "a melody, or a score in four voices: what is kept of it stays "
           "note for note, the other voices are composed", file, family=True,
           excludes=("--prime", "--with-prime", "--notes", "--max-copy")),
    Option("--keep VOICES", VOICES, "the voices that stay, as in soprano,bass (soprano)",
           family=True, needs="--harmonise"),
    Option("--regenerate BARS", VOICES, "of the score given with --harmonise only these bars are "
           "composed anew: 5-8", family=True, needs="--harmonise"),
    Option("--key NAME", VOICES, "the key: 'G minor' (drawn as the corpus has them; of a melody: its "
           "own); with --duet models of any type play only its notes, or 'C D E G A'", verbs=PLAYED,
           family=True, anyone=("duet",)),
    Option("--scale NAME", VOICES, "only these: 'G major', 'A minor' or 'C D E G A'", family=True),
    Option("--range RANGE", VOICES, "a voice stays within: soprano=C4-G5; may be repeated", family=True,
           how={"action": "append", "default": []}),
    Option("--no-crossing", VOICES, "no voice crosses another", family=True),
    Option("--json PATH", REPORT, "write the figures as JSON, too", file),
    Option("--players NAMES", TOGETHER, "who plays, in turn: person, file:TUNE.mid, models (person and "
           "the model of --app and --model-type)"),
    Option("--player NAME", TOGETHER, "who plays the person's part: file:TUNE.mid"),
    Option("--drums NAME", TOGETHER, "a model that plays along all the time"),
    Option("--midi-in PORT", TOGETHER, "a part of a port's name, virtual:NAME, listen:PORT or "
           "connect:HOST:PORT; may be repeated (every one there is)", how=REPEATED),
    Option("--midi-out PORT", TOGETHER, "where it plays, likewise", how=REPEATED),
    Option("--osc-out ADDRESS", TOGETHER, "send notes, beats, bars and surprise as OSC to HOST:PORT, or "
           "PORT of this machine; may be repeated", how=REPEATED),
    Option("--clock KIND", TOGETHER, "MIDI clock: in follows, out sends (internal)", str, "clock",
           how={"choices": CHOICES["clock"]}),
    Option("--way KIND", TOGETHER, "answer a call, accompany a voice, continue where you stop, or a "
           "ring of models (answer; without people: ring)", str, "way",
           how={"choices": CHOICES["way"]}),
    Option("--ends KIND", TOGETHER, "what ends a call (rest): rest, bar, beats, pedal or button", str,
           "ends", how={"choices": CHOICES["ends"]}),
    Option("--rest N", TOGETHER, "silence that ends a call ({default})", float, "rest"),
    Option("--listen-least N", TOGETHER, "a call's length at least ({default})", float, "listen_least"),
    Option("--listen-most N", TOGETHER, "a call's length at most ({default})", float, "listen_most"),
    Option("--answer N", TOGETHER, "an answer's length; 0: as long as the call ({default})", float,
           "answer"),
    Option("--bar N", TOGETHER, "quarters of a bar ({default})", int, "bar"),
    Option("--voice N", TOGETHER, "the voice you play, 1 soprano to 4 bass ({default})", int, "voice"),
    Option("--swing P", TOGETHER, "where in a beat its second half begins ({default})", float, "swing"),
    Option("--as-played", TOGETHER, "keep your notes as played, not on the grid"),
    Option("--loop", TOGETHER, "repeat an answer until you play", sets="loop"),
    Option("--mutate P", TOGETHER, "chance that a repetition is composed anew ({default})", float,
           "mutate"),
    Option("--no-through", TOGETHER, "what you play does not go out"),
    Option("--metronome", TOGETHER, "a click on every beat", sets="metronome"),
    Option("--metronome-channel N", TOGETHER, "its MIDI channel ({default})", int, "metronome_channel"),
    Option("--channel N", TOGETHER, "MIDI channel of the first model ({default})", int, "channel"),
    Option("--person-channel N", TOGETHER, "MIDI channel of the first person; 0: the one after those "
           "of models ({default})", int, "person_channel"),
    Option("--offset MS", TOGETHER, "models sound so many milliseconds later ({default})", float,
           "offset"),
    Option("--state-channel N", TOGETHER, "send beat, bar and surprise as control changes 20 to 22 on "
           "this MIDI channel", int, "state_channel"),
    Option("--map KNOB", TOGETHER, "a control change that sets something: 74=temperature, 80=button; "
           "may be repeated", how=REPEATED),
    Option("--learn NAMES", TOGETHER, "bind the knobs that you touch first: temperature,bpm"),
    Option("--no-page", TOGETHER, "serve no page (host, port and login as in play_bach.json)"),
    Option("--until N", TOGETHER, "end after so many quarters (Ctrl-C)", float),
    Option("--host ADDRESS", SERVE, "listen there, whatever play_bach.json says"),
)
# fmt: on


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
        epilog=EXAMPLES + types + WORDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for group, options in groupby(OPTIONS, key=lambda option: option.group):
        heading = made.add_argument_group(group.title)
        for option in options:
            heading.add_argument(*option.flags, **option.arguments())
    return made


def settings_given(args: argparse.Namespace, group: type[Settings]) -> dict[str, Any]:
    """What a command line says of a group of settings."""
    known = {f.name for f in fields(group)}
    return {o.dest: getattr(args, o.dest) for o in OPTIONS if o.sets in known and o.given(args)}


def validate(args: argparse.Namespace) -> None:
    """Raise UserError for options that make no sense together, in one sentence."""
    wanted = {verb.name for verb in VERBS if verb.wanted(args)}
    if not wanted:
        raise UserError("nothing to do: add -pm to compose, -f to train, or -h for help.")
    if args.app is not None and not re.fullmatch(r"[\w-]+", args.app):
        raise UserError(f"--app {args.app!r} must be letters, digits, - and _ only.")
    given = [option for option in OPTIONS if option.given(args)]
    for option in given:
        if option.wanted_by and not wanted & set(option.wanted_by):
            _refuse_without_verb([o for o in given if o.wanted_by == option.wanted_by])
    _check_load(args, given, wanted)
    flags = {option.flag for option in given}
    for option in given:
        if option.needs and option.needs not in flags:
            needed = next(o for o in OPTIONS if o.flag == option.needs)
            what = "a score" if needed.kind is file else "a model"
            raise UserError(f"{option.flag} needs {what}: add {needed.names}.")
        if others := ", ".join(flag for flag in option.excludes if flag in flags):
            raise UserError(f"{others} cannot be combined with {option.flag}: leave it out.")
    if args.part is not None and wanted == {"predict"} and not (args.prime or args.harmonise):
        raise UserError("--part needs a score: add --prime FILE or --harmonise FILE.")
    if args.model_type is not None or args.load == 0:
        validate_for(args, family_of(1 if args.model_type is None else args.model_type))


def _check_load(args: argparse.Namespace, given: Sequence[Option], wanted: set[str]) -> None:
    """Raise UserError for options that do not go with the model that is loaded, or with none."""
    if args.load == 0 and "fit" not in wanted:
        raise UserError("-l 0 makes a new model, which knows nothing yet: add -f to train it.")
    if args.base and args.load == 0:
        raise UserError(
            "--from starts from a saved model, -l 0 from nothing: leave one of them out."
        )
    if args.base and args.app in (None, args.base):
        raise UserError("--from makes a new model: give it a name of its own with --app.")
    saved = args.load == 1 and wanted != {"encode"}
    if saved and (shaping := [o.flag for o in given if o.shapes]):
        raise UserError(
            f"{', '.join(shaping)} cannot change a saved model: train a new one with -l 0 -f."
        )


def _refuse_without_verb(options: Sequence[Option]) -> NoReturn:
    flags = [option.flag for option in options]
    verbs = [verb for verb in VERBS if verb.name in options[0].wanted_by]
    purposes = " or ".join(verb.purpose for verb in verbs)
    shortest = {option.flag: option.flags[0] for option in OPTIONS}
    add = " or ".join(shortest[verb.flags[-1]] for verb in verbs)
    raise UserError(
        f"{', '.join(flags)} {'is' if len(flags) == 1 else 'are'} for {purposes}: add {add}."
    )


def validate_for(args: argparse.Namespace, family: ModelFamily) -> None:
    """Raise UserError for an option that this model type does not understand."""
    wanted = {verb.name for verb in VERBS if verb.wanted(args)}
    for option in OPTIONS:
        if wanted and wanted <= set(option.anyone):
            continue
        if option.family and option.given(args) and option.dest not in family.flags:
            numbers = ", ".join(str(f.number) for f in option.families())
            raise UserError(
                f"{option.flag} is not for model type {family.number} ({family.summary}), only for "
                f"{numbers}: leave it out, or choose another with --model-type."
            )
