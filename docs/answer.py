"""Draws docs/answer.png, the pretrained model's answer to clips in a row:  python docs/answer.py CLIP.mp4 …

Of the faces only the landmarks are drawn, no picture of a person.
"""

import pathlib
import sys
import tempfile

import matplotlib.pyplot as plt
import numpy as np

from helpers import predict, video
from helpers.plots import predictions


def faces(axes, prediction):
    """The landmarks of one face in the middle of each clip, as points."""
    points, found = prediction.faces.points, np.flatnonzero(prediction.faces.found)
    for number, ax in enumerate(axes):
        at = found[int((number + 0.5) / len(axes) * len(found))]
        x, y, _ = points[at].T
        ax.scatter(x, -y, s=0.8, color="tab:blue")
        ax.set(aspect="equal", title=f"{prediction.times['video'][at]:.1f} s")
        ax.axis("off")


def bars(ax, prediction):
    """The probabilities of the last window, from both modalities and from each alone."""
    names, part = list(prediction.probabilities), prediction.timeline[-1]
    ax.barh(names, [part.probabilities[name] for name in names], color="tab:blue")
    ax.set(xlim=(0, 1), xlabel="probability", title=f"The last window, {part.start:.1f} to {part.end:.1f} s")
    ax.invert_yaxis()


def answer(clips):
    """The figure."""
    with tempfile.TemporaryDirectory() as folder:
        clip = video.decoding.join(clips, pathlib.Path(folder) / "joined.mp4") if len(clips) > 1 else clips[0]
        prediction = predict.pretrained().predict(clip)
    figure = plt.figure(figsize=(11, 5.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.1, 1))
    left, right = above.subfigures(1, 2, width_ratios=(1.5, 1))
    faces(left.subplots(1, len(clips), gridspec_kw={"wspace": 0}), prediction)
    bars(right.subplots(), prediction)
    predictions.timeline(prediction, below.subplots())
    return figure


if __name__ == "__main__":
    answer(sys.argv[1:]).savefig(pathlib.Path(__file__).with_name("answer.png"), dpi=120)
