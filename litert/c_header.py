"""The int8 network as a C header, for TensorFlow Lite for Microcontrollers.

The header holds the whole model, so that a board needs no file system; its vocabulary, so that the
board can name what it plays; and a checksum, so that it can tell a damaged flash from a bad tune.
"""

import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from string import Template

from config_bach import UserError
from families.registry import family_of
from litert.interpreter import interpreter
from storage.bundle import Bundle
from storage.files import keep_previous, replacing

MICRO = "micro"
BYTES_A_LINE = 16
TEMPLATE = Path(__file__).parent / "micro.h.in"


def write_header(bundle: Bundle, folder: Path) -> Path:
    """Write models/NAME.micro.h; returns where it lies. Raises UserError without an int8 variant."""
    if "int8" not in bundle.steps:
        raise UserError(f"{bundle.name} has no variant int8; export it with -sl int8 micro.")
    path = folder / f"{bundle.name}.micro.h"
    keep_previous(path)
    with replacing(path) as aside:
        aside.write_text(header(bundle), encoding="ascii")
    return path


def header(bundle: Bundle) -> str:
    """The text of the header."""
    model, fields = bundle.steps["int8"], bundle.vocabulary.fields
    symbols = [symbol for field in fields for symbol in field.symbols]
    operators = interpreter(model)._get_ops_details()  # LiteRT has no public way to list them
    lines = (model[i : i + BYTES_A_LINE] for i in range(0, len(model), BYTES_A_LINE))
    return Template(TEMPLATE.read_text(encoding="ascii")).substitute(
        name=bundle.name,
        guard=f"PLAY_BACH_{bundle.name.upper().replace('-', '_')}_H",
        operators=", ".join(sorted({str(op["op_name"]) for op in operators} - {"DELEGATE"})),
        model_type=bundle.network.model_type,
        voices=len(family_of(bundle.network.model_type).voices),
        size=len(model),
        crc32=f"{zlib.crc32(model):08x}",
        seqlen=bundle.network.seqlen,
        fields=len(fields),
        symbols=len(symbols),
        sizes=_joined(len(field.symbols) for field in fields),
        names="\n".join(f"  {json.dumps(symbol)}," for symbol in symbols),
        model="\n".join(f"  {_joined(line)}," for line in lines),
    )


def _joined(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))
