"""The model and the settings that a command line asks for."""

import argparse
import secrets
from dataclasses import replace

from cli.options import settings_given, validate_for
from config_bach import Composing, Encoding, Network, Paths, Runtime, Training
from families.base import LoadedModel
from families.registry import family_of
from litert.loading import playing
from storage import bundle as bundles
from storage.bundle import Bundle
from storage.catalog import choose
from stream import settings
from stream.settings import Server

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
    encoding = Encoding(args.normal, args.concatenate, transpose=transpose)
    return encoding, network, replace(family.training, **settings_given(args, Training))


def bundle_of(args: argparse.Namespace, paths: Paths, bundle: Bundle | None) -> Bundle:
    """The bundle that was just trained or else is asked for."""
    bundle = bundle or bundles.load(choose(args.app, args.model_type, paths))
    validate_for(args, family_of(bundle.network.model_type))
    return bundle


def model_of(args: argparse.Namespace, paths: Paths, bundle: Bundle | None) -> LoadedModel:
    """The same, with the variant that plays here."""
    return playing(bundle_of(args, paths, bundle), paths, args.variant, runtime_of(args))


def server_of(paths: Paths) -> Server:
    """The settings of the server. If they are made just now, the password is printed: this once."""
    server, new = settings.load_or_create(paths)
    if new:
        print(f"user {server.user}, password {server.password}   (shown this once)")
    return server
