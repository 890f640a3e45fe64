"""The int8 network as a C header."""

import subprocess
import zlib
from pathlib import Path

import pytest

from config_bach import Paths, UserError
from litert import c_header
from storage.bundle import Bundle, load
from storage.catalog import path_of

pytestmark = pytest.mark.slow


def test_the_header_compiles_and_holds_the_model(
    home: Paths, all_variants: Bundle, tmp_path: Path
) -> None:
    """A C program, compiled with gcc, counts the bytes, their checksum and the vocabulary."""
    path = c_header.write_header(all_variants, home.models)
    assert path == home.models / f"{all_variants.name}.micro.h"
    program = tmp_path / "check"
    source = Path(__file__).parent.parent / "micro.c"
    subprocess.run(
        ["gcc", "-std=c99", "-Wall", "-Werror", f'-DHEADER="{path}"', "-o", program, source],
        check=True,
    )
    told = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()
    model = load(path_of(all_variants.name, home)).steps["int8"]
    symbols = [s for field in all_variants.vocabulary.fields for s in field.symbols]
    assert told[0] == f"{len(model)} bytes, crc32 {zlib.crc32(model):08x}, as promised"
    assert bytes.fromhex(told[1]) == model
    assert told[2:] == symbols


def test_without_an_int8_variant_there_is_no_header(event_bundle: tuple[Bundle, Paths]) -> None:
    with pytest.raises(UserError, match="no variant int8; export it with -sl int8 micro"):
        c_header.write_header(event_bundle[0], event_bundle[1].models)


def test_it_says_how_many_voices_are_told_apart(
    all_variants: Bundle, all_voices: tuple[Bundle, object]
) -> None:
    for bundle, voices in ((all_variants, 0), (all_voices[0], 4)):
        defines = [
            line for line in c_header.header(bundle).splitlines() if line.startswith("#define")
        ]
        assert any(line.startswith(f"#define PLAY_BACH_VOICES {voices} ") for line in defines)
