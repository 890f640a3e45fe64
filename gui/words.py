"""What a listener reads: the list of models, and quoted pieces, in words that a musician knows."""

import re
from collections import Counter
from typing import Any

from config_bach import counted
from litert.variants import loss_note
from stream.titles import title_of

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


def quoted(notes: int, piece: str) -> str:
    """'Quotes 9 notes of BWV 157.'; empty for nothing."""
    if not notes:
        return ""
    work = WORK.search(piece)
    return f"Quotes {counted(notes, 'note')} of {f'BWV {work[1]}' if work else piece}."
