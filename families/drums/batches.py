"""The batches of type 4: pieces cut into windows at steps that change with every epoch."""

from typing import Any

from families.events.batches import WindowBatches


class DrumBatches(WindowBatches):
    """Batches of windows: (rows [batch, seqlen, ROW], symbols [batch, seqlen, KINDS]), targets."""

    def __getitem__(self, i: int) -> tuple[tuple[Any, ...], Any]:
        batch = slice(i * self._batch, (i + 1) * self._batch)
        rows, targets = self._rows[batch], self._targets[batch]
        return (rows, targets.clip(min=0)), targets
