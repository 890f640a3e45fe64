"""What a training tells while it learns: every second how far it is, after every epoch its music."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import keras

from config_bach import DEFAULT_BPM, DEFAULT_PROGRAM, Composing
from families.base import LoadedModel
from families.registry import family_of
from litert.keras_runner import on_keras
from music.events import to_json
from workflows.checkpoint import CheckpointCallback, averaged
from workflows.progress import Progress, Sample, epochs_of

log = logging.getLogger("play_bach")

EVERY = 1.0  # seconds between two words about batches
SAMPLE_SECONDS = 8.0
MOST_EVENTS = 400  # of a sample; events that take no time would else never end
SEED = 1  # of every sample: what differs is what was learned


class ProgressCallback(keras.callbacks.Callback):
    """To be called after the CheckpointCallback, whose figures it tells."""

    def __init__(
        self,
        progress: Progress,
        checkpoint: CheckpointCallback,
        baselines: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """baselines: figures of what learns nothing, by name."""
        super().__init__()
        self._progress, self._checkpoint, self._baselines = progress, checkpoint, baselines
        self._sampled: tuple[keras.Model, LoadedModel] | None = None
        self._begun, self._told = 0.0, 0.0
        self._done = self._batch = 0  # batches of this run, and of this epoch

    def on_train_begin(self, logs: Any = None) -> None:
        """Tell what is learned, and what must be beaten."""
        bundle = self._checkpoint.bundle
        unit = family_of(bundle.network.model_type).unit
        nats = {name: float(figures["nll"]) for name, figures in self._baselines.items()}
        self._tell(model=bundle.name, unit=unit, baselines=nats)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Tell which epoch begins."""
        self._batch = 0
        self._tell(phase="learning", batch=0, batches=self.params["steps"])

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Tell how far it is, and end if that is wanted."""
        self._batch, self._done = self._batch + 1, self._done + 1
        now = time.monotonic()
        self._begun = self._begun or now  # the first batch is no measure: its network is built
        if now - self._told > EVERY:
            self._told = now
            self._progress.tell(batch=self._batch, left=self._left(now))
        self._progress.check()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Tell its figures, then compose."""
        self._batch = 0
        self._tell(batch=self.params["steps"], left=self._left(time.monotonic()))
        self._compose(epoch + 1)
        self._tell()
        self._progress.check()

    def _tell(self, **facts: Any) -> None:
        metadata = self._checkpoint.bundle.metadata
        history = epochs_of(metadata["history"])
        samples = self._progress.samples(len(history))
        self._progress.tell(history=history, samples=samples, epochs=metadata["epochs"], **facts)

    def _left(self, now: float) -> float | None:
        """Seconds until the last epoch ends, unless it ends early."""
        if self._done < 2:
            return None
        epochs = self.params["epochs"] - len(self._checkpoint.bundle.metadata["history"])
        batches = epochs * self.params["steps"] - self._batch
        return round(max(0, batches) * (now - self._begun) / (self._done - 1), 1)

    def _compose(self, epoch: int) -> None:
        """A network that has learned little may fail at it; then there is nothing to hear."""
        try:
            self._progress.sample(epoch, self._sample())
        except Exception as error:
            log.warning("no sample of epoch %d: %r", epoch, error)

    def _sample(self) -> Sample:
        """A few seconds by the mean weights, which are those that would be kept."""
        with averaged(self.model):
            weights = self.model.get_weights()
        if self._sampled is None:  # traced once, with weights that change
            bundle = self._checkpoint.bundle
            network = family_of(bundle.network.model_type).build(bundle)
            self._sampled = network, on_keras(bundle, network)
        network, model = self._sampled
        network.set_weights(weights)
        return composed_sample(model, self._progress)


def composed_sample(model: LoadedModel, progress: Progress) -> Sample:
    """A few seconds of music by a model. Raises KeyboardInterrupt if the training is to end."""
    bpm = float(model.metadata.get("bpm") or DEFAULT_BPM)
    program = model.metadata.get("instrument") or DEFAULT_PROGRAM
    events, now = [], 0.0
    for prediction in model.family.stream(model, Composing(seed=SEED)):
        events.append(prediction.event)
        now += prediction.event.seconds(bpm)
        progress.check()
        if now >= SAMPLE_SECONDS or len(events) >= MOST_EVENTS:
            break
    return Sample(to_json(events), bpm, program)
