"""FER2013 and JAFFE: single pictures of faces, read from the files as published (thesis 3.2.1, 3.2.2).

FER2013: Goodfellow et al. 2013 (arXiv:1307.0414), the Kaggle challenge's 35,887 gray faces of 48 × 48 px.
JAFFE: Lyons, Kamachi & Gyoba 1998 (doi:10.5281/zenodo.3451524), 213 gray pictures of 256 × 256 px, ten women.
"""

import dataclasses
import gzip
import pathlib
import re
import zlib

import numpy as np

from helpers import faces
from helpers.config import VideoConfig
from helpers.exclusions import Exclusions
from helpers.still_set import (
    FER_FOLDERS,
    FER_NAMES,
    JAFFE_NAMES,
    SPLITS,
    Gathered,
    Stills,
    files_below,
    listing,
    mapping,
    middle,
)

__all__ = ["FER_NAMES", "JAFFE_NAMES", "SPLITS", "Stills", "fer2013", "jaffe", "mapping"]

# The csv's Usage and the folders' names, in small letters.
_SPLIT_NAMES = {"training": "train", "publictest": "public", "privatetest": "private"}
_SPLIT_NAMES |= {"train": "train", "validation": "public", "test": "private"}
_PICTURES = (".jpg", ".jpeg", ".png")
_JAFFE_FILE = re.compile(r"([A-Z]{2})\.([A-Z]{2})\d\.\d+\.TIFF?", re.IGNORECASE)
_FER_SIDE = 48  # px
_GET_FER = (
    "FER2013 needs a Kaggle sign-in: take icml_face_data.csv or train.csv from https://www.kaggle.com/c/"
    "challenges-in-representation-learning-facial-expression-recognition-challenge"
)
_GET_JAFFE = "JAFFE is given on request: ask at https://zenodo.org/records/3451524 (Zenodo record 3451524)"


def fer2013(path, size=_FER_SIDE):
    """Reads FER2013 in any of the forms it is passed on in.

    Which form it is, is told from what is in it, not from its name. Stills come in the csv's order, or by split and
    then by path. A row or picture that cannot be used is left out and named in `.excluded`, with its reason: wrong
    number of pixels, values that are not 0 to 255, an unknown emotion or Usage, unreadable.

    Args:
        path: a csv, plain or gzipped: `emotion,pixels,Usage` in any order (fer2013.csv, icml_face_data.csv), or
            `emotion,pixels` (Kaggle's train.csv), which is all "train".
            Or a folder: of train/<emotion>/, validation/<emotion>/ and test/<emotion>/ pictures ("train", "public",
            "private"), some of them or all; of <emotion>/ alone ("train"); or of such a csv. Where it holds several,
            the first by name that has Usage, else the first by name. A held-out picture named PublicTest_… or
            PrivateTest_… is of that split whatever its folder, since some copies mix both in test/.
        size: side of the pictures in px, 32 or more; other sizes are scaled.

    Returns:
        Stills.

    Raises:
        FileNotFoundError: nothing there, which says where to get it; or a folder of something else, which says of what.
        ValueError: a csv without labels, of other columns, cut short, or still in its archive; nothing usable in it.
    """
    path = pathlib.Path(path).expanduser()
    VideoConfig(size=size)  # raises where VGG16 cannot take such a picture
    if not path.exists():
        raise FileNotFoundError(f"no FER2013 at {path}. {_GET_FER}, and give its path.")
    if not path.is_dir():
        return _fer_csv(path, size)
    folders = {p.name.lower() for p in path.iterdir() if p.is_dir()}
    if folders & _SPLIT_NAMES.keys():
        return _fer_folder(path, size, has_splits=True)
    if any(_fer_emotion(name) for name in folders):
        return _fer_folder(path, size, has_splits=False)
    table = _csv_in(path)
    if table is None:
        raise FileNotFoundError(
            f"no FER2013 in {path}: found {listing(path)}. Give a csv with the columns emotion and pixels, or a "
            f"folder with train/angry, train/disgust, … {_GET_FER}."
        )
    return _fer_csv(table, size)


def _fer_emotion(folder):
    """This project's name for an emotion's folder, which may have either project's name; None if it is neither."""
    name = folder.lower()
    return name if name in FER_FOLDERS.values() else FER_FOLDERS.get(name)


def _fer_folder(root, size, has_splits):
    import cv2

    excluded = Exclusions()
    found = []
    files = files_below(root, _PICTURES)
    for name, path in files:
        *folders, file = name.split("/")
        split = _SPLIT_NAMES.get(folders.pop(0).lower() if folders else "") if has_splits else "train"
        if split is None:
            excluded.add(name, "in no folder train, validation or test")
        elif len(folders) != 1:
            excluded.add(name, "not directly in an emotion's folder")
        elif _fer_emotion(folders[0]) is None:
            excluded.add(name, f"unknown emotion folder {folders[0]!r}")
        else:
            official = file.split("_")[0].lower()
            if split != "train" and official in ("publictest", "privatetest"):
                split = _SPLIT_NAMES[official]
            found.append((SPLITS.index(split), name, path, _fer_emotion(folders[0])))
    gathered = Gathered(size, excluded)
    for split, name, path, emotion in sorted(found):
        picture = _picture(path, cv2)
        if picture is None:
            excluded.add(name, "not readable as a picture")
        else:
            gathered.add(picture, emotion, "", SPLITS[split], name)
    return gathered.stills(root, listing(root) if not files else "")


def _picture(path, cv2):
    """A file's gray picture, uint8 (H, W), or None where it cannot be read to its end."""
    data = path.read_bytes()
    end = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND"}.get(data[:2], b"")
    # A picture cut short decodes too, its missing part gray: it lacks its format's end mark.
    if not data or end not in data:
        return None
    try:
        return cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error:
        return None


def _csv_in(folder):
    """The csv of a folder that is FER2013, one that has Usage before one that has not; None where there is none.

    A csv of pictures without labels comes last: reading it says that it has none.
    """
    ranked = []
    for path in sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")):
        try:
            columns = _columns(path) if path.suffix.lower() not in _PICTURES else []
        except ValueError:
            continue
        if "pixels" in columns:
            ranked.append(("emotion" not in columns, "usage" not in columns, path))
    return min(ranked)[-1] if ranked else None


def _open(path):
    """Opens a csv for reading bytes, unpacked where it is gzipped."""
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PK\x03\x04":
        raise ValueError(f"{path} is a zip archive: unpack it and give the csv or the folder that was in it")
    return gzip.open(path) if start[:2] == b"\x1f\x8b" else path.open("rb")


def _columns(path):
    """A csv's column names, in small letters and without blanks."""
    try:
        with _open(path) as file:
            start = file.read(1000)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is cut short or damaged ({error}): get it again") from error
    if start[257:262] == b"ustar":
        raise ValueError(f"{path} is a tar archive: unpack it and give the csv that was in it")
    if not start.strip():
        raise ValueError(f"{path} is empty: get it again. {_GET_FER}")
    header = start.splitlines()[0].decode("utf-8-sig", errors="replace")
    return [_bare(column).lower() for column in header.split(",")]


def _bare(field):
    return field.strip(' \t\r\n"')


def _fer_csv(path, size):
    columns = _columns(path)
    if "pixels" in columns and "emotion" not in columns:
        raise ValueError(
            f"{path} has no labels (columns found: {', '.join(columns)}): use train.csv or icml_face_data.csv"
        )
    if "pixels" not in columns:
        found = ", ".join(columns)
        found = found if len(found) < 200 and found.isprintable() else "nothing readable"
        raise ValueError(
            f"{path} is not FER2013: the columns emotion and pixels are needed; found: {found}. {_GET_FER}"
        )
    gathered = Gathered(size, Exclusions())
    try:
        with _open(path) as file:
            # No value has a comma in it, so a line is a row, and its number is the one an editor shows.
            for number, line in enumerate(file, start=1):
                if number > 1 and line.strip():
                    _csv_row(line, columns, f"{path.name} line {number}", gathered)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is cut short or damaged ({error}): get it again") from error
    return gathered.stills(path, "its header and no row")


def _csv_row(line, columns, name, gathered):
    fields = line.split(b",")
    if len(fields) != len(columns):
        gathered.excluded.add(name, f"{len(fields)} values in the row; the header has {len(columns)}")
        return
    row = {column: field.strip(b' \t\r\n"') for column, field in zip(columns, fields)}
    code = row["emotion"].decode(errors="replace")
    usage = row.get("usage", b"Training").decode(errors="replace")
    emotion = FER_NAMES[int(code)] if code in tuple("0123456") else None
    split = _SPLIT_NAMES.get(usage.lower())
    if emotion is None:
        gathered.excluded.add(name, f"unknown emotion code {code!r}")
    elif split is None:
        gathered.excluded.add(name, f"unknown Usage {usage!r}")
    else:
        try:
            gathered.add(_pixels(row["pixels"]), emotion, "", split, name)
        except ValueError as error:
            gathered.excluded.add(name, error)


def _pixels(text):
    """A row's numbers as uint8 (48, 48)."""
    if text.translate(None, b"0123456789 "):
        raise ValueError("pixels that are not whole numbers 0 to 255")
    values = np.fromstring(text, dtype=np.int64, sep=" ") if text else np.empty(0)
    if len(values) != _FER_SIDE**2:
        raise ValueError(f"{len(values)} pixels instead of {_FER_SIDE**2}")
    if values.max() > 255:
        raise ValueError("pixels that are not whole numbers 0 to 255")
    return values.astype(np.uint8).reshape(_FER_SIDE, _FER_SIDE)


def jaffe(folder, size=48, crop=True):
    """Reads JAFFE: files `KA.AN1.39.tiff` = person, emotion and take, number.

    Stills come by path. A file that cannot be used is left out and named in `.excluded`, with its reason.

    Args:
        folder: searched with all its subfolders for .tiff and .tif, in capitals or not.
        size: side of the stills in px, 32 or more.
        crop: True cuts out the largest face, as in the clips (`faces.crop`), and where none is found takes the
            picture's middle square and names it in `.uncropped`. False takes the middle square of all.

    Returns:
        Stills, all of split "train".

    Raises:
        FileNotFoundError: no such folder, which says where to get it; or no .tiff in it, which says what was found.
        ValueError: no file in it is usable; says why.
    """
    import cv2

    folder = pathlib.Path(folder).expanduser()
    config = VideoConfig(size=size)
    if not folder.exists():
        raise FileNotFoundError(f"no JAFFE at {folder}. {_GET_JAFFE}, unpack it and give its folder.")
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is not a folder. Give the folder that holds KA.AN1.39.tiff, KA.AN2.40.tiff, …"
        )
    files = files_below(folder, (".tif", ".tiff"))
    if not files:
        raise FileNotFoundError(f"no JAFFE picture (.tiff) below {folder}: found {listing(folder)}. {_GET_JAFFE}.")
    gathered, uncropped, first = Gathered(size, Exclusions()), [], {}
    for name, path in files:
        parts = _JAFFE_FILE.fullmatch(path.name)
        code = parts[2].upper() if parts else ""
        if not parts:
            gathered.excluded.add(name, "not a JAFFE name such as KA.AN1.39.tiff")
        elif code not in JAFFE_NAMES:
            gathered.excluded.add(name, f"unknown emotion code {code!r}")
        elif path.stem.upper() in first:
            gathered.excluded.add(name, f"same picture as {first[path.stem.upper()]}")
        elif (picture := _picture(path, cv2)) is None:
            gathered.excluded.add(name, "not readable as a picture")
        else:
            box = _largest_face(picture, config.detect_sizes[:2]) if crop else None
            still = faces.crop(picture, middle(picture) if box is None else box, size)
            gathered.add(still, JAFFE_NAMES[code], parts[1].upper(), "train", name)
            first[path.stem.upper()] = name
            if crop and box is None:
                uncropped.append(name)
    return dataclasses.replace(gathered.stills(folder, ""), uncropped=tuple(uncropped))


def _largest_face(picture, long_sides):
    """Largest face's (top, right, bottom, left) in a gray picture, at the first size that shows one; or None."""
    for long_side in long_sides:
        boxes = faces.detect(picture, long_side / max(picture.shape))
        if len(boxes):
            return boxes[np.argmax((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 1] - boxes[:, 3]))]
    return None
