"""The model and the settings that a command line asks for."""

from __future__ import annotations

import argparse
import re
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cli.options import settings_given, validate_for
from cli.run_log import told
from config_bach import (
    Composing,
    Encoding,
    FineTuning,
    Network,
    Paths,
    Reading,
    Runtime,
    Training,
    UserError,
)
from families.base import LoadedModel, ModelFamily
from families.corpus import read_part
from families.registry import family_of
from litert.loading import playing
from storage import bundle as bundles
from storage.bundle import Bundle
from storage.catalog import candidates
from stream import settings
from stream.settings import Server

if TYPE_CHECKING:
    from workflows.encoding import Workers

MOST_PROCESSES = 1024
LARGEST_SEED = 2**31  # seeds that are drawn stay short enough to type


def composing_of(args: argparse.Namespace) -> Composing:
    """The settings of composing, checked; a seed is drawn when none was given."""
    drawn = {"seed": secrets.randbelow(LARGEST_SEED)}
    return Composing(**{**drawn, **settings_given(args, Composing)})


def runtime_of(args: argparse.Namespace) -> Runtime:
    """What LiteRT is to run on."""
    return Runtime(**settings_given(args, Runtime))


def new_model_of(args: argparse.Namespace) -> tuple[Encoding, Network, Training]:
    """The settings of a new model: those given, else the defaults of its family."""
    family = family_of(1 if args.model_type is None else args.model_type)
    network = replace(family.network, **settings_given(args, Network))
    transpose = family.transpose if args.transpose is None else args.transpose
    if args.split == "window" and args.transpose is None:
        transpose = 0  # the articles' protocol
    encoding = Encoding(
        args.normal, args.concatenate, transpose=transpose, unfold=True, part=args.part or ""
    )
    return encoding, network, replace(family.training, **settings_given(args, Training))


def finetuning_of(args: argparse.Namespace, family: ModelFamily | None = None) -> FineTuning:
    """How a model is fine-tuned: as was asked, else as is usual for its family."""
    usual = family.finetuning if family else FineTuning()
    return replace(usual, **settings_given(args, FineTuning))


def processes_of(args: argparse.Namespace) -> int:
    """How many processes are to share the work; 0 where nobody says. Raises UserError out of range."""
    if args.processes is None:
        return 0
    if not 1 <= args.processes <= MOST_PROCESSES:
        raise UserError(
            f"--processes is {args.processes}, but it must lie between 1 and {MOST_PROCESSES}."
        )
    return int(args.processes)


def workers_of(args: argparse.Namespace) -> Workers:
    """What encodes a large corpus: processes of this machine, or those of a Ray cluster."""
    from workflows.encoding import LocalWorkers, RayWorkers

    count = processes_of(args)
    return RayWorkers(args.ray, count) if args.ray else LocalWorkers(count)


def path_of_model(args: argparse.Namespace, paths: Paths) -> Path:
    """The bundle that is asked for. Raises UserError if there is none."""
    return candidates(args.app, args.model_type, paths)[0]


def bundle_of(args: argparse.Namespace, paths: Paths, bundle: Bundle | None) -> Bundle:
    """The bundle that was just trained or else is asked for."""
    bundle = bundle or bundles.load(path_of_model(args, paths))
    validate_for(args, family_of(bundle.network.model_type))
    return bundle


def able_bundle(args: argparse.Namespace, paths: Paths) -> Bundle:
    """The bundle to compose with: of those that are meant the latest that understands all options and
    can continue the score of --prime.

    Says so if it is not the latest of all. Raises UserError, with what the latest one lacks, if there
    is none.
    """
    refusals: list[tuple[str, UserError]] = []
    for path in candidates(args.app, args.model_type, paths):
        bundle = bundles.load(path)
        family = family_of(bundle.network.model_type)
        try:
            validate_for(args, family)
            if args.prime is not None:
                family.check_prime(args.prime, paths, bundle.vocabulary.encoding)
        except UserError as refusal:
            refusals.append((bundle.name, refusal))
            continue
        if refusals:
            name, why = refusals[0]
            told(f"{bundle.name} composes, since {name} cannot: {_reason(why)}")
        return bundle
    raise refusals[0][1]


def with_part(args: argparse.Namespace, paths: Paths) -> argparse.Namespace:
    """The same command line with the part that --part names in the place of the scores it gives.

    Raises UserError, naming the parts that there are, for any other.
    """
    if args.part is None:
        return args
    given = {
        name: read_part(path, paths, Reading(name == "prime", args.part))
        for name in ("prime", "harmonise")
        if (path := getattr(args, name)) is not None
    }
    return argparse.Namespace(**{**vars(args), **given})


def _reason(refusal: UserError) -> str:
    """What is wrong, without the advice that follows."""
    return re.split("; |: leave it out", str(refusal))[0].rstrip(".")


def engine_of(args: argparse.Namespace, bundle: Bundle, paths: Paths) -> LoadedModel:
    """A bundle with the variant that plays here."""
    return playing(bundle, paths, args.variant, runtime_of(args))


def server_of(paths: Paths) -> Server:
    """The settings of the server. If they are made just now, the password is printed: this once."""
    server, new = settings.load_or_create(paths)
    if new:
        print(f"user {server.user}, password {server.password}   (shown this once)")
    return server
