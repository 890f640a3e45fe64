"""What is told of a training, as JSON Schema, for /openapi.json."""

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

EPOCH: Json = {
    "epoch": {"type": "integer"},
    "train": {"type": ["number", "null"], "description": "nats"},
    "valid": {"type": ["number", "null"], "description": "nats, on pieces it never learned from"},
    "accuracy": {"type": ["number", "null"], "description": "0 to 1, on the same pieces"},
}
TABLE: Json = {
    "model_type": {"type": "integer"},
    "lines": {"type": "array", "items": {"type": "string"}},
    "pieces": {"type": "integer"},
    "refused": {"type": "string", "description": "why nothing can be learned; empty if it can"},
}
PHASES = [*("reading", "starting", "learning", "finishing"), *("done", "stopped", "failed")]
TRAINING: Json = {
    "app": {"type": "string"},
    "model_type": {"type": "integer"},
    "from": {"type": "string", "description": "the model that it started from; empty: none"},
    "model": {"type": "string", "description": "the name of the model"},
    "phase": {"enum": PHASES},
    "running": {"type": "boolean"},
    "stopping": {"type": "boolean"},
    "unit": {"enum": ["event", "note"]},
    "epochs": {"type": "integer", "description": "as many as are planned"},
    "batch": {"type": "integer", "description": "of the present epoch"},
    "batches": {"type": "integer"},
    "left": {"type": ["number", "null"], "description": "seconds to the last epoch, at most"},
    "baseline": {"type": ["number", "null"], "description": "nats of what learns nothing"},
    "told": {"type": "string", "description": "how it ended, for people"},
}


def told(form: Callable[[Json], Json]) -> Json:
    """The schemas by name. form: an object that has these properties and no others."""
    sample = {"epoch": {"type": "integer"}, "link": {"type": "string"}}
    lists = {
        "history": {"type": "array", "items": form(EPOCH)},
        "samples": {"type": "array", "items": form(sample)},
    }
    state = {
        "refusal": {"type": "string", "description": "why nothing can be trained; empty if it can"},
        "files": {"type": "integer", "description": "that you have sent"},
        "mb": {"type": "number", "description": "megabytes of them"},
        "reading": {"type": "boolean", "description": "whether the table is being made"},
        "table": {"anyOf": [form(TABLE), {"type": "null"}]},
        "busy": {"type": "boolean", "description": "whether somebody else trains"},
        "training": {"anyOf": [form(TRAINING | lists), {"type": "null"}]},
    }
    names = {"type": "array", "items": {"type": "string"}}
    return {"TrainingState": form(state), "Received": form({"scores": names, "others": names})}
