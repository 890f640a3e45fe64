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
from typing import TYPE_CHECKING, Any

import bundle as bundles
from arguments import parser, refuse_nonsense
from config_bach import (
    CHORALE,
    LONGEST,
    NETWORKS,
    TRAININGS,
    TRANSPOSE,
    Composing,
    Encoding,
    Network,
    Places,
    Runtime,
    Training,
    UserError,
    require,
)
from files import set_aside, shown
from lite.variants import VARIANTS, benchmark_path

if TYPE_CHECKING:
    from compose import Wish

log = logging.getLogger("play_bach")

COMPOSED_WITH = ("notes", "temperature", "top_p", "seed", "bpm", "max_copy")
CHOSEN_FOR_YOU = 2**31  # seeds that are drawn stay short enough to type


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
    require("tensorflow", "training (-f)")
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


def runtime_of(args: argparse.Namespace) -> Runtime:
    """What LiteRT is to compute on."""
    given = {"threads": args.threads, "delegate": args.delegate}
    return Runtime(**{k: v for k, v in given.items() if v is not None})


def to_play(
    args: argparse.Namespace, places: Places, bundle: bundles.Bundle | None
) -> bundles.Bundle:
    """The bundle that was just trained or else is asked for, with the variant that plays here."""
    bundle = bundle or bundles.load(bundles.choose(args.app, args.model_type, places))
    return bundles.playing(bundle, places, args.variant, runtime_of(args))


def save_lite(
    args: argparse.Namespace, places: Places, bundle: bundles.Bundle | None
) -> bundles.Bundle:
    """-sl: export LiteRT variants, and say how far from Keras they are."""
    require("tensorflow", "exporting (-sl)")
    from lite import micro
    from lite.engine import quiet

    bundle = bundle or bundles.load(bundles.choose(args.app, args.model_type, places))
    wanted = [v for v in VARIANTS if v in (args.save_lite or VARIANTS)]
    if micro.MICRO in args.save_lite and "int8" not in (*wanted, *bundle.steps):
        wanted.append("int8")
    if wanted:
        with quiet():  # TensorFlow's greetings
            from lite import export, parity

            bundle = export.with_variants(bundle, wanted)
            bundle, rows = parity.with_parity(bundle, wanted)
        bundle.save(bundles.path_of(bundle.name, places))
        print("\n".join(parity.table(rows)))
        for path in export.write_files(bundle, wanted, places.models):
            print(f"  {'lite':<8} {shown(path)}")
    if micro.MICRO in args.save_lite:
        print(f"  {'header':<8} {shown(micro.write_header(bundle, places.models))}")
    return bundle


def benchmark(args: argparse.Namespace, places: Places) -> None:
    """-bf, -bl: how fast, how large and how good a model is here; as a table, as JSON, as a picture."""
    from compose import can_draw
    from lite import benchmark as measuring

    if args.benchmark_full:
        require("tensorflow", "measuring Keras (-bf)")
    path = bundles.choose(args.app, args.model_type, places)
    told = measuring.benchmark(path, args.benchmark_lite, args.benchmark_full, runtime_of(args))
    print("\n".join(measuring.table(told)))
    figures = benchmark_path(path.stem, places)
    measuring.save(told, figures)
    print(f"  {'figures':<8} {shown(figures)}")
    if can_draw():
        import charts

        picture = figures.with_suffix(".png")
        charts.benchmark(picture, told)
        print(f"  {'picture':<8} {shown(picture)}")


def predict_midi(args: argparse.Namespace, places: Places, bundle: bundles.Bundle | None) -> None:
    """-pm: compose with a model, and name the files that were written."""
    from compose import compose, compose_chorale, write

    if args.musicxml:
        require("music21", "writing MusicXML")
    bundle = to_play(args, places, bundle)
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
    require("matplotlib", "drawing the report card")
    import charts
    import report

    bundle = to_play(args, places, bundle)
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


def stream(args: argparse.Namespace, places: Places) -> None:
    """-st: serve the control page and the sound until Ctrl-C."""
    from stream.serve import stream as serve

    given = {"variant": args.variant, "threads": args.threads, "delegate": args.delegate}
    given |= {"host": args.host}
    serve(places, **{k: v for k, v in given.items() if v is not None})


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
    runtime_of(args)
    bundle = fit(args, places) if args.fit else None
    if args.save_lite is not None:
        bundle = save_lite(args, places, bundle)
    if args.benchmark_full or args.benchmark_lite:
        benchmark(args, places)
    if args.predict_midi:
        predict_midi(args, places, bundle)
    if args.evaluate:
        evaluate(args, places, bundle)
    if args.list:
        print("\n".join(bundles.table(places)))
    if args.stream:
        stream(args, places)
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
