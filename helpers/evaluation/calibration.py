"""Calibrates a network's confidence with a temperature, and finds the confidence below which it abstains.

Both are fitted on out-of-fold predictions: DataFrames as in a `CVResult`, one row a clip, with the int columns label
and prediction and the probabilities p_<emotion> …; `classes` are the emotions' names.
"""

import numpy as np

RANGE = (0.5, 10.0)  # of temperatures: where every prediction is right, the likelihood has no maximum
FEWEST = 10  # predictions that a threshold must rest on
TINY = 1e-7  # in place of a probability that float32 rounded to 0


def temperature(predictions, classes):
    """The temperature that makes the labels most likely (Guo et al. 2017, "On calibration of modern neural networks").

    Returns: float within RANGE: above 1 for an overconfident network.
    """
    from scipy.optimize import minimize_scalar

    probabilities, label = _probabilities(predictions, classes)

    def loss(log_t):
        return -np.log(apply(probabilities, np.exp(log_t))[np.arange(len(label)), label]).mean()

    return float(np.exp(minimize_scalar(loss, bounds=np.log(RANGE), method="bounded").x))


def apply(probabilities, temperature):
    """Probabilities (…, C) at a temperature: p^(1/T), normalised to sum to 1; the order of the classes stays."""
    from scipy.special import softmax

    return softmax(np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), TINY)) / temperature, axis=-1)


def threshold(predictions, classes, temperature=1.0, accuracy=0.9):
    """The smallest confidence, at a temperature, above which predictions reach an accuracy (selective prediction).

    Returns: float from 0 (never abstain) to 1 (always abstain); it never falls as `accuracy` rises.
    """
    probabilities, label = _probabilities(predictions, classes)
    probabilities = apply(probabilities, temperature)
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    confidence, count = probabilities.max(axis=1)[order], np.arange(1, len(label) + 1)
    share = np.cumsum(probabilities.argmax(axis=1)[order] == label[order]) / count
    # The n most confident predictions lie above the confidence of the next; equals are in or out together.
    below = np.append(confidence[1:], 0.0)
    good = (share >= accuracy) & (below < confidence) & (count >= FEWEST)
    return float(below[good].min()) if good.any() else 1.0


def _probabilities(predictions, classes):
    """(float64 (N, C), int (N,)): probabilities and labels."""
    if not len(predictions):
        raise ValueError("there is no prediction to calibrate with")
    probabilities = predictions[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
    return probabilities, predictions.label.to_numpy()
