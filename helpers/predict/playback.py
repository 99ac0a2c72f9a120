"""A clip played back with its answer: the face's box, the bars of probability, attention under the waveform."""

import itertools
import os
import pathlib

import numpy as np

from helpers.data import mp4
from helpers.plots import predictions
from helpers.predict.prediction import WORDS
from helpers.video import decoding

HEIGHT, PANEL, STRIP, BLANK = 360, 280, 110, 480  # px: pictures, bars beside, attention below; no pictures
FOOT = 60  # px at the bottom, where a player lays its controls over the film
RATE, SLOW_RATE, LONG = 25, 10, 20.0  # frames a second, and of clips longer than so many seconds
_DPI, _LIME, _BLUE, _RED = 100, (50, 205, 50), (31, 119, 180), (214, 39, 40)


def write(path, prediction, out):
    """Writes the annotated clip.

    The box stands where the face was looked for: lime with a face, red where it was lost, thicker with more attention.
    The bars are those of the window that stands at the time, and the line in the waveform is the time.

    Args:
        path: the clip.
        prediction: its Prediction.
        out: file to write, .mp4; it appears only when it is finished.

    Returns:
        out, as a pathlib.Path.

    Raises:
        ClipError: the clip can no longer be read.
    """
    out = pathlib.Path(out)
    seconds = max(_length(prediction), 0.2)
    rate = RATE if seconds <= LONG else SLOW_RATE
    shown = prediction.faces is not None
    nothing = np.full((HEIGHT // 2, BLANK, 3), 245, dtype=np.uint8), 1.0
    pictures = _pictures(path, rate) if shown else itertools.repeat(nothing, max(1, round(seconds * rate)))
    part = out.with_name(f".{out.stem}.{os.getpid()}.part")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        first, scale = next(pictures)
        size = (first.shape[1] + PANEL, first.shape[0] + STRIP + FOOT)
        frames = _annotated(first, scale, pictures, prediction, seconds, rate)
        sound = {} if prediction.samples is None else {"samples": prediction.samples, "rate": prediction.rate}
        mp4.write(part, frames, size=size, fps=rate, **sound)
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)
    return out


def _length(prediction):
    ends = [prediction.timeline[-1].end]
    if prediction.samples is not None:
        ends.append(len(prediction.samples) / prediction.rate)
    return max(ends)


def _pictures(path, rate):
    """Yields (uint8 (HEIGHT, W, 3), scale) at a steady rate."""
    for picture in decoding.resample_fps(path, rate):
        height, width = picture.gray.shape
        scale = HEIGHT / height
        yield decoding.resized(picture, (max(2, round(width * scale / 2) * 2), HEIGHT)), scale


def _annotated(first, scale, rest, prediction, seconds, rate):
    height, width = first.shape[:2]
    panel, rows = _panel(prediction, height + STRIP)
    strip, left, right = _strip(prediction, width, seconds)
    canvas = np.full((height + STRIP + FOOT, width + PANEL, 3), 255, dtype=np.uint8)
    canvas[:-FOOT] = np.concatenate([np.concatenate([first, strip]), panel], axis=1)
    for number, (picture, zoom) in enumerate(itertools.chain([(first, scale)], rest)):
        time = number / rate
        frame = canvas.copy()
        frame[:height, :width] = picture
        _box(frame[:height, :width], prediction, time, zoom)
        _bars(frame[:, width:], rows, predictions.at(prediction, time))
        x = round(left + (right - left) * min(time / seconds, 1.0))
        frame[height:-FOOT, x - 1 : x + 1] = _RED
        yield frame


def _box(picture, prediction, time, scale):
    import cv2

    track = prediction.faces
    if track is None or not track.found.any():
        return
    nearest = int(np.abs(track.times - time).argmin())
    weights = prediction.attention.get("video")
    share = 0.5 if weights is None else float(weights[nearest] / weights.max())
    top, right, bottom, left = (round(float(edge) * scale) for edge in track.boxes[nearest])
    colour = _LIME if track.found[nearest] else _RED
    cv2.rectangle(picture, (left, top), (right, bottom), colour, 1 + round(3 * share), cv2.LINE_AA)


def _bars(panel, rows, part):
    best = max(part.probabilities, key=part.probabilities.get)
    for name, (top, bottom, left, right) in rows.items():
        end = left + round((right - left) * part.probabilities[name])
        panel[top:bottom, left:end] = _BLUE if name == best else (150, 150, 150)


def _panel(prediction, height):
    """The names with room for the bars: (picture, {name: (top, bottom, left, right) of its full bar})."""
    names = list(prediction.probabilities)
    figure, ax = _figure(PANEL, height, (0.36, 0.02, 0.58, 0.84))
    ax.set(xlim=(0, 1), ylim=(len(names), 0), xticks=[], yticks=np.arange(len(names)) + 0.5, yticklabels=names)
    ax.tick_params(length=0, labelsize=10)
    ax.set_facecolor("0.95")
    said = prediction.sentence if len(prediction.timeline) == 1 else f"in all {prediction.sentence}"
    # Mathematical signs out of a name of one's own stay what they are: text.
    ax.set_title(said.replace(": ", ":\n").replace("$", r"\$"), fontsize=11, x=0.2)
    picture = _render(figure)
    rows = {}
    for number, name in enumerate(names):
        (x0, y0), (x1, y1) = ax.transData.transform([(0, number + 0.85), (1, number + 0.15)])
        rows[name] = (round(height - y1), round(height - y0), round(x0), round(x1))
    return picture, rows


def _strip(prediction, width, seconds):
    """Waveform and attention: (picture, left, right) with the places of the clip's begin and end."""
    figure, ax = _figure(width, STRIP, (0.02, 0.22, 0.96, 0.74))
    if prediction.samples is not None:
        step = max(1, len(prediction.samples) // (4 * width))
        samples = prediction.samples[::step]
        loudest = max(np.abs(samples).max(), 1e-6)
        ax.plot(np.arange(len(samples)) * step / prediction.rate, samples / loudest, color="0.7", linewidth=0.4)
    for stream, colour in (("audio", "C0"), ("video", "C1")):
        weights = prediction.attention.get(stream)
        if weights is not None:
            curve = -1 + 2 * weights / weights.max()
            label = f"attention to the {WORDS[stream]}"
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
