"""A trained model as one file: a plain zip of JSON and arrays. No pickle, no code runs on loading.

    bundle.json    what it is: vocabulary, settings, corpus, split, figures, package versions
    weights.npz    the Keras weights, in order
    float32.tflite the network one step at a time for LiteRT: what composes; or float16, dynamic, int8
    music.json     the training pieces, to tell what is copied from them
    held_out.json  the validation pieces, to measure a variant on
    optimizer.npz  in checkpoints only, to go on training

A bundle is data: it builds no network. TensorFlow is not needed to read one.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from config_bach import Network, Training, UserError
from storage.files import replacing
from storage.vocabulary import Vocabulary

FORMAT = "play-bach-bundle"
FORMAT_VERSION = 2
SUFFIX = ".zip"
STEP_SUFFIX = ".tflite"
LARGEST = 2**30  # bytes of one member; a crafted zip must not fill the memory
PACKAGES = ("tensorflow", "keras", "music21", "numpy", "ai-edge-litert")

Arrays = list[npt.NDArray[Any]]


@dataclass(frozen=True)
class Bundle:
    """Everything that composing needs, and everything that training needs to go on.

    metadata: corpus, split, primes, bpm, instrument, metrics, history and what the family adds.
    steps: LiteRT models by variant. music, held_out: pieces in the form of the family.
    """

    name: str
    vocabulary: Vocabulary
    network: Network
    training: Training
    metadata: dict[str, Any]
    weights: Arrays = field(default_factory=list)
    optimizer: Arrays = field(default_factory=list)
    steps: dict[str, bytes] = field(default_factory=dict)
    music: bytes = b""
    held_out: bytes = b""

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
                file.writestr(variant + STEP_SUFFIX, content)

    def _manifest(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "name": self.name,
            "saved": datetime.now(UTC).isoformat(timespec="seconds"),
            "made_with": _versions(),
            "network": self.network.to_json(),
            "training": self.training.to_json(),
            "metadata": self.metadata,
            "vocabulary": self.vocabulary.to_json(),
        }

    def with_metadata(self, **metadata: Any) -> Bundle:
        """The same bundle with some metadata added or changed."""
        return replace(self, metadata={**self.metadata, **metadata})


def load(path: Path) -> Bundle:
    """Read a bundle. Raises UserError, naming the file, if it is missing, damaged or foreign."""
    manifest, members = _members(path)
    try:
        return Bundle(
            name=str(manifest["name"]),
            vocabulary=Vocabulary.from_json(manifest["vocabulary"]),
            network=Network.from_json(manifest["network"]),
            training=Training.from_json(manifest["training"]),
            metadata=dict(manifest["metadata"]),
            weights=_unpacked(members["weights.npz"]),
            optimizer=_unpacked(members["optimizer.npz"]) if "optimizer.npz" in members else [],
            steps={
                name.removesuffix(STEP_SUFFIX): content
                for name, content in members.items()
                if name.endswith(STEP_SUFFIX)
            },
            music=members.get("music.json", b""),
            held_out=members.get("held_out.json", b""),
        )
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        EOFError,
        UserError,
        zipfile.BadZipFile,
    ) as error:
        raise UserError(
            f"{path} is not a complete Play Bach model ({error}); train it anew."
        ) from error


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
            members = {name: file.read(name) for name in only or sizes}
        manifest = json.loads(members["bundle.json"])
    except FileNotFoundError as error:
        raise UserError(f"there is no model {path}; train one with -l 0 -f.") from error
    except (OSError, zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise UserError(
            f"{path} is damaged or not a Play Bach model ({error}); restore it or train it anew."
        ) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UserError(f"{path} is not a Play Bach model; choose another or train one.")
    if manifest.get("version") == 1:
        manifest, members = upgraded(manifest), _upgraded_names(members)
    if manifest.get("version") != FORMAT_VERSION:
        raise UserError(
            f"{path} has format version {manifest.get('version')}, this Play Bach reads 1 to "
            f"{FORMAT_VERSION}; update Play Bach or train the model anew."
        )
    return manifest, members


# What version 1 called otherwise.
RENAMED_NETWORK = {"mishear": "token_dropout", "forget": "lookback_dropout"}
RENAMED_METADATA = {"forms": "templates"}


def upgraded(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest of a bundle of format version 1 as version 2 has it."""
    network, metadata = manifest.get("network"), manifest.get("facts")
    return {
        **manifest,
        "version": FORMAT_VERSION,
        "network": _renamed(network, RENAMED_NETWORK) if isinstance(network, dict) else network,
        "metadata": (
            _renamed(metadata, RENAMED_METADATA) if isinstance(metadata, dict) else metadata
        ),
    }


def _renamed(data: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in data.items()}


def _upgraded_names(members: dict[str, bytes]) -> dict[str, bytes]:
    """Members by their present names: at first the only LiteRT model was called step.tflite."""
    return {("float32.tflite" if k == "step.tflite" else k): v for k, v in members.items()}


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
