"""Moods: a few settings under one name, for one tap."""

from typing import Any

_ALIKE = {"alto": 0, "tenor": 0, "bass": 0}  # all voices as the first

MOODS: dict[str, dict[str, Any]] = {  # by the name in the table of texts
    "mood_calm": {"program": 20, "bpm": 60, "temperature": 0.8, **_ALIKE},  # church organ
    "mood_bright": {"program": 7, "bpm": 108, "temperature": 1.0, **_ALIKE},  # harpsichord
    "mood_bold": {"program": 62, "bpm": 132, "temperature": 1.25, **_ALIKE},  # brass section
    "mood_box": {"program": 11, "bpm": 84, "temperature": 0.9, **_ALIKE},  # music box
    "mood_night": {"program": 49, "bpm": 54, "temperature": 0.85, **_ALIKE},  # string ensemble
}
