"""What is asked and told in 'Bach or not?', as schemas for /openapi.json."""

from collections.abc import Callable
from typing import Any

import msgspec

from stream.quiz_views import Guess

Json = dict[str, Any]

ROUND: Json = {
    "excerpts": {"type": "integer", "description": "how many there are"},
    "sound": {
        "type": "string",
        "description": "where they are, as seen from this path: '1.mp3' and so on follow",
    },
    "guess": {"type": "string", "description": "where to send answers, as seen from this path"},
}
GUESSED: Json = {
    "number": {"type": "integer", "description": "of the excerpt, counted from 1"},
    "bach": {"type": "boolean", "description": "whether it is Bach"},
    "right": {"type": "boolean", "description": "whether that was said, the first time"},
    "piece": {"type": "string", "description": "which piece of Bach; empty: it was composed"},
    "seed": {"type": ["integer", "null"], "description": "of what was composed"},
    "score": {"type": "integer", "description": "right answers in this round so far"},
    "answers": {"type": "integer", "description": "all of them"},
}


def told(form: Callable[[Json], Json]) -> Json:
    """The schemas by name; form: makes an object of its properties."""
    template = "#/components/schemas/{name}"
    _, found = msgspec.json.schema_components([Guess], ref_template=template)
    return {**found, "Round": form(ROUND), "Guessed": form(GUESSED)}
