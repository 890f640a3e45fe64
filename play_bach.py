#!/usr/bin/env python3
"""Play Bach: train a neural network on music you love, then hear it play."""

from __future__ import annotations

import argparse
import logging
import secrets
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bundle as bundles
from config_bach import (
    CHORALE,
    LONGEST,
    MODEL_TYPES,
    NETWORKS,
    TRAININGS,
    TRANSPOSE,
    Composing,
    Encoding,
    Network,
    Places,
    Training,
    UserError,
)
from files import set_aside, shown

if TYPE_CHECKING:
    from compose import Wish

log = logging.getLogger("play_bach")

COMPOSED_WITH = ("notes", "temperature", "top_p", "seed", "bpm", "max_copy")
CHOSEN_FOR_YOU = 2**31  # seeds that are drawn stay short enough to type

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
  play_bach.py --list                             what is in models/, and how good it is
  play_bach.py --doctor                           what is missing on this machine, and the mend

model types:
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    types = "\n".join(f"  {number}  {text}" for number, text in MODEL_TYPES.items())
    p = argparse.ArgumentParser(
        prog="play_bach.py",
        description=__doc__,
        epilog=EXAMPLES + types,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    do = p.add_argument_group("what to do (several at once if you like)")
    do.add_argument("-f", "--fit", action="store_true", help="train the model")
    do.add_argument("-pm", "--predict-midi", action="store_true", help="compose a .mid file")
    do.add_argument("-st", "--stream", action="store_true", help="stream live music to phones")
    do.add_argument(
        "--evaluate",
        metavar="SOURCE",
        help="the report card of a model: a folder of scores, music21:bach, or a JSON file of chorales",
    )
    do.add_argument("--list", action="store_true", help="list the models and how good each is")
    do.add_argument("--doctor", action="store_true", help="look for what is missing here")
    which = p.add_argument_group("which model")
    which.add_argument(
        "-l",
        "--load",
        type=int,
        choices=(0, 1),
        default=1,
        help="0 a new model, 1 a saved one (default 1)",
    )
    which.add_argument(
        "--app", default="bach", metavar="NAME", help="what the model is for (default bach)"
    )
    which.add_argument(
        "--model-type",
        type=int,
        choices=tuple(MODEL_TYPES),
        metavar="N",
        help="see below (default 1)",
    )
    which.add_argument(
        "--json", type=Path, metavar="PATH", help="with --evaluate: write the figures as JSON, too"
    )
    _add_training(p.add_argument_group("training (with -f)"))
    _add_composing(p.add_argument_group("composing (with -pm)"))
    _add_voices(p.add_argument_group("composing in four voices (with -pm and model type 5)"))
    return p


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
        help="leave a path that copies more than N notes in a row from the training pieces",
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
    if not (
        args.fit or args.predict_midi or args.stream or args.list or args.doctor or args.evaluate
    ):
        raise UserError("nothing to do: add -pm to compose, -f to train, or -h for help.")
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
    if not args.app or bundles.glob_free(args.app) != args.app:
        raise UserError(f"--app {args.app!r} must be letters, digits, - and _ only.")


def composing_of(args: argparse.Namespace) -> Composing:
    """The settings of composing, checked; a seed is drawn when none was given."""
    given = {k: getattr(args, k) for k in COMPOSED_WITH}
    settings = Composing(**{k: v for k, v in given.items() if v is not None})
    return (
        settings
        if args.seed is not None
        else replace(settings, seed=secrets.randbelow(CHOSEN_FOR_YOU))
    )


def fit(args: argparse.Namespace, places: Places) -> bundles.Bundle:
    """-f: train a new model, or go on with a saved one."""
    import corpus
    from chorale import sources
    from lite import quiet

    _log_to_file(places)
    known = _to_go_on_with(args, places) if args.load else None
    source = args.corpus or (
        known.facts["corpus"]["source"] if known else corpus.default_source(places)
    )
    in_voices = (known.network.model_type if known else args.model_type) == CHORALE
    found: Any = (
        sources.read(source, places)
        if in_voices
        else corpus.read(
            source, places, known.vocabulary.encoding.max_duration if known else LONGEST
        )
    )
    log.info("corpus %s", source)
    for line in corpus.table(found):
        log.info(line)
    with quiet():  # TensorFlow's greeting
        import fit as fitting

        fitting.wake_tensorflow()
    if known:
        bundle, parts = fitting.resumed(known, args.epochs, found)
        log.info("going on with %s after epoch %d", known.name, len(known.facts["history"]))
    else:
        begin = fitting.new_chorale_bundle if in_voices else fitting.new_bundle
        bundle, parts = begin(args.app, found, *_shape(args))
        set_aside(places.checkpoint / bundle.name)
    return fitting.fit(bundle, parts, places, args.tensorboard)


def _to_go_on_with(args: argparse.Namespace, places: Places) -> bundles.Bundle:
    """The checkpoint of an unfinished training or, where there is none, the finished model."""
    unfinished = bundles.unfinished(args.app, args.model_type, places)
    return bundles.load(unfinished or bundles.choose(args.app, args.model_type, places))


def _shape(args: argparse.Namespace) -> tuple[Encoding, Network, Training]:
    """The settings of a new model."""
    number = args.model_type or 1
    network = NETWORKS[number]
    given = {k: getattr(args, k) for k in ("seqlen", "units", "dropout", "forget")}
    network = replace(network, **{k: v for k, v in given.items() if v is not None})
    transpose = TRANSPOSE[number] if args.transpose is None else args.transpose
    if args.split == "window" and args.transpose is None:
        transpose = 0  # the articles' protocol
    encoding = Encoding(args.normal, args.concatenate, LONGEST, transpose)
    wanted = {"epochs": args.epochs, "split": args.split, "seed": args.seed}
    training = replace(TRAININGS[number], **{k: v for k, v in wanted.items() if v is not None})
    return encoding, network, training


def predict_midi(args: argparse.Namespace, places: Places, bundle: bundles.Bundle | None) -> None:
    """-pm: compose with a model, and name the files that were written."""
    from compose import compose, compose_chorale, write

    bundle = bundle or bundles.load(bundles.choose(args.app, args.model_type, places))
    if bundle.network.model_type == CHORALE and args.notes:
        raise UserError("--notes is not for model type 5: a chorale ends where its form does.")
    if bundle.network.model_type == CHORALE:
        settings = composing_of(args)
        piece = compose_chorale(bundle, settings, places, wish_of(args), args.instrument)
    elif given := voices_asked(args):
        raise UserError(f"{given}: for model type 5, which has voices; {bundle.name} has none.")
    else:
        piece = compose(bundle, composing_of(args), places, args.prime, args.instrument)
    print(piece)
    midi = args.output or places.models / f"{bundle.name}.mid"
    for kind, path in write(piece, midi, args.wav, args.musicxml):
        print(f"  {kind:<8} {shown(path)}")
    if piece.copy:
        print(f"  {'copied':<8} at most {piece.copy}")


def evaluate(args: argparse.Namespace, places: Places, bundle: bundles.Bundle | None) -> None:
    """--evaluate: print the report card of a model, and draw it."""
    import charts
    import report

    bundle = bundle or bundles.load(bundles.choose(args.app, args.model_type, places))
    card = report.report(bundle, args.evaluate, places)
    for line in report.lines(card):
        print(line)
    picture = places.models / f"{bundle.name}.report.png"
    charts.report_card(picture, card)
    print(f"  {'picture':<8} {shown(picture)}")
    if args.json:
        report.save(card, args.json)
        print(f"  {'figures':<8} {shown(args.json)}")


def voices_asked(args: argparse.Namespace) -> str:
    """The flags given that only a model with voices understands."""
    flags = {"--harmonise": args.harmonise, "--scale": args.scale, "--range": args.range}
    flags |= {"--no-crossing": args.no_crossing}
    return ", ".join(k for k, v in flags.items() if v)


def wish_of(args: argparse.Namespace) -> Wish:
    """What is wanted of a piece in four voices."""
    from chorale.limits import limits_of
    from compose import Wish

    limits = limits_of(args.scale, args.range, args.no_crossing)
    return Wish(limits, args.prime, args.harmonise, args.keep, args.regenerate)


def stream(places: Places) -> None:
    """-st: serve the control page and the sound until Ctrl-C."""
    from stream.serve import stream as serve

    serve(places)


def examine(places: Places) -> int:
    """--doctor: print what was found; 0 if all is well, 2 if something must be mended."""
    from doctor import examine as look

    findings = look(places)
    print("\n".join(str(finding) for finding in findings))
    well = all(finding.well for finding in findings)
    print("all is well" if well else "something is missing: type the commands above")
    return 0 if well else 2


def _log_to_file(places: Places) -> None:
    """Write what training prints to log_play_bach.log as well, with the time."""
    try:
        handler = logging.FileHandler(places.log, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"cannot write {places.log}: {error.strerror}; mend its permissions."
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)


def _log_to_screen() -> None:
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers = [logging.StreamHandler(sys.stdout)]


def run(argv: Sequence[str] | None = None, places: Places | None = None) -> int:
    """Do what the command line asks. Returns the exit code; raises UserError."""
    args = parser().parse_args(argv)
    places = places or Places()
    refuse_nonsense(args)
    _log_to_screen()
    if args.doctor:
        return examine(places)
    composing_of(args)  # bad values are refused before long work begins
    _shape(args)
    bundle = fit(args, places) if args.fit else None
    if args.predict_midi:
        predict_midi(args, places, bundle)
    if args.evaluate:
        evaluate(args, places, bundle)
    if args.list:
        print("\n".join(bundles.table(places)))
    if args.stream:
        stream(places)
    return 0


def main() -> None:
    """The entry point: one sentence and exit code 2 for what the user can mend."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(run())
    except UserError as error:
        print(f"play_bach: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("play_bach: stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    main()
