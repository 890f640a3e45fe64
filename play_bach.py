#!/usr/bin/env python3
"""Play Bach: train a neural network on music you love, then hear it play."""

import logging
import signal
import sys

if __name__ == "__main__":  # Ctrl-C and SIGTERM while the rest is imported
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))

from argparse import Namespace
from collections.abc import Callable, Sequence
from importlib import import_module

from cli.common import composing_of, finetuning_of, new_model_of, runtime_of
from cli.options import VERBS, parser, validate
from cli.output import output_of
from cli.run_log import recorded
from config_bach import Paths, UserError
from storage.bundle import Bundle
from workflows.signals import Terminated, terminate


def run(argv: Sequence[str] | None = None, paths: Paths | None = None) -> None:
    """Do what the command line asks, verb by verb. Raises UserError."""
    args, paths = parser().parse_args(argv), paths or Paths()
    with recorded(args, paths):
        validate(args)
        output_of(args, "", paths.models)
        checks: list[Callable[[Namespace], object]] = [composing_of, runtime_of]
        for check in checks + ([new_model_of, finetuning_of] if args.fit else []):
            check(args)  # bad values are refused before long work begins
        _log_to_screen()
        bundle = None
        for verb in VERBS:
            if verb.wanted(args):
                do = getattr(import_module(f"cli.{verb.name}"), verb.name)
                result = do(args, paths, bundle)
                bundle = result if isinstance(result, Bundle) else bundle


def _log_to_screen() -> None:
    log = logging.getLogger("play_bach")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers = [logging.StreamHandler(sys.stdout)]


def main() -> None:
    """The entry point: one sentence and exit code 2 for what the user can mend."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, terminate)
    try:
        run()
    except UserError as error:
        print(f"play_bach: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as stop:
        print(f"play_bach: {str(stop) or 'stopped'}", file=sys.stderr)
        sys.exit(143 if isinstance(stop, Terminated) else 130)
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    main()
