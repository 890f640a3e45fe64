"""A trained model as one file: a plain zip of JSON and arrays. No pickle, no code runs on loading.

    bundle.json    what it is: vocabulary, settings, corpus, split, figures, versions
    weights.npz    the Keras weights, in order
    float32.tflite the network one step at a time for LiteRT: what composes; or float16, dynamic, int8
    music.json     the training pieces, to tell what is copied from them
    held_out.json  the validation pieces, to tell what a variant is worth
    optimizer.npz  in checkpoints only, to go on training

TensorFlow is not needed to read one.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chorale.engine import ChoraleEngine
from config_bach import MODEL_TYPES, Network, Places, Runtime, Training, UserError
from files import replacing
from lite.engine import StepModel
from lite.variants import VARIANTS, exported_first, fastest_here, mark
from originality import Memory
from piece import Event, Piece, from_json, to_json
from vocabulary import Vocabulary

FORMAT = "play-bach-bundle"
FORMAT_VERSION = 1
SUFFIX = ".zip"
LARGEST = 2**30  # bytes of one member; a crafted zip must not fill the memory
PACKAGES = ("tensorflow", "keras", "music21", "numpy", "ai-edge-litert")

Arrays = list[npt.NDArray[Any]]


@dataclass(frozen=True)
class Bundle:
    """Everything that generation needs, and everything that training needs to go on."""

    name: str
    vocabulary: Vocabulary
    network: Network
    training: Training
    facts: dict[str, Any]  # corpus, split, primes, rhythm, bpm, instrument, metrics, history
    weights: Arrays = field(default_factory=list)
    optimizer: Arrays = field(default_factory=list)
    steps: dict[str, bytes] = field(default_factory=dict)  # LiteRT models by variant
    music: bytes = b""
    held_out: bytes = b""
    variant: str = ""  # the one that composes; empty: the one that training ended with
    runtime: Runtime = field(default_factory=Runtime)

    @property
    def plays(self) -> str:
        """The variant that composes."""
        return self.variant or exported_first(self.network.model_type)

    @property
    def step(self) -> bytes:
        """The LiteRT model that composes; empty if there is none."""
        return self.steps.get(self.plays, b"")

    @property
    def training_pieces(self) -> list[Piece]:
        """The pieces it was trained on, as it carries them (model types 1 to 3)."""
        return pieces_of(self.music)

    @cached_property
    def memory(self) -> Memory | None:
        """The training pieces, to be searched; None in a bundle that does not carry them."""
        if not self.music:
            return None
        return Memory((name, from_json(rows)) for name, rows in json.loads(self.music))

    @cached_property
    def engine(self) -> StepModel:
        """What composes, shared by all who compose with this bundle. Raises UserError as it does."""
        return StepModel(self.step, self.runtime)

    @cached_property
    def choir(self) -> ChoraleEngine:
        """What composes in four voices (model type 5). Raises UserError as it does."""
        return ChoraleEngine(self.step, self.runtime)

    def save(self, path: Path) -> None:
        """Write the bundle; an earlier one at `path` is replaced only when all is written."""
        with replacing(path) as aside, zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("bundle.json", json.dumps(self._manifest(), indent=1))
            file.writestr("weights.npz", _packed(self.weights))
            if self.optimizer:
                file.writestr("optimizer.npz", _packed(self.optimizer))
            if self.music:
                file.writestr("music.json", self.music)
            if self.held_out:
                file.writestr("held_out.json", self.held_out)
            for variant, content in self.steps.items():
                file.writestr(f"{variant}.tflite", content)

    def _manifest(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "name": self.name,
            "saved": datetime.now(UTC).isoformat(timespec="seconds"),
            "made_with": _versions(),
            "network": self.network.to_json(),
            "training": self.training.to_json(),
            "facts": self.facts,
            "vocabulary": self.vocabulary.to_json(),
        }

    def with_facts(self, **facts: Any) -> Bundle:
        """The same bundle with some facts added or changed."""
        return replace(self, facts={**self.facts, **facts})


def load(path: Path) -> Bundle:
    """Read a bundle. Raises UserError, naming the file, if it is missing, damaged or foreign."""
    manifest, parts = _members(path)
    try:
        return Bundle(
            name=str(manifest["name"]),
            vocabulary=Vocabulary.from_json(manifest["vocabulary"]),
            network=Network.from_json(manifest["network"]),
            training=Training.from_json(manifest["training"]),
            facts=dict(manifest["facts"]),
            weights=_unpacked(parts["weights.npz"]),
            optimizer=_unpacked(parts["optimizer.npz"]) if "optimizer.npz" in parts else [],
            steps=_steps(parts, manifest["network"]["model_type"]),
            music=parts.get("music.json", b""),
            held_out=parts.get("held_out.json", b""),
        )
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        UserError,
        zipfile.BadZipFile,
    ) as error:
        raise UserError(
            f"{path} is not a complete Play Bach model ({error}); train it anew."
        ) from error


def playing(bundle: Bundle, places: Places, wanted: str | None, runtime: Runtime) -> Bundle:
    """A bundle with the variant that plays here: the one wanted or, by benchmark, the fastest.

    Raises UserError if it has no such variant.
    """
    best = fastest_here(bundle.name, bundle.facts, places)
    variant = wanted or (best["variant"] if best else "")
    if variant and variant not in bundle.steps:
        raise UserError(
            f"{bundle.name} has no variant {variant}, only {', '.join(bundle.steps)}; export it "
            f"with -sl {variant}."
        )
    return replace(bundle, variant=variant, runtime=runtime)


def manifest_of(path: Path) -> dict[str, Any]:
    """Only the bundle.json of a bundle, for lists. Raises UserError as `load` does."""
    return _members(path, only=("bundle.json",))[0]


def _members(path: Path, only: Sequence[str] = ()) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest and the members of a bundle file; zip checks every byte of what is read."""
    try:
        with zipfile.ZipFile(path) as file:
            sizes = {info.filename: info.file_size for info in file.infolist()}
            if "bundle.json" not in sizes or max(sizes.values()) > LARGEST:
                raise UserError(f"{path} is not a Play Bach model; choose another or train one.")
            parts = {name: file.read(name) for name in only or sizes}
        manifest = json.loads(parts["bundle.json"])
    except FileNotFoundError as error:
        raise UserError(f"there is no model {path}; train one with -l 0 -f.") from error
    except (OSError, zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise UserError(
            f"{path} is damaged or not a Play Bach model ({error}); restore it or train it anew."
        ) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UserError(f"{path} is not a Play Bach model; choose another or train one.")
    if manifest.get("version") != FORMAT_VERSION:
        raise UserError(
            f"{path} has format version {manifest.get('version')}, this Play Bach reads "
            f"{FORMAT_VERSION}; update Play Bach or train the model anew."
        )
    return manifest, parts


def _steps(parts: dict[str, bytes], model_type: int) -> dict[str, bytes]:
    """The LiteRT models by variant; until there were several, the only one was step.tflite."""
    first = {exported_first(model_type): parts["step.tflite"]} if "step.tflite" in parts else {}
    return first | {v: parts[f"{v}.tflite"] for v in VARIANTS if f"{v}.tflite" in parts}


def packed_music(pieces: Iterable[tuple[str, Iterable[Event]]]) -> bytes:
    """Pieces (name, events) as the music of a bundle."""
    return json.dumps([[name, to_json(events)] for name, events in pieces]).encode()


def pieces_of(music: bytes) -> list[Piece]:
    """The pieces that `packed_music` packed."""
    return [Piece(name, tuple(from_json(rows))) for name, rows in json.loads(music or b"[]")]


def _packed(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, *arrays, allow_pickle=False)
    return buffer.getvalue()


def _unpacked(data: bytes) -> Arrays:
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return [file[f"arr_{i}"] for i in range(len(file.files))]


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def path_of(name: str, places: Places) -> Path:
    """Where the bundle of a model lies."""
    return places.models / f"{name}{SUFFIX}"


def available(places: Places) -> dict[str, dict[str, Any]]:
    """The manifests of all readable bundles in models/, by name, the latest last."""
    found = {}
    for path in places.models.glob(f"*{SUFFIX}"):
        try:
            found[path.stem] = manifest_of(path)
        except UserError:
            continue
    return dict(sorted(found.items(), key=lambda item: str(item[1].get("saved"))))


def choose(app: str, model_type: int | None, places: Places) -> Path:
    """The bundle of an app (or of a full model name): the latest, if there are several.

    Raises UserError, naming what there is, if no bundle answers to it.
    """
    if path_of(app, places).is_file():
        return path_of(app, places)
    known = available(places)
    hits = [
        name
        for name in known
        if name.startswith(
            tuple(f"{app}{t}_" for t in ([model_type] if model_type else MODEL_TYPES))
        )
    ]
    if hits:
        return path_of(hits[-1], places)
    damaged = list(places.models.glob(f"{glob_free(app)}[1-9]_*{SUFFIX}"))
    if damaged:
        manifest_of(damaged[0])  # raises the reason
    wanted = f"'{app}'" + (f" with model type {model_type}" if model_type else "")
    there = f"there are {', '.join(known)}" if known else "there are none yet"
    raise UserError(
        f"no model {wanted} in {places.models}: {there}; train it with -l 0 -f --app {app}."
    )


def unfinished(app: str, model_type: int | None, places: Places) -> Path | None:
    """The latest checkpoint of an app (or of a full model name), if it was ever trained here."""
    names = tuple(f"{app}{t}_" for t in ([model_type] if model_type else MODEL_TYPES))
    found = [
        path
        for path in places.checkpoint.glob("*/last.zip")
        if path.parent.name == app
        or (path.parent.name.startswith(names) and "." not in path.parent.name)  # .1 was set aside
    ]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def table(places: Places) -> list[str]:
    """What is in models/ and how good each is, a line each, the latest last."""
    known = available(places)
    if not known:
        return [f"no models in {places.models} yet: train one with -l 0 -f"]
    head = f"{'model':<26} {'type':>4} {'symbols':>8} {'valid':>12} {'test':>12} {'lookup':>12}"
    note = "figures: nats per event (lower is better) and accuracy on held-out music"
    lines = [
        line
        for name in known
        for line in (_line(name, known[name]), *_variants_line(name, known[name], places))
    ]
    return [f"{head}  corpus", *lines, note]


def _line(name: str, manifest: dict[str, Any]) -> str:
    facts, metrics = manifest["facts"], manifest["facts"].get("metrics", {})
    rows = [metrics.get("valid"), metrics.get("test")]
    rows.append(metrics.get("baselines", {}).get("longest-match lookup"))
    figures = " ".join(f"{f['nll']:6.3f} {f['accuracy']:5.1%}" if f else f"{'?':>12}" for f in rows)
    leak = f"  ({facts['label']})" if "LEAKS" in facts["label"] else ""
    symbols = len(manifest["vocabulary"]["fields"][0]["symbols"])
    kind = manifest["network"]["model_type"]
    return f"{name:<26} {kind:>4} {symbols:>8} {figures}  {facts['corpus']['source']}{leak}"


def _variants_line(name: str, manifest: dict[str, Any], places: Places) -> list[str]:
    """The variants of a model, and the one that plays here; nothing if there is but one."""
    facts = manifest["facts"]
    there = facts.get("variants", {})
    if len(there) < 2:
        return []
    told = ", ".join(f"{v}{mark(v, facts)}" for v in there)
    best = fastest_here(name, facts, places)
    plays = (
        f"fastest here: {best['variant']}, {best['ms']:.2f} ms a note"
        if best
        else "measure them here with -bl"
    )
    return [f"  in LiteRT: {told}; {plays}"]


def glob_free(app: str) -> str:
    """An app name without the characters that mean something in a glob."""
    return "".join(c for c in app if c.isalnum() or c in "-_")
