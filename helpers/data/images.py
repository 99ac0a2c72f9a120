"""FER2013 and JAFFE: single pictures of faces, read from the files as published (thesis 3.2.1, 3.2.2).

FER2013: Goodfellow et al. 2013 (arXiv:1307.0414), the Kaggle challenge's 35,887 gray faces of 48 × 48 px.
JAFFE: Lyons, Kamachi & Gyoba 1998 (doi:10.5281/zenodo.3451524), 213 gray pictures of 256 × 256 px, ten women.
Both have seven emotions. Neither has RAVDESS' "calm".
"""

import dataclasses
import gzip
import io
import pathlib
import re
import zipfile
import zlib

import numpy as np

from helpers.config import VideoConfig
from helpers.data import ravdess
from helpers.data.exclusions import Exclusions
from helpers.video import faces

SIDE = 48  # px
MOST_PIXELS = 1 << 24  # of one picture
MOST_BYTES = {"picture": 1 << 26, "csv": 1 << 29}  # FER2013's csv has 301 MB
# FER2013's names in the order of its codes, 0 to 6, and JAFFE's; each with this project's.
FER_NAMES = {"angry": "angry", "disgust": "disgust", "fear": "fearful", "happy": "happy", "sad": "sad"}
FER_NAMES |= {"surprise": "surprised", "neutral": "neutral"}
JAFFE_NAMES = {"AN": "angry", "DI": "disgust", "FE": "fearful", "HA": "happy", "SA": "sad", "SU": "surprised"}
JAFFE_NAMES |= {"NE": "neutral"}
SPLITS = ("train", "public", "private")
_OFFICIAL = dict(zip(("training", "publictest", "privatetest"), SPLITS))
_FOLDERS = dict(zip(("train", "validation", "test"), SPLITS))
_GET_FER = (
    "FER2013 needs a Kaggle sign-in: take fer2013.csv or train.csv from https://www.kaggle.com/c/"
    "challenges-in-representation-learning-facial-expression-recognition-challenge, and give its path."
)
_GET_JAFFE = "JAFFE is given on request: ask at https://zenodo.org/records/3451524, unpack it and give its folder."


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """N labelled pictures of faces.

    Attributes:
        images: uint8 (N, 48, 48, 3), RGB with three equal channels.
        label: int64 (N,), places in `classes`.
        split: str (N,), "train", "public" or "private"; JAFFE is all "train".
        name: str (N,), the file, or the csv's name and row, that each still came from.
        excluded: Exclusions, what was left out of the whole set and why; `subset` keeps it.
        classes: names of the labels.
    """

    images: np.ndarray
    label: np.ndarray
    split: np.ndarray
    name: np.ndarray
    excluded: Exclusions = dataclasses.field(default_factory=Exclusions)
    classes: tuple = ravdess.EMOTIONS

    def __len__(self):
        return len(self.label)

    def subset(self, rows):
        """The stills of some rows: int (n,) in any order, bool (N,), or a slice."""
        return dataclasses.replace(self, **{c: getattr(self, c)[rows] for c in ("images", "label", "split", "name")})

    def counts(self):
        """Number of stills: DataFrame, one row an emotion of `classes`, one column a split of SPLITS."""
        import pandas as pd

        emotion = pd.Series(np.array(self.classes)[self.label], name="emotion")
        found = pd.crosstab(emotion, pd.Series(self.split, name="split"))
        return found.reindex(index=self.classes, columns=SPLITS, fill_value=0)


def mapping():
    """How both sets' emotions become this project's.

    Returns:
        DataFrame, one row each of ravdess.EMOTIONS, columns: emotion, fer2013 code, fer2013 name, jaffe code. "calm"
        has no code (<NA>) and no names ("").
    """
    import pandas as pd

    fer = {emotion: (code, name) for code, (name, emotion) in enumerate(FER_NAMES.items())}
    jaffe_code = {emotion: code for code, emotion in JAFFE_NAMES.items()}
    rows = [(name, *fer.get(name, (None, "")), jaffe_code.get(name, "")) for name in ravdess.EMOTIONS]
    found = pd.DataFrame(rows, columns=["emotion", "fer2013 code", "fer2013 name", "jaffe code"])
    return found.astype({"fer2013 code": "Int64"})


def fer2013(path):
    """Reads FER2013. A row or picture that cannot be used is left out and named in `.excluded`, with its reason.

    Args:
        path: the csv, `emotion,pixels,Usage` in any order (without Usage, as Kaggle's train.csv, all is "train"); or
            pictures in train/<emotion>/, validation/<emotion>/ and test/<emotion>/, some of them or all ("train",
            "public", "private"; a picture named Training_…, PublicTest_… or PrivateTest_… is of that split whatever
            its folder). Either as it is, or in a .zip; a csv in a .gz too. Or a folder with one of these in it.

    Returns:
        ImageSet, in the csv's order, or by split and then by path.

    Raises:
        FileNotFoundError: nothing there, or a folder of something else; says where to get it.
        ValueError: a csv of other columns, cut short or too large; nothing usable in it.
    """
    path = pathlib.Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"no FER2013 at {path}. {_GET_FER}")
    if path.is_dir():
        if any(name in _FOLDERS for name in _inside(path)):
            files = [(name, file.read_bytes) for name, file in _below(path, (".jpg", ".jpeg", ".png"))]
            return _pictures(path, files)
        packed = [name for name in _inside(path) if name.endswith((".csv", ".csv.gz", ".zip"))]
        if not packed:
            found = ", ".join(_inside(path)[:8]) or "nothing"
            raise FileNotFoundError(f"no FER2013 in {path}: found {found}. {_GET_FER}")
        path = path / min(packed, key=lambda name: (name != "fer2013.csv", name))
    try:
        if not zipfile.is_zipfile(path):
            with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
                return _csv(path, file)
        with zipfile.ZipFile(path) as archive:
            tables = [name for name in archive.namelist() if name.endswith(".csv")]
            if tables:
                return _csv(path, archive.open(tables[0]))
            names = sorted(name for name in archive.namelist() if name.lower().endswith((".jpg", ".jpeg", ".png")))
            return _pictures(path, [(name, lambda name=name: _read(archive, name)) for name in names])
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is cut short or damaged ({error}): get it again") from error


def _inside(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def _below(root, endings):
    """The files below a folder with one of the endings: sorted list of (path from the folder, full path)."""
    found = (p for p in root.rglob("*") if p.suffix.lower() in endings and not p.name.startswith("."))
    return sorted((p.relative_to(root).as_posix(), p) for p in found)


def _read(archive, name):
    if archive.getinfo(name).file_size > MOST_BYTES["picture"]:  # zipfile reads no byte more than is declared
        raise ValueError("too large")
    return archive.read(name)


def _pictures(source, files):
    found, excluded = [], Exclusions()
    for name, read in files:
        folder, emotion, file = ["", "", *name.split("/")][-3:]
        split = _OFFICIAL.get(file.split("_")[0].lower(), _FOLDERS.get(folder.lower()))
        if folder.lower() not in _FOLDERS or emotion.lower() not in FER_NAMES:
            excluded.add(name, "not in a folder such as train/angry, validation/fear, test/sad")
        elif (picture := _gray(read)) is None:
            excluded.add(name, "not readable as a picture")
        else:
            found.append((_square(picture), FER_NAMES[emotion.lower()], split, name))
    return _image_set(source, sorted(found, key=lambda row: (SPLITS.index(row[2]), row[3])), excluded)


def _gray(read):
    """A file's gray picture, uint8 (H, W), or None where it cannot be read to its end or is too large."""
    from PIL import Image, ImageFile

    ImageFile.LOAD_TRUNCATED_IMAGES = False  # face_recognition's import allows them, for the whole process
    try:
        with Image.open(io.BytesIO(read())) as picture:
            if picture.width * picture.height > MOST_PIXELS:  # known from its header
                return None
            return np.asarray(picture.convert("L"))
    except Exception:  # a decoder for each format, and each has errors of its own
        return None


def _csv(path, file):
    import pandas as pd

    data = file.read(MOST_BYTES["csv"] + 1)
    if len(data) > MOST_BYTES["csv"]:
        raise ValueError(f"{path} has more than {MOST_BYTES['csv'] / 1e6:.0f} MB unpacked: FER2013 has 301")
    rows, excluded, number = [], Exclusions(), 0
    options = {"dtype": str, "skipinitialspace": True, "keep_default_na": False, "encoding": "utf-8-sig"}
    try:
        for table in pd.read_csv(io.BytesIO(data), chunksize=2000, **options):
            table.columns = [str(name).strip().lower() for name in table.columns]
            if not {"emotion", "pixels"} <= set(table.columns):
                raise ValueError(f"its columns are {', '.join(table.columns)[:200]}")
            for row in table.assign(usage=table.get("usage", "Training")).itertuples():
                number += 1
                try:
                    rows.append((*_row(row), f"{path.name} row {number}"))
                except ValueError as error:
                    excluded.add(f"{path.name} row {number}", error)
    except ValueError as error:  # pandas' own are ValueErrors too
        said = f"{path} is not FER2013: the columns emotion and pixels are needed, and numbers in them ({error})."
        raise ValueError(f"{said} {_GET_FER}") from error
    return _image_set(path, rows, excluded)


def _row(row):
    """(picture, emotion, split) of a csv's row."""
    code, split = str(row.emotion).strip(), _OFFICIAL.get(str(row.usage).strip().lower())
    if code not in tuple("0123456"):
        raise ValueError(f"unknown emotion code {code!r}")
    if split is None:
        raise ValueError(f"unknown Usage {row.usage!r}")
    text = str(row.pixels)
    values = np.fromstring(text, dtype=np.int64, sep=" ") if re.fullmatch(r"[\d ]*\d *", text, re.ASCII) else None
    if values is None or values.max() > 255:
        raise ValueError("pixels that are not whole numbers 0 to 255")
    if len(values) != SIDE**2:
        raise ValueError(f"{len(values)} pixels instead of {SIDE**2}")
    return values.astype(np.uint8).reshape(SIDE, SIDE), list(FER_NAMES.values())[int(code)], split


def jaffe(folder):
    """Reads JAFFE: files `KA.AN1.39.tiff` = person, emotion and take, number.

    The largest face is cut out, as in the clips (`faces.crop`); where none is found, the picture's middle square.

    Args:
        folder: searched with all its subfolders for .tiff and .tif.

    Returns:
        ImageSet by path, all of split "train". What cannot be used is named in `.excluded`.

    Raises:
        FileNotFoundError: no such folder, or no .tiff in it; says where to get it.
        ValueError: no file in it is usable; says why.
    """
    folder = pathlib.Path(folder).expanduser()
    files = _below(folder, (".tif", ".tiff")) if folder.is_dir() else []
    if not files:
        raise FileNotFoundError(f"no JAFFE picture (KA.AN1.39.tiff, …) below {folder}. {_GET_JAFFE}")
    rows, excluded, first = [], Exclusions(), {}
    for name, path in files:
        parts = re.fullmatch(r"[A-Z]{2}\.([A-Z]{2})\d\.\d+", path.stem.upper())
        if not parts or parts[1] not in JAFFE_NAMES:
            excluded.add(name, "not a JAFFE name such as KA.AN1.39.tiff")
        elif (twin := first.setdefault(path.stem.upper(), name)) != name:
            excluded.add(name, f"same picture as {twin}")
        elif (picture := _gray(path.read_bytes)) is None:
            excluded.add(name, "not readable as a picture")
        else:
            rows.append((_face(picture), JAFFE_NAMES[parts[1]], "train", name))
    return _image_set(folder, rows, excluded)


def _face(picture):
    """The largest face of a gray picture, at the first size that shows one; its middle square where none does."""
    for long_side in VideoConfig().detect_sizes[:2]:
        boxes = faces.detect(picture, long_side / max(picture.shape))
        if len(boxes):
            return faces.crop(picture, max(boxes, key=lambda box: (box[2] - box[0]) * (box[1] - box[3])), SIDE)
    return _square(picture)


def _square(picture):
    """The middle square of a gray picture, scaled."""
    if picture.shape == (SIDE, SIDE):
        return picture
    height, width = picture.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return faces.crop(picture, (top, left + side, top + side, left), SIDE)


def _image_set(source, rows, excluded):
    """ImageSet of (gray picture, emotion, split, name)."""
    if not rows:
        raise ValueError(f"no usable still in {source}: {excluded}")
    gray, emotion, split, name = map(np.array, zip(*rows))
    label = np.array([ravdess.EMOTIONS.index(each) for each in emotion], dtype=np.int64)
    return ImageSet(np.repeat(gray[..., None], 3, axis=3), label, split, name, excluded)
