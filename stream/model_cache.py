"""The models that stations play, read once; and synths that are used again."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from config_bach import Paths, Runtime, UserError
from families.base import LoadedModel
from families.registry import families, family_of
from litert.loading import playing
from music.events import from_json
from music.loudness import Levels
from music.synth import Synths
from storage import catalog
from storage.bundle import SUFFIX, load


class ModelCache:
    """What all stations share: the trained models, read once and without their weights, and synths."""

    def __init__(self, paths: Paths, variant: str = "", runtime: Runtime | None = None) -> None:
        """variant: what models play with that have it; empty: the fastest on this machine."""
        self.synths, self.levels = Synths(), Levels()
        self._paths, self._variant, self._runtime = paths, variant, runtime or Runtime()
        self._models: dict[str, tuple[tuple[int, int], LoadedModel]] = {}
        self._lock = threading.Lock()

    def models(self) -> dict[str, dict[str, Any]]:
        """The manifests of all models that can be played, by name, the latest last."""
        return self.examined()[0]

    def examined(self) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
        """The same, and of those that cannot be played why, in a sentence."""
        known, wrong = catalog.examined(self._paths)
        numbers = {family.number for family in families()}
        for name, manifest in known.items():
            if (number := manifest["network"].get("model_type")) not in numbers:
                wrong[name] = f"{name} has model type {number}, unknown here; update Play Bach."
        return {n: m for n, m in known.items() if n not in wrong}, wrong

    def usual(self) -> str | None:
        """The model that a station begins with: the latest that makes melodies, or else the latest.

        None if there is no model.
        """
        known = self.models()
        melodic = [n for n, m in known.items() if family_of(m["network"]["model_type"]).pitched]
        return next(reversed(melodic or list(known)), None)

    def model(self, choice: str) -> LoadedModel:
        """A model of models/, by a name that `models` gives; 'NAME:int8' is one of its variants.

        Raises UserError for any other name, and for a file that is gone, damaged or cannot compose.
        """
        name, _, variant = choice.partition(":")
        if name not in {p.stem for p in self._paths.models.glob(f"*{SUFFIX}")}:
            raise UserError("there is no such model; choose one of the list.")
        path = catalog.path_of(name, self._paths)
        with self._lock:
            stamp = catalog.stamp(path)
            if choice not in self._models or self._models[choice][0] != stamp:
                self._models[choice] = (stamp, self._load(path, variant))
            return self._models[choice][1]

    def label(self, choice: str) -> str:
        """'NAME:variant' of a model, which says on every machine what plays. Raises as `model` does."""
        model = self.model(choice)
        return f"{model.bundle.name}:{model.variant}"

    def choice(self, label: str) -> str:
        """The inverse: NAME alone where that variant is the one that plays here anyway."""
        name = label.partition(":")[0]
        return name if self.label(name) == label else label

    def _load(self, path: Path, variant: str) -> LoadedModel:
        """Read a model. Memory is dear on small machines: of what it has only what plays is kept."""
        bundle = load(path, weights=False)
        usual = self._variant if self._variant in bundle.steps else ""
        if not bundle.metadata.get("primes"):
            raise UserError(f"{path} holds nothing to compose with; train it anew.")
        model = playing(bundle, self._paths, variant or usual, self._runtime)
        kept = {model.variant: bundle.steps[model.variant]}
        known = replace(bundle, name=path.stem, steps=kept, held_out=b"")
        model = replace(model, bundle=known)
        try:
            for prime in bundle.metadata["primes"]:
                from_json(prime["events"])
            _ = model.copy_index  # now, and not while somebody waits for a sound
        except Exception as error:  # the pieces of a damaged bundle can fail in any way
            raise UserError(f"the pieces in {path} cannot be read; train it anew.") from error
        return model
