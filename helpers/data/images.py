"""FER2013 and JAFFE: labelled images of faces, read from the files as published (thesis 3.2.1, 3.2.2).

FER2013: Goodfellow et al. 2013 (arXiv:1307.0414), the Kaggle challenge's 35,887 gray faces of 48 × 48 px.
JAFFE: Lyons, Kamachi & Gyoba 1998 (doi:10.5281/zenodo.3451524), 213 gray images of 256 × 256 px, ten women.
Both have seven emotions. Neither has RAVDESS' "calm".
"""

import contextlib
import csv
import dataclasses
import gzip
import io
import os
import pathlib
import re
import zipfile

import numpy as np

from helpers import runtime
from helpers.data import ravdess, zip_members
from helpers.data.exclusions import Exclusions

SIDE = 48  # px
MOST_PIXELS = 1 << 24  # of one image
MOST_BYTES = {"image": 1 << 26, "csv": 1 << 29}  # FER2013's csv has 301 MB
MOST_LINES, LONGEST = 100_000, 100_000  # of the csv: lines, and characters of one
# FER2013's names in the order of its codes, 0 to 6, and JAFFE's; each with this project's.
FER_NAMES = {"angry": "angry", "disgust": "disgust", "fear": "fearful", "happy": "happy", "sad": "sad"}
FER_NAMES |= {"surprise": "surprised", "neutral": "neutral"}
JAFFE_NAMES = dict(zip(("AN", "DI", "FE", "HA", "SA", "SU", "NE"), FER_NAMES.values()))
SPLITS = ("train", "public", "private")
_OFFICIAL = dict(zip(("training", "publictest", "privatetest"), SPLITS))
_FOLDERS = dict(zip(("train", "validation", "test"), SPLITS))
_TABLES = ("fer2013.csv", "icml_face_data.csv", "train.csv")  # the best first; beside them lie others, without labels
_PICTURES = (".jpg", ".jpeg", ".png")
_FORMATS = ("JPEG", "PNG", "TIFF")  # Pillow would read more, and start other programs for some
_COMPETITION = "challenges-in-representation-learning-facial-expression-recognition-challenge"
_KAGGLE = f"https://www.kaggle.com/c/{_COMPETITION}"
_GET_FER = f"FER2013 needs a Kaggle sign-in: take fer2013.csv or train.csv from {_KAGGLE}, and give its path."
_GET_JAFFE = "JAFFE is given on request: ask at https://zenodo.org/records/3451524, unpack it and give its folder."


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """N labelled images of faces."""

    images: np.ndarray  # uint8 (N, 48, 48, 3), RGB with three equal channels
    label: np.ndarray  # int64 (N,), places in `classes`
    split: np.ndarray  # str (N,), "train", "public" or "private"; JAFFE is all "train"
    name: np.ndarray  # str (N,), the file, or the csv's name and row, that each image came from
    excluded: Exclusions = dataclasses.field(default_factory=Exclusions)  # of the whole set; `subset` keeps it
    classes: tuple = ravdess.EMOTIONS  # names of the labels

    def __len__(self):
        return len(self.label)

    def subset(self, rows):
        """The images of some rows: int (n,) in any order, bool (N,), or a slice."""
        return dataclasses.replace(self, **{c: getattr(self, c)[rows] for c in ("images", "label", "split", "name")})

    def counts(self):
        """Number of images: DataFrame, one row an emotion of `classes`, one column a split of SPLITS."""
        import pandas as pd

        counts = pd.crosstab(np.array(self.classes)[self.label], self.split, rownames=["emotion"], colnames=["split"])
        return counts.reindex(index=self.classes, columns=SPLITS, fill_value=0)


def mapping():
    """Both sets' codes and names for this project's emotions: DataFrame; "calm" has none (<NA> and "")."""
    import pandas as pd

    columns = {"fer2013 code": range(7), "fer2013 name": list(FER_NAMES), "jaffe code": list(JAFFE_NAMES)}
    table = pd.DataFrame(columns, index=pd.Index(FER_NAMES.values(), name="emotion")).astype({"fer2013 code": "Int64"})
    return table.reindex(ravdess.EMOTIONS).reset_index().fillna({"fer2013 name": "", "jaffe code": ""})


def fer2013(path=None):
    """Reads FER2013. A row or image that cannot be used is left out and named in `.excluded`, with its reason.

    Args:
        path: the csv, `emotion,pixels,Usage` in any order (without Usage, as Kaggle's train.csv, all is "train"); or
            images in train/<emotion>/, validation/<emotion>/ and test/<emotion>/, some of them or all ("train",
            "public", "private"; one named Training_…, PublicTest_… or PrivateTest_… is of that split whatever its
            folder). Either as it is, or in a .zip; a csv in a .gz too. Or a folder with one of these in it.
            None: the csv with all splits from Kaggle, 301 MB, by the package kagglehub with your token; it keeps it.
    Returns: ImageSet, in the csv's order, or by split and then by path.
    Raises FileNotFoundError, ValueError: not there, and where to get it; other columns, cut short, nothing usable.
    """
    path = pathlib.Path(_from_kaggle() if path is None else path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"no FER2013 at {path}. {_GET_FER}")
    if path.is_dir():
        names = sorted(each.name for each in path.iterdir() if not each.name.startswith("."))
        if not _FOLDERS.keys().isdisjoint(names):
            return _from_files(path, _below(path, _PICTURES))
        packed = [name for name in names if name.endswith((".csv", ".csv.gz", ".zip"))]
        if not packed:
            raise FileNotFoundError(f"no FER2013 in {path}: found {', '.join(names[:8]) or 'nothing'}. {_GET_FER}")
        path = path / min(packed, key=_rank)
    try:
        if not zipfile.is_zipfile(path):
            with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
                return _image_set(path, _rows(path, file), _parse)
        with zipfile.ZipFile(path) as archive:
            tables = [name for name in archive.namelist() if name.endswith(".csv")]
            if tables:
                return _image_set(path, _rows(path, archive.open(min(tables, key=_rank))), _parse)
            names = sorted(name for name in archive.namelist() if name.lower().endswith(_PICTURES))
            return _from_files(path, [(name, zipfile.Path(archive, name)) for name in names])
    except (*zip_members.BROKEN, RuntimeError, OSError) as error:  # RuntimeError: it is encrypted
        if getattr(error, "errno", None):  # of the disk; gzip's and bz2's words for damage have none
            raise
        raise ValueError(f"{path} is cut short or damaged ({error}): get it again") from error


def _rank(name):
    file = name.rsplit("/", 1)[-1]
    return _TABLES.index(file) if file in _TABLES else len(_TABLES), name


def jaffe(folder, cut=None):
    """Reads JAFFE: files `KA.AN1.39.tiff` = person, emotion and take, number.

    Args:
        folder: searched with all its subfolders.
        cut: function of a gray image, uint8 (H, W), that gives the face, uint8 (48, 48), such as `video.largest_face`;
            by default the image's middle square is scaled.
    Returns: ImageSet by path, all of split "train". What cannot be used is named in `.excluded`.
    Raises FileNotFoundError, ValueError: no .tiff in such a folder, and where to get it; none is usable, and why.
    """
    folder = pathlib.Path(folder).expanduser()
    files = _below(folder, (".tif", ".tiff"))
    if not files:
        raise FileNotFoundError(f"no JAFFE image (KA.AN1.39.tiff, …) below {folder}. {_GET_JAFFE}")
    first = {}

    def read(name, path):
        stem = path.stem.upper()
        parts = re.fullmatch(r"[A-Z]{2}\.([A-Z]{2})\d\.\d+", stem)
        if not parts or parts[1] not in JAFFE_NAMES:
            raise ValueError("not a JAFFE name such as KA.AN1.39.tiff")
        if first.setdefault(stem, name) != name:
            raise ValueError(f"same image as {first[stem]}")
        return (cut or _middle_square)(_gray(path)), JAFFE_NAMES[parts[1]], "train"

    return _image_set(folder, files, read)


def _from_kaggle():
    """The path of the competition's csv. kagglehub finds the token: in the environment, its file or Colab's secrets."""
    try:
        import kagglehub
    except ImportError as error:
        raise FileNotFoundError(_GET_FER) from error
    if not os.environ.keys() & {"KAGGLE_API_TOKEN", "KAGGLE_KEY"}:
        with contextlib.suppress(Exception):  # not in Colab, no such secret, or no leave to read it
            from google.colab import userdata  # kagglehub 1.0.3 reads these two only beside KAGGLE_API_TOKEN

            kagglehub.config.set_kaggle_credentials(*map(userdata.get, ("KAGGLE_USERNAME", "KAGGLE_KEY")))
    try:
        return kagglehub.competition_download(_COMPETITION, path="icml_face_data.csv")
    except Exception as error:  # its own, and those of requests, whose texts hold signed addresses
        kind, answer = type(error).__name__, getattr(error, "response", None)
        if kind == "UnauthenticatedError":
            raise FileNotFoundError(_GET_FER) from None
        status = "" if answer is None else f" {answer.status_code}"
        refused = f"Kaggle did not give FER2013 ({kind}{status}): are the token and your connection in order?"
        raise FileNotFoundError(f"{refused} Accept the rules at {_KAGGLE}/rules. {_GET_FER}") from None


def _below(root, endings):
    """The files below a folder with one of the endings: sorted list of (path from the folder, full path)."""
    paths = (p for p in root.rglob("*") if p.suffix.lower() in endings and not p.name.startswith("."))
    return sorted((p.relative_to(root).as_posix(), p) for p in paths)


def _from_files(source, files):
    def read(name, path):
        folder, emotion, file = ["", "", *name.lower().split("/")][-3:]
        if folder not in _FOLDERS or emotion not in FER_NAMES:
            raise ValueError("not in a folder such as train/angry, validation/fear, test/sad")
        return _middle_square(_gray(path)), FER_NAMES[emotion], _OFFICIAL.get(file.split("_")[0], _FOLDERS[folder])

    images = _image_set(source, files, read)
    return images.subset(np.lexsort((images.name, [SPLITS.index(split) for split in images.split])))


def _gray(path):
    """The gray image of a file on disk or in a zip: uint8 (H, W)."""
    from PIL import Image, ImageFile

    ImageFile.LOAD_TRUNCATED_IMAGES = False  # face_recognition's import allows them, for the whole process
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES["image"] + 1)
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if len(data) > MOST_BYTES["image"] or image.width * image.height > MOST_PIXELS:  # by its header
                raise ValueError("too large")
            return np.asarray(image.convert("L"))
    except Exception as error:  # a decoder for each format, and each has errors of its own
        raise ValueError("not readable as an image") from error


def _rows(path, file):
    """Yields (its name, {column: value}) for each row of FER2013's csv, of which no more than one is held."""
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    try:
        table = csv.reader(_lines(text), skipinitialspace=True)
        columns = [name.strip().lower() for name in next(table, ())]
        if not columns.count("emotion") == columns.count("pixels") == 1:
            raise ValueError(f"its columns are {', '.join(columns)[:200]}")
        for count, values in enumerate(filter(None, table), 1):
            if len(values) > len(columns):
                raise ValueError(f"line {table.line_num} has {len(values)} values for {len(columns)} columns")
            blank = {"usage": "Training"} | dict.fromkeys(columns, "")
            yield f"{path.name} row {count}", blank | dict(zip(columns, values))
    except (csv.Error, ValueError) as error:
        needed = f"{path} is not FER2013: the columns emotion and pixels are needed, and numbers in them ({error})."
        raise ValueError(f"{needed} {_GET_FER}") from error
    finally:
        text.close()


def _lines(text):
    total = 0
    for number, line in enumerate(iter(lambda: text.readline(LONGEST + 1), ""), 1):
        total += len(line)
        if len(line) > LONGEST:
            raise ValueError(f"line {number} has more than {LONGEST:,} characters, and FER2013's have 9,000")
        if number > MOST_LINES or total > MOST_BYTES["csv"]:
            most = f"more than {MOST_BYTES['csv'] / 1e6:.0f} MB unpacked or {MOST_LINES:,} lines"
            raise ValueError(f"it has {most}, and FER2013 has 301 and 35,888")
        yield line


def _parse(name, row):
    code, split = row["emotion"].strip(), _OFFICIAL.get(row["usage"].strip().lower())
    if code not in tuple("0123456"):
        raise ValueError(f"unknown emotion code {code[:40]!r}")
    if split is None:
        raise ValueError(f"unknown Usage {row['usage'][:40]!r}")
    values = None
    if re.fullmatch(r"[\d ]*\d *", row["pixels"], re.ASCII):
        values = np.fromstring(row["pixels"], dtype=np.int64, sep=" ")
    if values is None or values.max() > 255:
        raise ValueError("pixels that are not whole numbers 0 to 255")
    if len(values) != SIDE**2:
        raise ValueError(f"{len(values)} pixels instead of {SIDE**2}")
    return values.astype(np.uint8).reshape(SIDE, SIDE), list(FER_NAMES.values())[int(code)], split


def _middle_square(image):
    import cv2

    side = min(image.shape)
    top, left = (np.array(image.shape) - side) // 2
    square = image[top : top + side, left : left + side]
    return cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR)


def _image_set(source, items, read):
    """ImageSet of what `read` makes of each (name, item): (gray image, emotion, split), or ValueError: the reason."""
    rows, excluded = [], Exclusions()
    for name, item in runtime.bar(items, "images", "image"):
        try:
            rows.append((*read(name, item), name))
        except ValueError as error:
            excluded.add(name, error)
    if not rows:
        raise ValueError(f"no usable image in {source}: {excluded}")
    gray, emotion, split, name = map(np.array, zip(*rows))
    label = np.array([ravdess.EMOTIONS.index(each) for each in emotion], dtype=np.int64)
    return ImageSet(np.repeat(gray[..., None], 3, axis=3), label, split, name, excluded)
