"""A long clip cut into windows, all of them slices of features that are made once."""

import dataclasses

import numpy as np

from helpers.audio import speech

WHOLE = 5.5  # s: up to here a clip is answered in one piece, as in training; RAVDESS' longest has 5.3 s
LENGTH, HOP = 3.0, 1.0  # s: of a window, and from one to the next
AT_ONCE = 16  # windows that go through a network together, always as many: another number is compiled anew


@dataclasses.dataclass(frozen=True)
class Window:
    """A part of a clip; the whole of a short one.

    Attributes:
        start, end: seconds.
        steps: {stream: slice of its steps}, the streams that say something here.
    """

    start: float
    end: float
    steps: dict


def cut(clip):
    """The windows of a clip.

    Args:
        clip: ClipFeatures.

    Returns:
        list of Window: one, of everything, for a clip of up to WHOLE seconds; else as many of LENGTH seconds, evenly
        spread over the clip, as have about HOP seconds between their starts. A window has no video where no frame of
        it shows a face, no audio where it is silent, and neither of a stream that ends before its middle.
    """
    longest = max(clip.seconds.values())
    if in_one_piece(clip):
        return [Window(0.0, longest, {stream: slice(0, len(steps)) for stream, steps in clip.features.items()})]
    starts = np.linspace(0, longest - LENGTH, 1 + int(np.ceil((longest - LENGTH) / HOP - 0.05)))
    found = []
    for start in starts.tolist():
        lasting = [stream for stream, seconds in clip.seconds.items() if seconds >= start + LENGTH / 2]
        steps = {stream: {"video": _pictures, "audio": _sound}[stream](clip, start) for stream in lasting}
        kept = {stream: part for stream, part in steps.items() if part}
        found.append(Window(start, start + LENGTH, kept))
    return found


def in_one_piece(clip):
    """True for a clip that is short enough to be answered as those of the training are."""
    return max(clip.seconds.values()) <= WHOLE


def _pictures(clip, start):
    first, stop = np.searchsorted(clip.times["video"], (start, start + LENGTH)).tolist()
    first = min(first, max(0, stop - 1))  # frames far apart: the one that stands here
    stop = max(stop, first + 1)
    return slice(first, stop) if clip.faces.found[first:stop].any() else None


def _sound(clip, start):
    config = clip.preprocessing.audio
    samples = clip.samples[int(start * clip.rate) : int((start + LENGTH) * clip.rate)]
    if np.abs(samples).max() < speech.SILENCE:
        return None
    begins = clip.times["audio"] - config.n_fft / 2 / config.rate
    first, stop = np.searchsorted(begins, (start - 1e-4, start + LENGTH)).tolist()
    return slice(first, min(first + _sound_frames(LENGTH, config), stop)) if stop > first else None


def _sound_frames(seconds, config):
    return max(1, 1 + (int(seconds * config.rate) - config.n_fft) // config.hop_length)


def sizes(preprocessing, whole):
    """Fixed lengths to pad to, so that one compiled network serves all clips: {stream: steps}.

    Args:
        preprocessing: Preprocessing.
        whole: True for a clip in one piece, False for windows.
    """
    seconds, lengths = WHOLE if whole else LENGTH, {}
    if preprocessing.video:
        lengths["video"] = int(seconds * preprocessing.video.fps) + 2
    if preprocessing.audio:
        lengths["audio"] = _sound_frames(seconds, preprocessing.audio)
    return lengths


def batches(clip, windows, streams):
    """The windows as a network's inputs.

    Args:
        clip: ClipFeatures.
        windows: list of Window, each with all of the streams.
        streams: those that the network knows.

    Yields:
        (inputs, n): right-padded as in `FeatureSet.inputs`, the first n rows being the next n windows; the rest of
        the batch repeats the first of them.
    """
    import keras

    whole = in_one_piece(clip)
    at_once, lengths = 1 if whole else AT_ONCE, sizes(clip.preprocessing, whole)
    for at in range(0, len(windows), at_once):
        part = windows[at : at + at_once]
        inputs = {}
        for stream in streams:
            values = clip.features[stream]
            parts = [values[window.steps[stream]] for window in part]
            parts += [parts[0]] * (at_once - len(parts))
            length = np.array([len(steps) for steps in parts], dtype=np.int32)
            padding = {"maxlen": max(lengths[stream], length.max()), "dtype": "float32", "padding": "post"}
            inputs |= {stream: keras.utils.pad_sequences(parts, **padding), f"{stream}_length": length}
        yield inputs, len(part)


def merge(attention, windows, stream, count):
    """The windows' attention as one curve.

    Args:
        attention: (n, T), a row a window.
        windows: the n Windows.
        stream: whose attention it is.
        count: steps of the whole clip.

    Returns:
        float32 (count,): mean over the windows that hold a step, made to sum to 1; 0 where none does.
    """
    total, held = np.zeros(count), np.zeros(count)
    for row, window in zip(attention, windows):
        steps = window.steps[stream]
        total[steps] += row[: steps.stop - steps.start]
        held[steps] += 1
    mean = total / np.maximum(held, 1)
    return (mean / mean.sum()).astype(np.float32)
