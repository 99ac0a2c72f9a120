"""Your own clips as a table: from a csv of path, emotion, speaker, or from one folder a class.

Other corpora, such as AFEW (which needs a signed licence), are read the same way: list their clips in a csv.
"""

import collections
import os
import pathlib
import re

from helpers import runtime
from helpers.data import ravdess
from helpers.data.content import source_key
from helpers.data.exclusions import Exclusions

VIDEO = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".flv")
SOUND = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".aac", ".aiff", ".aif", ".opus")
LARGEST = 100 << 20  # bytes of a csv: a million rows


def index(source):
    """Lists your own clips as a table that is accepted wherever the RAVDESS table is.

    Classes, their number and their order come from the data: as they first appear in the csv, by name for folders.

    Args:
        source: a csv with the columns path (relative to the csv), emotion, speaker (for the protocols by actor; without
            it every clip counts as one actor's) and audio (where the sound lies in a file of its own); or a folder
            with one subfolder a class.
    Returns:
        pandas.DataFrame with the columns of `ravdess.index`, and speaker. clip_id is the path from the folder;
        actor numbers the speakers 1, 2, … by name. `.attrs["excluded"]` names the files that are no row: absent,
        neither picture nor sound, or the same content as another (one clip twice would lie on both sides of a split).
    Raises FileNotFoundError, ValueError: no such csv or folder; something in it is missing or stands twice, and where.
    """
    source = pathlib.Path(source).expanduser()
    if source.is_dir():
        root, entries = source, _from_folders(source)
    elif source.is_file():
        root, entries = source.parent, _from_csv(source)
    else:
        raise FileNotFoundError(f"no clips at {source}: give a csv of path, emotion, speaker, or a folder a class")
    excluded, rows, seen = Exclusions(), [], {}
    speakers = sorted({entry["speaker"] for entry in entries})
    stems = [_printable(pathlib.PurePath(entry["path"]).with_suffix("").as_posix()) for entry in entries]
    named = collections.Counter(stems)
    # A video whose sound also lies beside it as a file is one take.
    takes = {stem: entry["path"] for stem, entry in zip(stems, entries) if entry["path"].lower().endswith(VIDEO)}
    sounds = {entry["audio"]: entry["path"] for entry in entries if entry["audio"]}
    for entry, stem in zip(runtime.bar(entries, "clips"), stems):
        if reason := _unusable(root, entry, seen):
            excluded.add(_printable(entry["path"]), reason)
            continue
        video = sounds.get(entry["path"]) or takes.get(stem)
        if entry["path"].lower().endswith(SOUND) and video and os.path.isfile(root / video):
            excluded.add(_printable(entry["path"]), f"the sound of {_printable(video)}, which is a clip already")
            continue
        path, sound = root / entry["path"], root / (entry["audio"] or entry["path"])
        video = str(path) if path.suffix.lower() in VIDEO else ""
        row = {"clip_id": stem if named[stem] == 1 else _printable(entry["path"]), "path": str(path)}
        row |= {"emotion": entry["emotion"]}
        row |= dict.fromkeys(("intensity", "statement", "repetition"), 0)  # not known
        row |= {"actor": speakers.index(entry["speaker"]) + 1, "sex": "", "modality": 1 if video else 3}
        rows.append(row | {"video_path": video, "audio_path": str(sound), "speaker": entry["speaker"]})
    if not rows:
        raise ValueError(f"no usable clip in {source}.\n{excluded}")
    classes = tuple(dict.fromkeys(row["emotion"] for row in rows))
    rows = [row | {"label": classes.index(row["emotion"])} for row in rows]
    return ravdess.as_table(rows, excluded, classes, f"own clips ({source.resolve().name})")


def _from_csv(source):
    import pandas as pd

    if source.stat().st_size > LARGEST:
        raise ValueError(f"{source} has {source.stat().st_size:,} bytes, and no list of clips has over {LARGEST:,}")
    options = {"compression": None, "dtype": str, "keep_default_na": False, "index_col": False, "encoding": "utf-8-sig"}
    try:
        with open(source, encoding="utf-8-sig") as file:
            header = file.readline()
        mark = next((mark for mark in ";\t" if mark in header and "," not in header), ",")  # Excel's, by country
        table = pd.read_csv(source, sep=mark, **options).fillna("")
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise ValueError(f"{source} is no csv of path,emotion,speaker in UTF-8 (Excel's CSV UTF-8): {error}") from error
    table = table.rename(columns=lambda name: str(name).strip().lower())
    names = [re.sub(r"\.\d+$", "", name) for name in table]  # pandas calls a second "path" "path.1"
    if twice := [name for name in ("path", "emotion", "speaker", "audio") if names.count(name) > 1]:
        raise ValueError(f"{source}: more than one column {' and '.join(twice)} (in any case); leave one of each")
    table = table.apply(lambda column: column.str.strip())
    table = table[(table != "").any(axis=1)]  # Excel keeps rows that were emptied
    if lacking := [name for name in ("path", "emotion") if name not in table]:
        columns = f"{' and '.join(lacking)}; found: {', '.join(table.columns)}"
        raise ValueError(f"{source}: no column {columns}. Needed: path,emotion,speaker")
    joined = table.apply(lambda column: column.str.contains("\n")).any(axis=1)
    if joined.any():
        raise ValueError(f"{source}, row {joined.idxmax() + 1}: a quote that opens there is not closed in its row")
    faults = {f"{name} is empty": table[name] == "" for name in ("path", "emotion")}
    for fault, rows in (faults | {"its path stands in an earlier row already": table.path.duplicated()}).items():
        if rows.any():
            raise ValueError(f"{source}, row {rows.idxmax() + 1}: {fault}")
    return [{"speaker": "", "audio": ""} | entry for entry in table.to_dict("records")]


def _from_folders(root):
    paths = sorted(p.relative_to(root) for p in root.glob("*/**/*") if p.is_file() and not p.name.startswith("."))
    entries = [{"path": p.as_posix(), "emotion": _printable(p.parts[0]), "speaker": "", "audio": ""} for p in paths]
    if not entries:
        raise ValueError(f"{root} has no subfolder with clips: one subfolder a class is needed")
    return entries


def _printable(name):
    """A file's name that can be printed and written: bytes that are no UTF-8 become \\xe9."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _unusable(root, entry, seen):
    """Why an entry cannot be a row, or "". Its content is noted in `seen`."""
    for name in filter(None, (entry["path"], entry["audio"])):
        path = root / name
        if path.suffix.lower() not in VIDEO + SOUND:
            return f"neither picture nor sound ({path.suffix or 'no ending'})"
        if not os.path.isfile(path):
            return "no such file" if name == entry["path"] else f"its sound {name} is not there"
    digest = source_key(root / entry["path"]).rsplit(".", 1)[-1]
    if digest in seen:
        return f"same content as {seen[digest]}"
    seen[digest] = entry["path"]
    return ""
