"""The batches of an epoch: pieces in keys that change with every epoch, cut into windows."""

from collections.abc import Sequence

import numpy as np

from families.events.batches import WindowBatches
from families.events.dataset import cut_windows
from families.steps import StepSequence
from families.tracks.features import rows_transposed
from families.tracks.tokens import possible_shifts, transposed
from storage.bundle import Bundle


class TrackBatches(WindowBatches):
    """Batches of windows [batch, seqlen]. Each piece comes in a key drawn anew."""

    def __init__(self, sequences: Sequence[StepSequence], bundle: Bundle, epoch: int) -> None:
        """epoch: the first one, counted from 0."""
        reach = bundle.vocabulary.encoding.transpose
        self._shifts = [possible_shifts(s.targets[:, 0], reach) for s in sequences]
        super().__init__(sequences, bundle.network, bundle.training, epoch)

    def on_epoch_end(self) -> None:
        """Cut the next epoch. The same epoch is always cut the same way, also after a restart."""
        rng = np.random.default_rng([self._seed, self._epoch])
        moved = [
            in_key(s, int(rng.choice(shifts)))
            for _ in range(self._passes)
            for s, shifts in zip(self._sequences, self._shifts, strict=True)
        ]
        self._rows, self._targets = cut_windows(moved, self._network.seqlen, rng)
        self._epoch += 1


def in_key(sequence: StepSequence, semitones: int) -> StepSequence:
    """A sequence in another key."""
    if not semitones:
        return sequence
    return StepSequence(
        sequence.name,
        rows_transposed(sequence.rows, semitones),
        transposed(sequence.targets, semitones),
    )
