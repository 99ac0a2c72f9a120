"""From a network's confidence to one that can be believed: a temperature, and how sure is sure enough.

Both are fitted on test predictions, so on clips that the network which predicted them had not seen. Tables are those of
a `CVResult`: one row a clip, with label, prediction and the probabilities p_<emotion> ….
"""

import numpy as np

RANGE = (0.5, 10.0)  # where every answer is right the likelihood knows no lower end; twice as sharp is enough
FEWEST = 10  # answers that a threshold must be seen on: three right ones in a row are no evidence
_TINY = 1e-7  # a probability that float32 rounded to 0


def temperature(predictions, classes):
    """The temperature that makes the labels most likely (Guo et al. 2017, "On calibration of modern neural networks").

    Args:
        predictions: DataFrame with label and p_<emotion> of each class.
        classes: the emotions' names.

    Returns:
        float within RANGE: over 1 for a network that is too sure of itself.

    Raises:
        ValueError: no clip.
    """
    from scipy.optimize import minimize_scalar

    probabilities, label = _probabilities(predictions, classes)

    def loss(log_t):
        return -np.log(apply(probabilities, np.exp(log_t))[np.arange(len(label)), label]).mean()

    found = minimize_scalar(loss, bounds=np.log(RANGE), method="bounded")
    return float(np.exp(found.x))


def apply(probabilities, temperature):
    """Probabilities at a temperature: p^(1/T), made to sum to 1. The order of the classes stays.

    Args:
        probabilities: (…, C).
        temperature: T, positive; 1 leaves them as they are.

    Returns:
        float64 (…, C).
    """
    logs = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), _TINY)) / temperature
    powers = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def threshold(predictions, classes, temperature=1.0, accuracy=0.9):
    """The smallest confidence above which answers are right often enough.

    Args:
        predictions, classes: as in `temperature`.
        temperature: that the confidences are taken at.
        accuracy: share that must be right among the answers whose confidence is larger than the threshold.

    Returns:
        float from 0 (every answer is good enough) to 1 (none is). It never falls as `accuracy` rises.

    Raises:
        ValueError: no clip.
    """
    probabilities, label = _probabilities(predictions, classes)
    probabilities = apply(probabilities, temperature)
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    confidence = probabilities.max(axis=1)[order]  # falling
    share = np.cumsum(probabilities.argmax(axis=1)[order] == label[order]) / np.arange(1, len(label) + 1)
    # The n most confident answers lie above the confidence of the next; equals are in or out together.
    below = np.append(confidence[1:], 0.0)
    good = (share >= accuracy) & (below < confidence) & (np.arange(1, len(label) + 1) >= FEWEST)
    return float(below[good].min()) if good.any() else 1.0


def _probabilities(predictions, classes):
    """(float64 (N, C), int (N,)): probabilities and labels."""
    if not len(predictions):
        raise ValueError("there is no prediction to calibrate with")
    probabilities = predictions[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
    return probabilities, predictions.label.to_numpy()
