"""--encode: a large corpus into shards, which training then reads in bounded memory."""

import argparse
import logging
from typing import Any

from cli.common import new_model_of, workers_of
from config_bach import Paths, require_large
from families import corpus as corpora
from families.large import lines
from storage.shards import Shards
from workflows import encoding as encoder
from workflows.encoding import Target

log = logging.getLogger("play_bach")


def encode(args: argparse.Namespace, paths: Paths, bundle: Any = None) -> None:
    """Encode the corpus for a model type; what is there already is not made again."""
    require_large("pyarrow", "--encode")
    encoding, network, training = new_model_of(args)
    source = args.corpus or corpora.default_source(paths)
    log.info("corpus %s", source)
    encoder.encode(source, Target(network.model_type, encoding, args.encode), workers_of(args))
    for line in lines(Shards(args.encode, training.seed)):
        log.info(line)
    log.info(
        "encoded into %s: train with -l 0 -f --model-type %d --corpus %s",
        args.encode,
        network.model_type,
        args.encode,
    )
