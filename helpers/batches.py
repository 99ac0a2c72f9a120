"""A FeatureSet batch by batch, so that it may be larger than the memory."""

import keras
import numpy as np


class Batches(keras.utils.PyDataset):
    """What `FeatureSet.batches` gives: item n is (inputs, labels) of the n-th batch, or (inputs,) without labels."""

    def __init__(self, features, rows, batch_size, streams, labels, seed):
        super().__init__()
        self.features, self.rows, self.batch_size = features, np.asarray(rows), batch_size
        self.streams, self.labels = streams, labels
        self.random = None if seed is None else np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, number):
        # Sorted within the batch: the disk is read in one direction.
        rows = self.rows[number * self.batch_size : (number + 1) * self.batch_size]
        rows = np.sort(rows) if self.random is not None else rows
        inputs = self.features.inputs(rows, self.streams)
        return (inputs, self.features.label[rows]) if self.labels else (inputs,)

    def on_epoch_end(self):
        if self.random is not None:
            self.rows = self.random.permutation(self.rows)
