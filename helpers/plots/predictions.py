"""Figures of a Prediction. Each function takes ax=None, draws on it or on a new one, and returns it."""

import io

from helpers.plots import clips
from helpers.plots.charts import axes, plain

FAINT = 0.05  # an emotion that never gets more than this gets no line of its own in a timeline


def bars(probabilities, ax):
    """A bar for each emotion of {emotion: probability}, the most likely one blue."""
    best = max(probabilities, key=probabilities.get)
    colours = ["C0" if name == best else "0.75" for name in probabilities]
    ax.barh(list(map(plain, probabilities)), list(probabilities.values()), color=colours)
    ax.set_xlim(0, 1)
    ax.invert_yaxis()


def probabilities(prediction, ax=None, title=None):
    """A bar for each emotion; square and circle are the probabilities of video alone and of audio alone."""
    ax = axes(ax, 4.5, 3.4)
    bars(prediction.probabilities, ax)
    for stream, values in prediction.streams.items():
        style = {"mfc": "white", "mec": "black", "ms": 6, "label": f"{stream} alone", "clip_on": False}
        ax.plot(list(values.values()), list(map(plain, values)), "s" if stream == "video" else "o", **style)
    ax.set(xlabel="probability", title=title or plain(prediction.sentence))
    if prediction.streams:
        ax.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, frameon=False)
    return ax


def timeline(prediction, ax=None, title=None):
    """The probabilities of a long clip over time, a point a window at its middle; those never above 5 % left out."""
    ax = axes(ax, 10, 2.6)
    middles = [(part.start + part.end) / 2 for part in prediction.timeline]
    for number, name in enumerate(prediction.probabilities):
        values = [part.probabilities[name] for part in prediction.timeline]
        if max(values) > FAINT:
            ax.plot(middles, values, "o-", ms=3, color=f"C{number}", label=plain(name))
    ax.set(xlabel="seconds", ylabel="probability", ylim=(0, 1.02), xlim=(0, prediction.timeline[-1].end))
    ax.set_title(title or "Window by window")
    ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def overview(prediction, title=None):
    """Faces and waveform with their attention, the bars of probability, and a long clip's timeline.

    Returns a matplotlib Figure, not one of pyplot's: nothing has to close it, and any thread may draw it.
    """
    from matplotlib.figure import Figure

    draw = [_faces] if prediction.faces is not None else []
    draw += [_waveform] if prediction.samples is not None else []
    draw += [timeline] if len(prediction.timeline) > 1 else []
    figure = Figure(figsize=(13, 1.2 + 1.9 * max(2, len(draw))), layout="constrained")
    grid = figure.add_gridspec(len(draw), 2, width_ratios=(2.4, 1))
    for row, function in enumerate(draw):
        function(prediction, figure.add_subplot(grid[row, 0]))
    probabilities(prediction, figure.add_subplot(grid[:, 1]))
    if title:
        figure.suptitle(title)
    return figure


def _faces(prediction, ax):
    weights = prediction.attention.get("video")
    if weights is None:
        return clips.face_strip(prediction.faces, 10, ax, None if prediction.faces.found.any() else "No face was found")
    return clips.attended_faces(prediction.faces, weights, 10, ax, "Attention to each face; dotted: equal weights")


def _waveform(prediction, ax):
    samples, rate, weights = prediction.samples, prediction.rate, prediction.attention.get("audio")
    if weights is None:
        return clips.waveform(samples, rate, ax)
    title = "Attention over the audio; dotted: equal weights"
    return clips.attended_sound(samples, rate, weights, prediction.times["audio"], ax, title)


def png(figure):
    """A Figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return buffer.getvalue()


def at(prediction, seconds):
    """The Part of a timeline whose middle is nearest to a time."""
    return min(prediction.timeline, key=lambda part: abs((part.start + part.end) / 2 - seconds))
