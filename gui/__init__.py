"""The control page, made with REMI for a phone held upright."""

from gui.door import PageServer

__all__ = ["PageServer"]
