"""Windows of a long clip, all of them slices of features that are computed once."""

import dataclasses

import numpy as np

from helpers.audio import speech

WHOLE = 5.5  # s: up to here a clip is answered in one piece, as in training; RAVDESS' longest has 5.3 s
LENGTH, HOP = 3.0, 1.0  # s: of a window, and from one to the next
LONG = 20.0  # s: in longer clips the pretrained model, which hears each window anew, has windows twice as far apart
AT_ONCE = 16  # windows that go through a network together, always as many: another number is compiled anew


@dataclasses.dataclass(frozen=True)
class Window:
    """A part of a clip, start and end in seconds, with {modality: slice of its steps} of those that can be used."""

    start: float
    end: float
    steps: dict


def cut(clip):
    """The list of Windows of a clip's features: one, of everything, for a clip of up to WHOLE seconds.

    Else as many of LENGTH seconds, evenly distributed over the clip, as have about HOP seconds between their starts. A
    window has no video where no frame of it shows a face, no audio where it is silent, and no modality that ends before
    the window's middle.
    """
    longest = max(clip.seconds.values())
    if longest <= WHOLE:
        return [Window(0.0, longest, {stream: slice(0, len(steps)) for stream, steps in clip.features.items()})]
    parts = []
    hop = 2 * HOP if clip.preprocessing.pretrained and longest > LONG else HOP
    for start in np.linspace(0, longest - LENGTH, 1 + int(np.ceil((longest - LENGTH) / hop - 0.05))).tolist():
        lasting = [stream for stream, seconds in clip.seconds.items() if seconds >= start + LENGTH / 2]
        steps = {stream: {"video": _frames, "audio": _mfcc}[stream](clip, start) for stream in lasting}
        parts.append(Window(start, start + LENGTH, {stream: part for stream, part in steps.items() if part}))
    return parts


def _frames(clip, start):
    first, stop = np.searchsorted(clip.times["video"], (start, start + LENGTH)).tolist()
    first = min(first, max(0, stop - 1))  # frames far apart: the one that is still shown
    stop = max(stop, first + 1)
    return slice(first, stop) if clip.faces.found[first:stop].any() else None


def _mfcc(clip, start):
    config = clip.preprocessing.audio
    begins = clip.times["audio"] - config.n_fft / 2 / config.rate
    first, stop = np.searchsorted(begins, (start - 1e-4, start + LENGTH)).tolist()
    stop = min(first + _mfcc_frames(LENGTH, config), stop)
    if stop <= first:
        return None
    heard = clip.samples[round(begins[first] * clip.rate) : round(begins[stop - 1] * clip.rate) + config.n_fft]
    return slice(first, stop) if np.abs(heard).max(initial=0) >= speech.SILENCE else None


def _mfcc_frames(seconds, config):
    return max(1, 1 + (int(seconds * config.rate) - config.n_fft) // config.hop_length)


def sizes(preprocessing, whole):
    """{modality: steps} to pad to, clips in one piece or windows, so that one compiled network serves all clips."""
    seconds, video, audio = WHOLE if whole else LENGTH, preprocessing.video, preprocessing.audio
    lengths = {"video": int(seconds * video.fps) + 2} if video else {}
    return lengths | ({"audio": _mfcc_frames(seconds, audio)} if audio else {})


def batches(clip, parts, streams):
    """Windows of a clip's features, each with all of a network's modalities, as the network's inputs.

    Yields (inputs, n): right-padded as in `FeatureSet.inputs`, the first n rows being the next n windows; the rest of
    the batch repeats the first of them.
    """
    import keras

    whole = max(clip.seconds.values()) <= WHOLE
    at_once, lengths = 1 if whole else AT_ONCE, sizes(clip.preprocessing, whole)
    for at in range(0, len(parts), at_once):
        batch, inputs = parts[at : at + at_once], {}
        for stream in streams:
            rows = [clip.features[stream][part.steps[stream]] for part in batch]
            rows += [rows[0]] * (at_once - len(rows))
            length = np.array([len(row) for row in rows], dtype=np.int32)
            padding = {"maxlen": max(lengths[stream], length.max()), "dtype": "float32", "padding": "post"}
            inputs |= {stream: keras.utils.pad_sequences(rows, **padding), f"{stream}_length": length}
        yield inputs, len(batch)


def merge(attention, parts, stream, count):
    """The attention of {window's number: (T,)} as one curve over the `count` steps of the whole clip.

    Returns: float32 (count,): mean over the windows that hold a step, made to sum to 1; 0 where none does.
    """
    total, held = np.zeros(count), np.zeros(count)
    for number, row in attention.items():
        steps = parts[number].steps[stream]
        total[steps] += row[: steps.stop - steps.start]
        held[steps] += 1
    mean = total / np.maximum(held, 1)
    return (mean / mean.sum()).astype(np.float32)
