"""A linear classifier that was fitted elsewhere, as plain arrays."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class LinearClassifier:
    """Softmax of a linear function of standardised rows, at a temperature."""

    mean: np.ndarray  # float (D,), subtracted from a row
    scale: np.ndarray  # float (D,), by which it is then divided
    weights: np.ndarray  # float (D, C); float16 is enough
    offset: np.ndarray  # float (C,)
    temperature: float  # divides the scores: with it the probabilities are calibrated

    @classmethod
    def of(cls, arrays, prefix):
        """Takes a classifier from {name: array} with names such as prefix + "/weights"."""
        return cls(**{field.name: np.asarray(arrays[f"{prefix}/{field.name}"]) for field in dataclasses.fields(cls)})

    def probabilities(self, rows):
        """Probabilities of the classes for rows (N, D): float32 (N, C)."""
        from scipy.special import softmax

        rows = ((np.asarray(rows) - self.mean) / self.scale).astype(np.float32)
        return softmax((rows @ self.weights.astype(np.float32) + self.offset) / self.temperature, axis=1)
