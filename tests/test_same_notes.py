"""The shipped models compose the same notes from the same seed as ever, in 32 bits.

same_notes.json was recorded before the code was rebuilt; four voices afterwards, since chorales now have
a plan and voice leading (docs/decisions.md, "Chorales on a plan").
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import mido
import pytest
from conftest import ROOT, home

from config_bach import Paths
from litert.export import with_variants
from play_bach import run
from storage.bundle import load

pytestmark = pytest.mark.slow

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "same_notes.json").read_text())
TUNE = ((67, 1), (69, 1), (71, 1), (72, 1), (74, 2), (72, 1), (71, 1), (69, 2), (67, 2))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A home with the shipped models, each with its variant in 32 bits, and a tune."""
    paths = home(tmp_path_factory.mktemp("shipped"))
    for path in (ROOT / "models").glob("*_nc_mo.zip"):
        if path.stem not in ("bach2_nc_mo", "bach5_nc_mo", "jsb5_nc_mo"):
            continue
        bundle = load(path)
        if "float32" in bundle.steps:
            shutil.copy(path, paths.models)
        else:
            with_variants(bundle, ["float32"]).save(paths.models / path.name)
    midi, track = mido.MidiFile(ticks_per_beat=480), mido.MidiTrack()
    for pitch, quarters in TUNE:
        track.append(mido.Message("note_on", note=pitch, velocity=90, time=0))
        track.append(mido.Message("note_off", note=pitch, velocity=0, time=480 * quarters))
    midi.tracks.append(track)
    midi.save(paths.root / "tune.mid")
    return paths


def messages(path: Path) -> list[list[Any]]:
    """Every note and instrument of a MIDI file: track, tick, type, values by name."""
    found: list[list[Any]] = []
    for number, track in enumerate(mido.MidiFile(path).tracks):
        now = 0
        for m in track:
            now += m.time
            if m.type in ("note_on", "note_off", "program_change"):
                values = [v for k, v in sorted(m.dict().items()) if k not in ("type", "time")]
                found.append([number, now, m.type, *values])
    return found


@pytest.mark.parametrize("case", RECORDED)
def test_the_notes_are_the_same(shipped: Paths, case: str) -> None:
    recorded = RECORDED[case]
    words = [str(shipped.root / "tune.mid") if w == "TUNE" else w for w in recorded["words"]]
    output = shipped.root / "out.mid"
    run(["-pm", "--variant", "float32", "--output", str(output), *words], shipped)
    notes = messages(output)
    assert sum(m[2] == "note_on" for m in notes) == recorded["notes"]
    assert hashlib.sha256(json.dumps(notes).encode()).hexdigest() == recorded["sha256"]
