"""Draws docs/suite.png and docs/house.png, how notebooks and package hang together:  python docs/suite.py"""

import pathlib
import sys

from helpers import runtime
from helpers.plots import charts

sys.path.insert(0, str(runtime.PROJECT))
from notebooks.drawings import BLUE, GREY, ORANGE, box, canvas, wire

NOTEBOOKS = {  # number and title: place
    "00\nBackground": (1.3, 4.6),
    "01\nDownload and\npreprocess": (1.3, 2.4),
    "02\nVideo": (6.4, 4.0),
    "03\nAudio": (6.4, 2.4),
    "04\nFusion": (6.4, 0.8),
    "05\nEvaluation": (11.3, 2.4),
    "06\nYour own clip": (11.3, 0.8),
    "07\nBeyond": (6.4, -0.8),
}
FILES = {
    "cache/\nfaces, VGG16's 512\nnumbers, MFCC": (3.9, 2.4),
    "runs/…/video": (8.9, 4.0),
    "runs/…/audio": (8.9, 2.4),
    "runs/…/fusion": (8.9, 0.8),
    "table.csv,\nfigures": (13.5, 2.4),
    "an answer,\nmodel.zip": (13.5, 0.8),
    "runs/…/beyond": (8.9, -0.8),
}


def suite():
    """The drawing: blue are notebooks, orange what each leaves for the next."""
    ax = canvas(None, 11, 5.2, (0.2, 14.6), (-1.9, 5.4))
    for text, (x, y) in NOTEBOOKS.items():
        box(ax, x, y, text, 1.7, 1.05, BLUE, size=9)
    for text, (x, y) in FILES.items():
        box(ax, x, y, text, 1.9, 1.05 if "\n" in text else 0.6, ORANGE, dashed=True, size=8)
    wire(ax, (2.15, 2.4), (2.95, 2.4))
    for y in (2.4, 0.8):
        wire(ax, (12.15, y), (12.55, y))
    wire(ax, (9.85, 0.8), (10.45, 0.8))
    for y in (4.0, 2.4, 0.8):
        wire(ax, (4.85, 2.4), (5.2, 2.4), (5.2, y), (5.55, y))
        wire(ax, (7.25, y), (7.95, y))
        wire(ax, (9.85, y), (10.15, y), (10.15, 2.4), (10.45, 2.4))
    wire(ax, (5.2, 0.8), (5.2, -0.8), (5.55, -0.8))
    wire(ax, (7.25, -0.8), (7.95, -0.8))
    ax.text(1.3, 3.85, "stands alone: the equations", ha="center", fontsize=8, color=GREY)
    note = "Each also runs alone: what an earlier one would have left (dashed) it then makes itself."
    ax.text(7.4, -1.75, note, ha="center", fontsize=9, color=GREY)
    return ax


# The folders of helpers in the order of their imports: each uses only what stands to its left.
FOLDERS = {
    "evaluation": (6.1, 3.8),
    "data": (1.3, 2.1),
    "video": (3.7, 3.0),
    "audio": (3.7, 1.2),
    "features": (6.1, 2.1),
    "models": (6.1, 0.4),
    "training": (8.5, 2.1),
    "plots": (10.9, 3.0),
    "predict": (10.9, 1.2),
    "beyond": (13.3, 1.2),
}
USES = ("data video", "data audio", "video features", "audio features", "features training", "models training")
USES += ("evaluation training", "training plots", "training predict", "predict beyond")


def house():
    """The drawing: an arrow leads from a folder to one that builds on it."""
    ax = canvas(None, 11, 3.6, (0.2, 14.6), (-0.2, 4.4))
    for name, (x, y) in FOLDERS.items():
        box(ax, x, y, name, 1.7, 0.7, BLUE, size=9)
    for first, second in map(str.split, USES):
        (x, y), (to_x, to_y) = FOLDERS[first], FOLDERS[second]
        middle = (x + to_x) / 2
        wire(ax, (x + 0.85, y), (middle, y), (middle, to_y), (to_x - 0.85, to_y))
    ax.text(0.4, 0.0, "config.py, runtime.py: used by all", color=GREY, fontsize=9)
    return ax


if __name__ == "__main__":
    charts.save(house(), pathlib.Path(__file__).with_name("house.png"))
    charts.save(suite(), pathlib.Path(__file__).with_suffix(".png"))
