"""An answer as a picture. Each function takes ax=None, draws on it or on a new one, and returns it."""

import numpy as np

from helpers.plots import clips
from helpers.plots.charts import _axes

_MARKS = {"video": ("s", "pictures alone"), "audio": ("o", "sound alone")}
FAINT = 0.05  # an emotion that never gets more than this gets no line of its own in a timeline


def probabilities(prediction, ax=None, title=None):
    """A bar for each emotion; square and circle are what the pictures and the sound alone would have said."""
    ax = _axes(ax, 4.5, 3.4)
    names = list(prediction.probabilities)
    colours = ["C0" if name == prediction.emotion else "0.75" for name in names]
    ax.barh(names, list(prediction.probabilities.values()), color=colours)
    for stream, probabilities in prediction.streams.items():
        mark, label = _MARKS[stream]
        ax.plot(list(probabilities.values()), names, mark, mfc="white", mec="black", ms=6, label=label, clip_on=False)
    ax.set(xlim=(0, 1), xlabel="probability", title=title or prediction.sentence)
    ax.invert_yaxis()
    if prediction.streams:
        ax.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, frameon=False)
    return ax


def timeline(prediction, ax=None, title=None):
    """The probabilities of a long clip over time, a point a window at its middle.

    An emotion that stays under 5 % throughout is left out.
    """
    ax = _axes(ax, 10, 2.6)
    middles = [(part.start + part.end) / 2 for part in prediction.timeline]
    for number, name in enumerate(prediction.probabilities):
        probabilities = [part.probabilities[name] for part in prediction.timeline]
        if max(probabilities) > FAINT:
            ax.plot(middles, probabilities, "o-", ms=3, color=f"C{number}", label=name)
    ax.set(xlabel="seconds", ylabel="probability", ylim=(0, 1.02), xlim=(0, prediction.timeline[-1].end))
    ax.set_title(title or "Window by window")
    ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def overview(prediction, title=None):
    """All of an answer: the faces and the waveform with the attention they got, the bars, a long clip's timeline.

    Args:
        prediction: Prediction.
        title: over all of it, such as the clip's name.

    Returns:
        matplotlib Figure, not one of pyplot's: nothing has to close it, and any thread may draw it.
    """
    from matplotlib.figure import Figure

    rows = {"faces": prediction.faces is not None, "sound": prediction.samples is not None}
    rows["timeline"] = len(prediction.timeline) > 1
    kept = [name for name, there in rows.items() if there]
    figure = Figure(figsize=(13, 1.2 + 1.9 * max(2, len(kept))), layout="constrained")
    grid = figure.add_gridspec(len(kept), 2, width_ratios=(2.4, 1))
    axes = {name: figure.add_subplot(grid[row, 0]) for row, name in enumerate(kept)}
    attention = {stream: weights for stream, weights in prediction.attention.items() if weights is not None}
    if rows["faces"]:
        _faces(prediction, attention.get("video"), axes["faces"])
    if rows["sound"]:
        _sound(prediction, attention.get("audio"), axes["sound"])
    if rows["timeline"]:
        timeline(prediction, axes["timeline"])
    probabilities(prediction, figure.add_subplot(grid[:, 1]))
    if title:
        figure.suptitle(title)
    return figure


def _faces(prediction, weights, ax):
    if weights is not None:
        return clips.attended_faces(prediction.faces, weights, 10, ax, "Attention to each face; dotted: equal")
    title = None if prediction.faces.found.any() else "No face was found"
    return clips.face_strip(prediction.faces, 10, ax, title)


def _sound(prediction, weights, ax):
    samples, rate = prediction.samples, prediction.rate
    if weights is None:
        return clips.waveform(samples, rate, ax)
    times = prediction.times["audio"]
    return clips.attended_sound(samples, rate, weights, times, ax, "Attention over the sound; dotted: equal")


def png(figure):
    """A Figure as the bytes of a PNG file."""
    import io

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return buffer.getvalue()


def at(prediction, seconds):
    """The part of a timeline that stands at a time: the one whose middle is nearest. Returns a Part."""
    middles = np.array([(part.start + part.end) / 2 for part in prediction.timeline])
    return prediction.timeline[int(np.abs(middles - seconds).argmin())]
