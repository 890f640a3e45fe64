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
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from config_bach import Network, Training, UserError
from storage import manifest as manifests
from storage.files import replacing
from storage.vocabulary import Vocabulary

SUFFIX = ".zip"
STEP_SUFFIX = ".tflite"
LARGEST = 2**30  # bytes of all members; a crafted zip must not fill the memory
NOT_WEIGHTS = ("bundle.json", "music.json", "held_out.json", STEP_SUFFIX)
UNREADABLE = (  # what zipfile, json, numpy and the settings raise on damaged files
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
    RuntimeError,
    MemoryError,
    OverflowError,
    RecursionError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    UserError,
)
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
            "format": manifests.FORMAT,
            "version": manifests.FORMAT_VERSION,
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


def load(path: Path, weights: bool = True) -> Bundle:
    """Read a bundle, in memory that is bounded whatever the file holds.

    weights: False leaves out what only training and Keras need. Raises UserError, naming the file and
    the reason, if it is missing, damaged or foreign.
    """
    with _reading(path):
        members = _members(path, () if weights else NOT_WEIGHTS)
        manifest = manifests.read(members["bundle.json"])
        return Bundle(
            name=str(manifest["name"]),
            vocabulary=Vocabulary.from_json(manifest["vocabulary"]),
            network=Network.from_json(manifest["network"]),
            training=Training.from_json(manifest["training"]),
            metadata=dict(manifest["metadata"]),
            weights=_unpacked(members["weights.npz"]) if weights else [],
            optimizer=_unpacked(members["optimizer.npz"]) if "optimizer.npz" in members else [],
            steps={
                name.removesuffix(STEP_SUFFIX): content
                for name, content in members.items()
                if name.endswith(STEP_SUFFIX)
            },
            music=members.get("music.json", b""),
            held_out=members.get("held_out.json", b""),
        )


def manifest_of(path: Path) -> dict[str, Any]:
    """Only the bundle.json of a bundle, for lists. Raises UserError as `load` does."""
    with _reading(path):
        manifest = manifests.read(_members(path, ("bundle.json",))["bundle.json"])
        Network.from_json(manifest["network"])
        return manifest


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Raise UserError for whatever can be wrong with a file."""
    if not path.exists():
        raise UserError(f"there is no model {path}; train one with -l 0 -f.")
    if not path.is_file():  # to open a pipe would wait for ever
        raise UserError(f"{path} is not a file; remove it from {path.parent}.")
    try:
        yield
    except manifests.OtherFormat as error:
        raise UserError(f"{path} {error}; update Play Bach or train the model anew.") from error
    except KeyError as error:
        raise UserError(
            f"{path} is not a complete Play Bach model: it has no {error}; train it anew."
        ) from error
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"{path} is damaged or not a Play Bach model ({reason}); restore it or train it anew."
        ) from error


def _members(path: Path, only: Sequence[str] = ()) -> dict[str, bytes]:
    """The members of a bundle file, or some of them; zip checks every byte of what is read.

    Raises ValueError for what would not fit in memory, and what zipfile raises.
    """
    with zipfile.ZipFile(path) as file:
        sizes = {info.filename: info.file_size for info in file.infolist()}
        if "bundle.json" not in sizes:
            raise ValueError("it has no bundle.json")
        if sum(sizes.values()) > LARGEST or sizes["bundle.json"] > manifests.LARGEST:
            raise ValueError("it is larger than any model")
        wanted = [n for n in sizes if not only or n.endswith(tuple(only))]
        members = {name: file.read(name) for name in wanted}
    # at first the only LiteRT model was called step.tflite
    return {("float32.tflite" if k == "step.tflite" else k): v for k, v in members.items()}


def _packed(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, *arrays, allow_pickle=False)
    return buffer.getvalue()


def _unpacked(data: bytes) -> Arrays:
    """The arrays of an .npz. Raises ValueError for one that is larger than its bytes."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        if sum(info.file_size for info in file.infolist()) > LARGEST:
            raise ValueError("its weights are larger than any model")
        for info in file.infolist():
            with file.open(info) as array:
                _check_shape(array, info.file_size)
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return [arrays[f"arr_{i}"] for i in range(len(arrays.files))]


def _check_shape(array: IO[bytes], size: int) -> None:
    """Raise ValueError if the header of an .npy promises more than its bytes can hold."""
    old = np.lib.format.read_magic(array)[0] == 1
    read_header = (
        np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read_header(array)
    if math.prod(shape) * dtype.itemsize > size:
        raise ValueError(f"an array of shape {shape} in {size} bytes")


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
