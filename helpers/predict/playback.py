"""The annotated clip: the video with the face's box, bars of probability, attention over the waveform."""

import itertools
import pathlib

import numpy as np

from helpers import runtime
from helpers.data import mp4
from helpers.plots import charts, predictions
from helpers.video import decoding

HEIGHT, PANEL, STRIP, BLANK = 360, 280, 110, 480  # px: video, bars to its right, attention below; width without video
FOOT = 60  # px at the bottom, where a player lays its controls over the video
RATE, SLOW_RATE, LONG = 25, 10, 20.0  # frames a second, and of clips longer than so many seconds
_DPI, _LIME, _RED = 100, (50, 205, 50), (214, 39, 40)


def write(path, prediction, out, *, panels=True):
    """Writes the clip, annotated with its Prediction, as mp4 to `out`. Returns `out` as a pathlib.Path.

    The box is lime where a face was found, red where it was lost, thicker with more attention. The bars are those of
    the window at that time, and the line in the waveform is the time. Without `panels` there is only the box, and a
    clip without video has sound alone.

    Raises ClipError: the clip can no longer be read.
    """
    out = pathlib.Path(out)
    sound = {} if prediction.samples is None else {"samples": prediction.samples, "rate": prediction.rate}
    seconds = max(0.2, prediction.seconds)
    rate = RATE if seconds <= LONG else SLOW_RATE
    out.parent.mkdir(parents=True, exist_ok=True)
    pictures = size = None
    if panels or prediction.faces is not None:
        blanks = itertools.repeat(np.full((HEIGHT // 2, BLANK, 3), 245, dtype=np.uint8), max(1, round(seconds * rate)))
        pictures = blanks if prediction.faces is None else _boxed(path, prediction, rate)
        first = next(pictures)
        pictures, size = itertools.chain([first], pictures), first.shape[1::-1]
    if panels:
        size = (size[0] + PANEL, size[1] + STRIP + FOOT)
        pictures = _annotated(size, pictures, prediction, seconds, rate)
    with runtime.replacing(out) as file:
        mp4.write(file.name, pictures, size=size, fps=rate, **sound)
    return out


def _boxed(path, prediction, rate):
    """Yields uint8 (HEIGHT, W, 3) at a constant rate, with the face's box."""
    for number, picture in enumerate(decoding.resample_fps(path, rate)):
        height, width = picture.gray.shape
        scale = HEIGHT / height
        frame = decoding.resized(picture, (max(2, round(width * scale / 2) * 2), HEIGHT))
        _box(frame, prediction, number / rate, scale)
        yield frame


def _annotated(size, pictures, prediction, seconds, rate):
    width, height = size[0] - PANEL, size[1] - STRIP - FOOT
    canvas = np.full((*size[::-1], 3), 255, dtype=np.uint8)
    canvas[height:-FOOT, :width], left, right = _strip(prediction, width, seconds)
    shown = None
    for number, picture in enumerate(pictures):
        time = number / rate
        part = predictions.at(prediction, time)
        if part is not shown:
            canvas[:-FOOT, width:], shown = _panel(prediction, part, height + STRIP), part
        frame = canvas.copy()
        frame[:height, :width] = picture
        x = round(left + (right - left) * min(time / seconds, 1.0))
        frame[height:-FOOT, x - 1 : x + 1] = _RED
        yield frame


def _box(picture, prediction, time, scale):
    import cv2

    track = prediction.faces
    if not track.found.any():
        return
    nearest = int(np.abs(track.times - time).argmin())
    weights = prediction.attention.get("video")
    share = 0.5 if weights is None else float(weights[nearest] / weights.max())
    top, right, bottom, left = (round(float(edge) * scale) for edge in track.boxes[nearest])
    colour = _LIME if track.found[nearest] else _RED
    cv2.rectangle(picture, (left, top), (right, bottom), colour, 1 + round(3 * share), cv2.LINE_AA)


def _panel(prediction, part, height):
    """The bars of a window: uint8 (height, PANEL, 3)."""
    figure, ax = _figure(PANEL, height, (0.36, 0.02, 0.58, 0.84))
    predictions.bars(part.probabilities, ax)
    ax.set(xticks=[], facecolor="0.95")
    ax.tick_params(length=0, labelsize=10)
    title = prediction.sentence if len(prediction.timeline) == 1 else f"whole clip: {prediction.sentence}"
    ax.set_title(charts.plain(title).replace(": ", ":\n"), fontsize=11, x=0.2)
    return _render(figure)


def _strip(prediction, width, seconds):
    """Waveform and attention: (uint8 (STRIP, width, 3), left, right), the columns of the clip's start and end."""
    figure, ax = _figure(width, STRIP, (0.02, 0.22, 0.96, 0.74))
    if prediction.samples is not None:
        step = max(1, len(prediction.samples) // (4 * width))
        samples = prediction.samples[::step]
        loudest = max(np.abs(samples).max(), 1e-6)
        ax.plot(np.arange(len(samples)) * step / prediction.rate, samples / loudest, color="0.7", linewidth=0.4)
    for stream, colour in (("audio", "C0"), ("video", "C1")):
        weights = prediction.attention.get(stream)
        if weights is not None:
            label, curve = f"attention, {stream}", -1 + 2 * weights / weights.max()
            ax.plot(prediction.times[stream], curve, color=colour, linewidth=1.2, label=label)
    ax.set(xlim=(0, seconds), ylim=(-1.1, 1.8), yticks=[])  # the legend stands above
    ax.tick_params(labelsize=7)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=6, loc="upper right", ncols=2, frameon=False)
    picture = _render(figure)
    (left, _), (right, _) = ax.transData.transform([(0, 0), (seconds, 0)])
    return picture, left, right


def _figure(width, height, place):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    return figure, figure.add_axes(place)


def _render(figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()
