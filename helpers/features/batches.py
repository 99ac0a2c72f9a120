"""A FeatureSet batch by batch: without the padding that no clip of the batch needs, and larger than the memory."""

import keras
import numpy as np

from helpers import runtime
from helpers.audio import augmentation
from helpers.config import TrainConfig

# Sequences are cut to the longest clip of these shares of all: a backend compiles anew for every length it meets, and
# only many batches are worth many lengths.
_FEW, _MANY = (0.5, 0.9, 1.0), (0.5, 0.75, 0.9, 0.97, 1.0)
_FIXED = (0.75, 1.0)  # of the longest clip, on a TPU: it compiles for minutes, and these are the same in every fold
_BLUR = 0.02  # of the longest clip: clips change their neighbours from epoch to epoch


class Batches(keras.utils.PyDataset):
    """What `FeatureSet.batches` gives: item n is (inputs, labels) of the n-th batch, or (inputs,) without labels.

    With `bucket`, clips of about one length are padded to the batch's longest only: on recordings of 2.9 to 5.3 s a
    quarter of the steps is saved. Where several devices share a batch (`runtime.distribute`) each gets as many clips: a
    last batch is filled up with its own first ones.
    """

    def __init__(self, features, rows, batch_size, streams, labels, seed, bucket=False, train=None):
        super().__init__()
        self.features, self.rows, self.batch_size = features, np.asarray(rows), batch_size
        self.streams, self.labels = streams, labels
        self.seed, self.epoch, self.edges = seed, 0, {}
        train, training = train or TrainConfig(), seed is not None
        self.soft_labels = bool(train.mixup or train.label_smoothing)
        self.tempo_perturbation, self.mixup = (train.tempo_perturbation, train.mixup) if training else (0.0, 0.0)
        self.augmentation = augmentation.Augmentation.of(features, train) if training and "audio" in streams else None
        self.devices = runtime.devices()
        if training and batch_size % self.devices:
            raise ValueError(f"a batch of {batch_size} cannot be shared by {self.devices} devices: make it a multiple")
        for stream in streams if bucket and training else ():
            longest, length = getattr(features, stream).shape[1], getattr(features, f"{stream}_length")[self.rows]
            if runtime.accelerator() == "TPU":
                self.edges[stream] = np.ceil(np.multiply(_FIXED, longest)).astype(int)
            else:
                shares = _MANY if len(self.rows) >= 1000 else _FEW
                self.edges[stream] = np.unique(np.quantile(length, shares, method="higher"))
        self.arrange()

    def __len__(self):
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, number):
        rows = self.order[number]
        rows = np.concatenate([rows, np.resize(rows, -len(rows) % self.devices)])
        rows = np.sort(rows) if self.seed is not None else rows  # so that the disk is read in one direction
        inputs, label = self.features.inputs(rows, self.streams), self.features.label[rows]
        if self.soft_labels:
            label = np.eye(len(self.features.classes), dtype=np.float32)[label]
        if self.seed is not None:
            random = np.random.default_rng([self.seed, self.epoch, number])
            if self.tempo_perturbation:
                self._perturb_tempo(inputs, random)
            if self.augmentation:
                inputs["audio"] = self.augmentation.apply(inputs["audio"], inputs["audio_length"], random)
            if self.mixup:
                inputs, label = augmentation.mixup(inputs, label, self.mixup, random)
        for stream, edges in self.edges.items():
            longest = inputs[f"{stream}_length"].max()
            inputs[stream] = inputs[stream][:, : edges[np.searchsorted(edges, longest)]]
        return (inputs, label) if self.labels else (inputs,)

    def _perturb_tempo(self, inputs, random):
        """Plays each clip faster or slower, all its modalities alike; never longer than the longest clip there is."""
        change = self.tempo_perturbation
        speeds = random.uniform(1 - change, 1 + change, len(next(iter(inputs.values()))))
        for stream in self.streams:
            values, length = inputs[stream].copy(), inputs[f"{stream}_length"].copy()
            longest = self.edges[stream][-1] if stream in self.edges else values.shape[1]
            for row, (n, speed) in enumerate(zip(length, speeds)):
                new = int(np.clip(round(n / speed), 1, longest))
                at = np.linspace(0, n - 1, new)  # (new,), in steps of the clip as it is
                before = at.astype(int)
                after, share = np.minimum(before + 1, n - 1), (at - before)[:, None]
                played = (1 - share) * values[row, before] + share * values[row, after]
                values[row], length[row] = 0, new
                values[row, :new] = played
            inputs[stream], inputs[f"{stream}_length"] = values, length

    def on_epoch_end(self):
        self.epoch += 1
        self.arrange()

    def arrange(self):
        """Puts the rows into this epoch's batches: the same for one seed and epoch, whatever came before."""
        rows, size, starts = self.rows, self.batch_size, range(0, len(self.rows), self.batch_size)
        if self.seed is None:
            self.order = [rows[at : at + size] for at in starts]
            return
        random = np.random.default_rng([self.seed, self.epoch])
        rows = random.permutation(rows)
        if self.edges:
            stream = max(self.streams, key=lambda name: self.edges[name][-1])
            length = getattr(self.features, f"{stream}_length")[rows].astype(float)
            rows = rows[np.argsort(length + random.normal(0, _BLUR * length.max(), len(rows)), kind="stable")]
        order = [rows[at : at + size] for at in starts]
        self.order = [order[n] for n in random.permutation(len(order))]
