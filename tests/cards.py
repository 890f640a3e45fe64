"""A report card that is quickly made up."""

from typing import Any

FIGURES = {"nll": 0.5, "accuracy": 0.25, "fields": {"a": 0.2, "b": 0.3}, "events": 9}
CARD: dict[str, Any] = {
    "model": "x2_nc_mo",
    "source": "here",
    "label": "never seen",
    "unit": "event",
    "pieces": 2,
    "composed": 3,
    "prediction": {"model": FIGURES, "table": {**FIGURES, "fields": {"a": 0.5}}},
    "originality": {"composed": [3, 4, 9], "real": [5, 7], "longest": "9 notes of y"},
    "style": {"composed": {"rhythm": 0.125}, "real": {}},
    "degeneration": {"composed": {"stuck": 0.5}, "real": {"stuck": 0.0}},
}
