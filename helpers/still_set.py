"""Labelled pictures of faces, as arrays, with both sets' names for the emotions and this project's.

FER2013 and JAFFE have seven emotions each. Neither has RAVDESS' "calm".
"""

import dataclasses

import numpy as np

from helpers import faces, ravdess
from helpers.exclusions import Exclusions

SPLITS = ("train", "public", "private")

FER_FOLDERS = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "happy": "happy",
    "sad": "sad",
    "surprise": "surprised",
    "neutral": "neutral",
}
# FER2013's codes 0 … 6 and its emotions' names, each with this project's name.
FER_NAMES = {**dict(enumerate(FER_FOLDERS.values())), **FER_FOLDERS}
JAFFE_NAMES = {
    "AN": "angry",
    "DI": "disgust",
    "FE": "fearful",
    "HA": "happy",
    "SA": "sad",
    "SU": "surprised",
    "NE": "neutral",
}


@dataclasses.dataclass(frozen=True)
class Stills:
    """N labelled pictures of faces.

    Attributes:
        images: uint8 (N, size, size, 3), RGB with three equal channels; size is 48 unless asked for.
        label: int64 (N,), places in `classes`.
        person: str (N,), JAFFE's two-letter code; "" where it is not known, as in all of FER2013.
        split: str (N,), "train", "public" or "private"; JAFFE is all "train".
        name: str (N,), the file, or the csv's name and line, that each still came from.
        classes: names of the labels.
        excluded: Exclusions, what was left out of the whole set and why; `subset` keeps it.
        uncropped: names of the stills in which no face was found, so that they show the picture's middle square.
    """

    images: np.ndarray
    label: np.ndarray
    person: np.ndarray
    split: np.ndarray
    name: np.ndarray
    classes: tuple = ravdess.EMOTIONS
    excluded: Exclusions = dataclasses.field(default_factory=Exclusions)
    uncropped: tuple = ()

    def __len__(self):
        return len(self.label)

    def subset(self, rows):
        """The stills of some rows.

        Args:
            rows: int (n,) row numbers in any order, bool (N,), or a slice.

        Returns:
            Stills.
        """
        columns = {c: getattr(self, c)[rows] for c in ("images", "label", "person", "split", "name")}
        kept = set(columns["name"].tolist())
        return dataclasses.replace(self, **columns, uncropped=tuple(name for name in self.uncropped if name in kept))

    def counts(self):
        """Number of stills: pandas.DataFrame, one row an emotion of `classes`, one column a split of SPLITS."""
        import pandas as pd

        table = np.zeros((len(self.classes), len(SPLITS)), dtype=np.int64)
        for column, split in enumerate(SPLITS):
            table[:, column] = np.bincount(self.label[self.split == split], minlength=len(self.classes))
        return pd.DataFrame(table, index=pd.Index(self.classes, name="emotion"), columns=pd.Index(SPLITS, name="split"))


def mapping():
    """How both sets' emotions become this project's.

    Returns:
        pandas.DataFrame, one row each of ravdess.EMOTIONS, columns: emotion, fer2013 code, fer2013 name, jaffe code.
        "calm" has no code (<NA>) and no names ("").
    """
    import pandas as pd

    folder = {emotion: (code, name) for code, (name, emotion) in enumerate(FER_FOLDERS.items())}
    jaffe_code = {emotion: code for code, emotion in JAFFE_NAMES.items()}
    codes, names = zip(*(folder.get(emotion, (None, "")) for emotion in ravdess.EMOTIONS))
    return pd.DataFrame(
        {
            "emotion": ravdess.EMOTIONS,
            "fer2013 code": pd.array(codes, dtype="Int64"),
            "fer2013 name": names,
            "jaffe code": [jaffe_code.get(emotion, "") for emotion in ravdess.EMOTIONS],
        }
    )


def middle(picture):
    """The middle square of a picture (H, W): top, right, bottom, left."""
    height, width = picture.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return top, left + side, top + side, left


def files_below(root, suffixes):
    """The files below a folder with one of the endings: sorted list of (path from the folder, full path)."""
    found = (p for p in root.rglob("*") if p.suffix.lower() in suffixes and not p.name.startswith("."))
    return sorted((p.relative_to(root).as_posix(), p) for p in found)


def listing(folder):
    """What lies in a folder, in words, for an error."""
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    words = []
    for kind, names in (
        ("subfolders", [p.name for p in entries if p.is_dir()]),
        ("files", [p.name for p in entries if not p.is_dir()]),
    ):
        if names:
            more = f" and {len(names) - 8} more" if len(names) > 8 else ""
            words.append(f"{kind} {', '.join(names[:8])}{more}")
    return "; ".join(words) or "nothing: it is empty"


class Gathered:
    """Stills as they come in, held as one byte a pixel."""

    def __init__(self, size, excluded):
        self.size = size
        self.excluded = excluded
        self.pixels = bytearray()
        self.rows = []

    def add(self, gray, emotion, person, split, name):
        """Takes in a gray picture, uint8 (H, W)."""
        if gray.shape != (self.size, self.size):
            gray = faces.crop(gray, middle(gray), self.size)
        self.pixels += gray.tobytes()
        self.rows.append((ravdess.EMOTIONS.index(emotion), person, split, name))

    def stills(self, source, found):
        """The Stills. `found` says what is in the source where it has nothing that could be one."""
        if not self.rows:
            raise ValueError(f"no usable still in {source}: found {self.excluded or found}")
        gray = np.frombuffer(self.pixels, dtype=np.uint8).reshape(-1, self.size, self.size, 1)
        label, person, split, name = zip(*self.rows)
        return Stills(
            images=np.repeat(gray, 3, axis=3),
            label=np.array(label, dtype=np.int64),
            person=np.array(person),
            split=np.array(split),
            name=np.array(name),
            excluded=self.excluded,
        )
