"""What a listener reads: names of models and of quoted pieces, in words that a musician knows."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from families.registry import family_of
from litert.variants import loss_note

CORPORA = {
    "music21:chorales": "Bach's chorales",
    "music21:bach": "Bach",
    "music21:palestrina": "Palestrina",
    "music21:monteverdi": "Monteverdi",
    "music21:essenFolksong": "folk songs",
    "music21:ryansMammoth": "fiddle tunes",
}
WORK = re.compile(r"bwv(\d+)", re.IGNORECASE)


def choices(manifests: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    """What a person may choose from: (model or 'model:variant', what it is called), the latest first.

    manifests: by name, the latest last. Titles that two models share have the name of the model behind.
    """
    titles = {name: title_of(name, manifest) for name, manifest in reversed(manifests.items())}
    shared = Counter(titles.values())
    found = []
    for name, title in titles.items():
        shown = title if shared[title] == 1 else f"{title} ({name})"
        found.append((name, shown))
        metadata = manifests[name]["metadata"]
        variants = metadata.get("variants", {})
        if len(variants) > 1:
            found += [(f"{name}:{v}", f"{shown}, {v}{loss_note(v, metadata)}") for v in variants]
    return found


def title_of(name: str, manifest: Mapping[str, Any]) -> str:
    """'Four voices, after Bach's chorales'."""
    source = manifest["metadata"].get("corpus", {}).get("source", "")
    kind = (
        "Four voices" if family_of(manifest["network"]["model_type"]).voices else "Notes and chords"
    )
    return f"{kind}, after {CORPORA[source]}" if source in CORPORA else f"{kind}: {name}"


def quoted(notes: int, piece: str) -> str:
    """'Quotes 9 notes of BWV 157.'; empty for nothing."""
    if not notes:
        return ""
    work = WORK.search(piece)
    return f"Quotes {notes} notes of {f'BWV {work[1]}' if work else piece}."
