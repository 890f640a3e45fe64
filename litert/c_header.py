"""The int8 network as a C header, for TensorFlow Lite for Microcontrollers.

The header holds the whole model, so that a board needs no file system; its vocabulary, so that the
board can name what it plays; and a checksum, so that it can tell a damaged flash from a bad tune.
"""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from config_bach import UserError
from families.registry import family_of
from litert.interpreter import interpreter
from storage.bundle import Bundle
from storage.files import keep_previous, replacing

MICRO = "micro"
BYTES_A_LINE = 16


def write_header(bundle: Bundle, folder: Path) -> Path:
    """Write models/NAME.micro.h; returns where it lies. Raises UserError without an int8 variant."""
    if "int8" not in bundle.steps:
        raise UserError(f"{bundle.name} has no variant int8; export it with -sl int8 micro.")
    path = folder / f"{bundle.name}.micro.h"
    keep_previous(path)
    with replacing(path) as aside:
        aside.write_text("\n".join(header(bundle)) + "\n", encoding="ascii")
    return path


def header(bundle: Bundle) -> Iterator[str]:
    """The lines of the header."""
    model = bundle.steps["int8"]
    symbols = [s for field in bundle.vocabulary.fields for s in field.symbols]
    sizes = [len(field.symbols) for field in bundle.vocabulary.fields]
    fields, voices = len(sizes), len(family_of(bundle.network.model_type).voices)
    guard = f"PLAY_BACH_{bundle.name.upper().replace('-', '_')}_H"
    yield f"/* {bundle.name}: a step model of Play Bach in int8 for microcontrollers."
    yield " * In: token ids heard_0, ..., int32; the state memory_0, ..., float32, zeros at first."
    yield " * Out: logits, float32; the state for the next step."
    yield f" * Operators: {', '.join(operators(model))}. */"
    yield f"#ifndef {guard}"
    yield f"#define {guard}"
    yield "#include <stdint.h>"
    yield f"#define PLAY_BACH_MODEL_TYPE {bundle.network.model_type}"
    yield f"#define PLAY_BACH_VOICES {voices} /* told apart; 0: they are not */"
    yield f"#define PLAY_BACH_MODEL_SIZE {len(model)}u"
    yield f"#define PLAY_BACH_MODEL_CRC32 0x{zlib.crc32(model):08x}u /* as zlib and PNG count it */"
    yield f"#define PLAY_BACH_SEQLEN {bundle.network.seqlen}"
    yield f"#define PLAY_BACH_FIELDS {fields} /* what an event consists of: pitch, duration, ... */"
    yield f"#define PLAY_BACH_SYMBOLS {len(symbols)}"
    yield "/* how many symbols each field has, and their names, field after field */"
    yield f"static const uint16_t play_bach_field_sizes[PLAY_BACH_FIELDS] = {{{_joined(sizes)}}};"
    yield "static const char *const play_bach_symbols[PLAY_BACH_SYMBOLS] = {"
    yield from (f"  {json.dumps(symbol)}," for symbol in symbols)
    yield "};"
    yield "/* 16 bytes aligned, as the interpreter wants it */"
    yield "#if defined(__GNUC__)"
    yield "__attribute__((aligned(16)))"
    yield "#endif"
    yield "static const uint8_t play_bach_model[PLAY_BACH_MODEL_SIZE] = {"
    for start in range(0, len(model), BYTES_A_LINE):
        yield f"  {_joined(model[start : start + BYTES_A_LINE])},"
    yield "};"
    yield "#endif"


def _joined(numbers: list[int] | bytes) -> str:
    return ",".join(map(str, numbers))


def operators(model: bytes) -> list[str]:
    """The names of the operators that a LiteRT model needs, in order of the alphabet."""
    details = interpreter(model)._get_ops_details()  # LiteRT has no public way to list them
    return sorted({str(op["op_name"]) for op in details} - {"DELEGATE"})
