"""Expressions of single faces, by a small residual network that benchmarks/pretrain_face.py trained on FER2013.

NumPy runs it: each convolution is a matrix product, with its batch normalisation folded in.
"""

import numpy as np

from helpers.data.ravdess import EMOTIONS

CLASSES = tuple(emotion for emotion in EMOTIONS if emotion != "calm")  # FER2013 has no calm
BLOCKS = (1, 1, 2, 1)  # residual blocks of each stage; the first of each halves the picture
MOST = 6  # frames of a clip or a window that the network looks at


def evidence(frames, arrays, classes=EMOTIONS):
    """Mean log-probabilities of a clip's faces, at most MOST of them, evenly spread.

    Args:
        frames, arrays, classes: uint8 (T, 48, 48, 3) RGB, T > 0; as of `logits`; names, where calm is taken as neutral.
    Returns: float32 (C,).
    """
    from scipy.special import log_softmax

    seen = frames[np.linspace(0, len(frames) - 1, min(MOST, len(frames))).round().astype(int)]
    columns = [CLASSES.index("neutral" if name == "calm" else name) for name in classes]
    return log_softmax(logits(gray(seen), arrays), axis=1).mean(axis=0)[columns]


def gray(frames):
    """What the network sees of RGB faces: uint8 (T, 48, 48, 3) to float32 (T, 48, 48), mean 0, deviation 1."""
    x = np.asarray(frames, dtype=np.float32) @ np.float32([0.299, 0.587, 0.114])
    x -= x.mean(axis=(1, 2), keepdims=True)
    return x / (x.std(axis=(1, 2), keepdims=True) + 4)  # 4 of 255: a black frame stays finite


def logits(faces, arrays):
    """Runs the network.

    Args:
        faces, arrays: float32 (T, 48, 48), as of `gray`; {"<layer>/kernel", "<layer>/bias": array}.
    Returns: float32 (T, 7), in the order of CLASSES.
    Raises LookupError, ValueError: a layer is missing, or does not fit the one before.
    """
    x = _relu(_convolve(faces[..., None], arrays, "stem"))
    for stage, blocks in enumerate(BLOCKS, start=1):
        for block in range(1, blocks + 1):
            name, stride = f"stage{stage}_block{block}", 2 if block == 1 else 1
            shortcut = x
            if f"{name}_shortcut/kernel" in arrays:
                n, h, w, c = x.shape
                shortcut = x.reshape(n, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))
                shortcut = _convolve(shortcut, arrays, f"{name}_shortcut")
            x = _relu(_convolve(_relu(_convolve(x, arrays, f"{name}_a", stride)), arrays, f"{name}_b") + shortcut)
    return x.mean(axis=(1, 2)) @ arrays["emotion/kernel"] + arrays["emotion/bias"]


def _convolve(x, arrays, name, stride=1):
    kernel, bias = arrays[f"{name}/kernel"], arrays[f"{name}/bias"]
    size = kernel.shape[0]
    if size > 1:
        before = size - 1 - (size - 1) // 2 if stride == 1 else (size - stride) // 2
        x = np.pad(x, ((0, 0), (before, size - 1 - before), (before, size - 1 - before), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]
        x = windows.transpose(0, 1, 2, 4, 5, 3).reshape(*windows.shape[:3], -1)  # (T, h, w, size · size · channels)
    return x @ kernel.reshape(-1, kernel.shape[-1]) + bias


def _relu(x):
    return np.maximum(x, 0)
