"""Hidden states of a speaker encoder, GE2E (Wan et al. 2018, doi:10.1109/ICASSP.2018.8462665), computed with NumPy.

Three LSTM layers of 256 units over 40 mel bands, trained to tell speakers apart. Their weights come with the package
Resemblyzer (Apache-2.0): a PyTorch file, whose numbers lie one after the other.
"""

import functools

import numpy as np

from helpers.audio import mel
from helpers.data import packaged_weights

REQUIREMENT = "Resemblyzer==0.1.4"
RATE, BANDS = mel.RATE, 40
UNITS, DIM = 256, 3 * 256
LEVEL = -30.0  # dBFS to which softer sounds are amplified, as in the encoder's training

# The LSTM's numbers in the file: first byte, how many, and where the arrays of each kind begin among them.
_START, _COUNT = 269_883, 1_357_824
_SHA256 = "69209e70620b483bd05ca224efda1fa4400ea5739e20c5f4c6bd08c4a1ddca1d"
_INPUT, _STATE, _BIAS = (0, 303_104, 827_392), (40_960, 565_248, 1_089_536), (1_351_680, 1_353_728, 1_355_776)


def steps(samples):
    """Computes the hidden states of the three layers, concatenated.

    Args:
        samples: float (n,), mono, at RATE.
    Returns: float32 (1 + n // 160, 768), a step every 10 ms.
    Raises PackageMissing: Resemblyzer is not installed.
    """
    layers = [mel_bands(samples)]
    for arrays in weights():
        layers.append(lstm(layers[-1], *arrays))
    return np.concatenate(layers[1:], axis=1)


def mel_bands(samples):
    """Power in 40 mel bands, without a logarithm: float32 (1 + n // 160, 40)."""
    level = 20 * np.log10(np.sqrt(np.mean(np.square(samples, dtype=float))) + 1e-9)
    louder = np.asarray(samples * 10 ** (max(0.0, LEVEL - level) / 20), dtype=np.float32)
    return mel.spectrogram(louder, BANDS, "constant")


def lstm(values, kernel, recurrent, bias):
    """Runs an LSTM layer (thesis 2.14–2.19), its gates in the order of PyTorch and Keras.

    Args:
        values, kernel, recurrent, bias: float32 (T, D), (D, 4·units), (units, 4·units), (4·units,).
    Returns: float32 (T, units), the hidden states.
    """
    units = len(recurrent)
    hidden, cell, states = np.zeros(units, np.float32), np.zeros(units, np.float32), []
    for inputs in values @ kernel + bias:
        gates = inputs + hidden @ recurrent
        candidate = np.tanh(gates[2 * units : 3 * units])
        into, forget, _, out = np.split(0.5 + 0.5 * np.tanh(0.5 * gates), 4)  # the sigmoid, without overflow
        cell = forget * cell + into * candidate
        hidden = out * np.tanh(cell)
        states.append(hidden)
    return np.stack(states)


@functools.cache
def weights():
    """Reads [(kernel, recurrent, bias)] of the three layers. Raises PackageMissing: Resemblyzer is not installed."""
    content = packaged_weights.read("resemblyzer", "pretrained.pt", _START, 4 * _COUNT, _SHA256, REQUIREMENT)
    numbers, gates = np.frombuffer(content, "<f4"), 4 * UNITS

    def matrix(start, columns):
        return np.ascontiguousarray(numbers[start : start + gates * columns].reshape(gates, columns).T)

    kernels = [matrix(start, UNITS if start else BANDS) for start in _INPUT]
    biases = [numbers[start : start + 2 * gates].reshape(2, gates).sum(axis=0) for start in _BIAS]  # PyTorch has two
    return list(zip(kernels, [matrix(start, UNITS) for start in _STATE], biases))
