"""The command line: every flag, and which of them make sense together."""

from __future__ import annotations

import argparse
from pathlib import Path

from bundle import glob_free
from config_bach import MODEL_TYPES, UserError
from lite.micro import MICRO
from lite.variants import VARIANTS

PURPOSE = "Play Bach: train a neural network on music you love, then hear it play."
EXAMPLES = """
examples:
  play_bach.py -pm --wav                          compose with the model that came with Play Bach
  play_bach.py -l 0 -f -pm                        train on the scores in training/, then compose
  play_bach.py -l 0 -f -pm --app cello --model-type 2
                                                  the same, with another name and another network
  play_bach.py -l 1 -f --app cello                go on training, also after a crash
  play_bach.py -pm --app cello --instrument cello --seed 7 --temperature 0.9
  play_bach.py -pm --prime my_tune.mid --musicxml continue a tune of yours
  play_bach.py -l 0 -f --app hymns --corpus music21:bach
                                                  train on scores that music21 carries
  play_bach.py -pm --model-type 5 --harmonise tune.mid --musicxml
                                                  three voices under a melody of yours
  play_bach.py -st                                music composed this very moment, on a phone
  play_bach.py --evaluate music21:chorales        how good a model is, what it copies, where it fails
  play_bach.py -sl -bf -bl                        export, and measure here, all LiteRT variants
  play_bach.py --list                             what is in models/, and how good it is
  play_bach.py --doctor                           what is missing on this machine, and the mend

model types:
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    types = "\n".join(f"  {number}  {text}" for number, text in MODEL_TYPES.items())
    p = argparse.ArgumentParser(
        prog="play_bach.py",
        description=PURPOSE,
        epilog=EXAMPLES + types,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_verbs(p.add_argument_group("what to do (several at once if you like)"))
    _add_model(p.add_argument_group("which model"))
    _add_engine(p.add_argument_group("what composes"))
    _add_training(p.add_argument_group("training (with -f)"))
    _add_composing(p.add_argument_group("composing (with -pm)"))
    _add_voices(p.add_argument_group("composing in four voices (with -pm and model type 5)"))
    return p


def _add_verbs(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-f", "--fit", action="store_true", help="train the model")
    group.add_argument("-pm", "--predict-midi", action="store_true", help="compose a .mid file")
    group.add_argument("-st", "--stream", action="store_true", help="stream live music to phones")
    group.add_argument(
        "-sl",
        "--save-lite",
        nargs="*",
        choices=(*VARIANTS, MICRO),
        metavar="VARIANT",
        help=f"export for LiteRT: {', '.join(VARIANTS)} (default: these), or {MICRO}, a C header",
    )
    group.add_argument(
        "-bf", "--benchmark-full", action="store_true", help="measure the Keras model here"
    )
    group.add_argument(
        "-bl", "--benchmark-lite", action="store_true", help="measure its LiteRT variants here"
    )
    group.add_argument(
        "--evaluate",
        metavar="SOURCE",
        help="the report card of a model: a folder of scores, music21:bach, or a JSON file of chorales",
    )
    group.add_argument("--list", action="store_true", help="list the models and how good each is")
    group.add_argument("--doctor", action="store_true", help="look for what is missing here")


def _add_model(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-l",
        "--load",
        type=int,
        choices=(0, 1),
        default=1,
        help="0 a new model, 1 a saved one (default 1)",
    )
    group.add_argument(
        "--app", default="bach", metavar="NAME", help="what the model is for (default bach)"
    )
    group.add_argument(
        "--model-type",
        type=int,
        choices=tuple(MODEL_TYPES),
        metavar="N",
        help="see below (default 1)",
    )
    group.add_argument(
        "--json", type=Path, metavar="PATH", help="with --evaluate: write the figures as JSON, too"
    )


def _add_engine(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--variant",
        choices=tuple(VARIANTS),
        help="of the exported ones (default: the fastest by -bl on this machine that loses nothing)",
    )
    group.add_argument("--threads", type=int, metavar="N", help="threads of LiteRT (1)")
    group.add_argument(
        "--delegate", metavar="PATH", help="a LiteRT delegate library, e.g. of an accelerator"
    )
    group.add_argument(
        "--host", metavar="ADDRESS", help="with -st: listen there, whatever play_bach.json says"
    )


def _add_training(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--corpus",
        metavar="SOURCE",
        help="a folder, a glob, or music21:chorales, music21:bach, music21:palestrina, ... "
        "(default: training/ or, while that is empty, music21:chorales)",
    )
    group.add_argument(
        "-e", "--epochs", type=int, metavar="N", help="passes over the corpus at most (30)"
    )
    group.add_argument(
        "--split",
        choices=("piece", "window"),
        help="hold out whole pieces (default), or windows as in the articles, which leaks",
    )
    group.add_argument(
        "--concatenate", action="store_true", help="make durations part of the symbols"
    )
    group.add_argument("--normal", action="store_true", help="fold the octaves of chords")
    group.add_argument(
        "--transpose", type=int, metavar="N", help="hear pieces up to N semitones off"
    )
    group.add_argument("--seqlen", type=int, metavar="N", help="events in a window (40)")
    group.add_argument("--units", type=int, metavar="N", help="LSTM units in each layer")
    group.add_argument(
        "--dropout", type=float, metavar="P", help="share of units silenced (0.3 to 0.5, by type)"
    )
    group.add_argument(
        "--forget", type=float, metavar="P", help="share of windows without lookback (type 2; 0)"
    )
    group.add_argument(
        "--tensorboard", action="store_true", help="write TensorBoard events as well"
    )


def _add_composing(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--prime", type=Path, metavar="FILE", help="continue this score (default: a held-out piece)"
    )
    group.add_argument("--notes", type=int, metavar="N", help="notes and chords to compose (200)")
    group.add_argument(
        "--temperature", type=float, metavar="T", help="0 = always the likeliest (1.0)"
    )
    group.add_argument(
        "--top-p", type=float, metavar="P", help="sample from the likeliest of this mass (0.95)"
    )
    group.add_argument(
        "--seed", type=int, metavar="N", help="same seed, same notes; also of training"
    )
    group.add_argument(
        "--instrument", metavar="NAME", help="a General MIDI instrument or its number 1..128"
    )
    group.add_argument("--bpm", type=float, metavar="N", help="quarter notes a minute")
    group.add_argument(
        "--max-copy",
        type=int,
        metavar="N",
        help="leave a path that copies more than N notes in a row from the training pieces (type 5: 20)",
    )
    group.add_argument(
        "--output", type=Path, metavar="PATH", help="the .mid file (models/MODEL.mid)"
    )
    group.add_argument("--wav", action="store_true", help="write the sound as well")
    group.add_argument("--musicxml", action="store_true", help="write a score as well")


def _add_voices(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--harmonise",
        type=Path,
        metavar="FILE",
        help="a melody, or a score in four voices: what is kept of it stays note for note, the "
        "other voices are composed",
    )
    group.add_argument(
        "--keep", metavar="VOICES", help="the voices that stay, as in soprano,bass (soprano)"
    )
    group.add_argument(
        "--regenerate",
        metavar="BARS",
        help="of the score given with --harmonise only these bars are composed anew: 5-8",
    )
    group.add_argument(
        "--scale", metavar="NAME", help="only these notes: 'G major', 'A minor' or 'C D E G A'"
    )
    group.add_argument(
        "--range",
        action="append",
        default=[],
        metavar="RANGE",
        help="a voice stays within: soprano=C4-G5; may be repeated",
    )
    group.add_argument("--no-crossing", action="store_true", help="no voice crosses another")


def refuse_nonsense(args: argparse.Namespace) -> None:
    """Raise UserError for combinations that make no sense, in one sentence."""
    verbs = (args.fit, args.predict_midi, args.stream, args.list, args.doctor, args.evaluate)
    if not any(verbs) and not _exports_or_measures(args):
        raise UserError("nothing to do: add -pm to compose, -f to train, or -h for help.")
    if args.host and not args.stream:
        raise UserError("--host is for the server: add -st.")
    if args.json and not args.evaluate:
        raise UserError("--json is for the report card: add --evaluate SOURCE.")
    if args.load == 0 and not args.fit:
        raise UserError("-l 0 makes a new model, which knows nothing yet: add -f to train it.")
    if not args.fit and (args.corpus or args.epochs is not None or args.split or args.tensorboard):
        raise UserError("--corpus, --epochs, --split and --tensorboard are for training: add -f.")
    shaping = {"--concatenate": args.concatenate, "--normal": args.normal, "--split": args.split}
    shaping |= {"--transpose": args.transpose, "--seqlen": args.seqlen, "--units": args.units}
    shaping |= {"--dropout": args.dropout, "--forget": args.forget}
    if args.load == 1 and (given := [k for k, v in shaping.items() if v not in (None, False)]):
        raise UserError(
            f"{', '.join(given)} cannot change a saved model: train a new one with -l 0 -f."
        )
    if args.concatenate and args.model_type == 2:
        raise UserError(
            "model type 2 has a duration head of its own: use --concatenate with 1 or 3."
        )
    composing = {"--prime": args.prime, "--notes": args.notes, "--temperature": args.temperature}
    composing |= {"--top-p": args.top_p, "--instrument": args.instrument, "--bpm": args.bpm}
    composing |= {"--output": args.output, "--wav": args.wav, "--musicxml": args.musicxml}
    composing |= {"--harmonise": args.harmonise, "--scale": args.scale, "--range": args.range}
    composing |= {"--max-copy": args.max_copy}
    composing |= {"--no-crossing": args.no_crossing}
    if not args.predict_midi and (
        given := [k for k, v in composing.items() if v not in (None, False, [])]
    ):
        raise UserError(f"{', '.join(given)}: for composing only, add -pm.")
    if (args.keep or args.regenerate) and not args.harmonise:
        raise UserError("--keep and --regenerate need a score: add --harmonise FILE.")
    if args.harmonise and args.max_copy:
        raise UserError("--max-copy is for free composing: leave it out with --harmonise.")
    if args.harmonise and (args.prime or args.notes):
        raise UserError("--harmonise has its own beginning and end: leave --prime and --notes out.")
    if not args.app or glob_free(args.app) != args.app:
        raise UserError(f"--app {args.app!r} must be letters, digits, - and _ only.")


def _exports_or_measures(args: argparse.Namespace) -> bool:
    return args.save_lite is not None or args.benchmark_full or args.benchmark_lite
