"""The finished cache as one archive: a class preprocesses once and shares it."""

import json
import os
import pathlib
import re
import shutil
import warnings
import zipfile

import filelock

from helpers import runtime
from helpers.data import content, manifest, zip_members
from helpers.data.download import DownloadError

NAME = "emotion-cache.zip"
MOST_NOTES = 1 << 20  # bytes of the notes on one actor's 60 clips, which have 3 kB
# All that a cache holds: a mirror with anything else in it is refused.
_ENTRY = re.compile(r"(?:faces|mfcc|vgg16)-[0-9a-f]{8}/[^/\\]+\.(?:npz|npy|why|json)|seen/[^/\\]+\.json")


def pack(cache, path):
    """Packs a cache into one zip archive, the same bytes for the same entries. Returns its manifest.Row, without url.

    The archive at `path` is replaced whole or not at all; a folder gets `emotion-cache.zip`. A clip whose name
    some systems cannot write, such as con.mp4, is left out with a warning.
    Raises FileNotFoundError: the cache holds no entry.
    """
    cache, path = pathlib.Path(cache), pathlib.Path(path)
    path = path / NAME if path.is_dir() else path
    names = sorted(p.relative_to(cache).as_posix() for p in cache.rglob("*") if p.is_file())
    names = [name for name in names if _ENTRY.fullmatch(name) and "/." not in name]
    if left_out := [name for name in names if not _everywhere(cache, name)]:
        names = [name for name in names if name not in left_out]
        what = f"{len(left_out)} left out, {left_out[0]} first: rename the clip; not every system can write this"
        warnings.warn(f"{path}: {what}", stacklevel=2)
    if not names:
        raise FileNotFoundError(f"{cache} holds no entry to pack: build the features first")
    with runtime.replacing(path) as target, zipfile.ZipFile(target, "w") as archive:
        for name in runtime.bar(names, path.name, "file"):
            info = zipfile.ZipInfo(name)  # its date is 1980: the time of packing changes no byte
            info.compress_type = zipfile.ZIP_DEFLATED
            with open(cache / name, "rb") as file, archive.open(info, "w") as member:
                shutil.copyfileobj(file, member, 1 << 20)
    return manifest.Row("mirror", path.name, "", path.stat().st_size, content.md5(path), "as the data it was made of")


def _everywhere(cache, name):
    """True where every system can write an entry of this name."""
    try:
        return bool(zip_members.safe_path(cache, name, NAME))
    except DownloadError:
        return False


def unpack(path, cache):
    """Puts a packed cache's entries in place; those that are there are kept.

    Returns: (names of its entries, number of those that were new, names of those that are damaged).
    Raises DownloadError: it holds what no cache does, and is not used; or its directory is damaged.
    """
    path, cache = pathlib.Path(path), pathlib.Path(cache)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            for info in members:
                if not _ENTRY.fullmatch(info.filename):
                    raise DownloadError(f"{path.name}: {info.filename!r} belongs in no cache; nothing was unpacked")
                zip_members.safe_path(cache, info.filename, path.name)
            new, damaged = [info for info in members if not (cache / info.filename).is_file()], []
            zip_members.require_space(cache, sum(info.file_size for info in new), path.name)
            for info in runtime.bar(members, path.name, "file"):
                try:
                    if info.filename.startswith("seen/"):  # what it notes is added to what is noted there
                        file = cache / info.filename
                        content.note(file, content.checked(_read(archive, info)) | content.notes(file))
                    elif info in new:
                        zip_members.extract(archive, info, cache)
                except zip_members.DAMAGE:
                    damaged.append(info.filename)
            return [info.filename for info in members], len(new) - len(damaged), damaged
    except zip_members.DAMAGE as error:
        raise DownloadError(f"{path.name}: {error}; copy or fetch it again") from error


def _read(archive, info):
    if info.flag_bits & 1 or info.file_size > MOST_NOTES:
        raise zipfile.BadZipFile(f"{info.filename!r} is encrypted or too large")
    return archive.read(info)


def restore(where, cache, md5="", tell=print):
    """Fills the cache from a mirror, if it can be had; if not, says why, and the features are made the long way.

    The cache notes what was restored: the same mirror is not fetched again while all its entries are there. Where
    several processes restore at once, one does and the others wait for it.

    Args:
        where: an archive, a folder that holds emotion-cache.zip (a mounted Drive), or the id or address of a file
            shared on Google Drive; "" does nothing.
        cache, md5: folder; 32 hex digits the archive must have, "" leaves it to the archive's own checksums.
        tell: called with one line on what happened.
    Returns: Number of new entries; 0 where the mirror could not be had.
    """
    if not where:
        return 0
    cache, path = pathlib.Path(cache), pathlib.Path(os.path.expanduser(where))
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(cache / ".mirror.lock"):
            path = path / NAME if path.is_dir() else path
            state = [path.stat().st_size, path.stat().st_mtime_ns] if path.is_file() else []
            asked = {"where": str(where), "md5": md5.lower(), "state": state}
            if _restored(cache, asked):
                tell(f"From the mirror {where}: nothing to do, all its entries are here")
                return 0
            try:
                local = path if path.is_file() else _download(str(where), cache / ".mirror.zip")
                actual = content.md5(local)
                if md5 and actual != md5.lower():
                    raise DownloadError(f"its MD5 is {actual}, not {md5}: it is another archive, or damaged")
                names, count, damaged = unpack(local, cache)
            finally:
                (cache / ".mirror.zip").unlink(missing_ok=True)
            with runtime.replacing(cache / "mirror.json") as file:
                good = [name for name in names if name not in damaged]
                file.write(json.dumps(asked | {"entries": good}).encode())
    except (DownloadError, OSError) as error:
        tell(f"The mirror {where} cannot be used: {error}\nThe features are made from the clips instead.")
        return 0
    also = f"; {len(damaged)} are damaged and left out, {damaged[0]} first" if damaged else ""
    tell(f"From the mirror {where}: {count} new entries{also}" + ("" if md5 else f" (MD5 {actual}, not compared)"))
    return count


def _restored(cache, asked):
    """True where this very mirror was restored and all its entries are still there."""
    try:
        note = json.loads((cache / "mirror.json").read_text())
        return asked.items() <= note.items() and all((cache / name).is_file() for name in note["entries"])
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):  # damaged, or none
        return False


def _download(where, local):
    """Downloads the mirror from Google Drive to `local`, and returns that."""
    match = re.search(r"drive\.google\.com/.*?([A-Za-z0-9_-]{20,})|^([A-Za-z0-9_-]{20,})$", where)
    if not match:
        raise DownloadError("no such file or folder, nor an id of Google Drive")
    import gdown

    try:
        gdown.download(id=match[match.lastindex], output=str(local), quiet=False, use_cookies=False)
    except Exception as error:  # gdown lets anything through, from its own errors to requests' and bs4's
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = " ".join(lines[1:2] or lines[:1])[:200]
        raise DownloadError(f"Google Drive does not give it ({reason})") from error
    if not zipfile.is_zipfile(local):
        raise DownloadError("Google Drive gave nothing, or something that is no archive")
    return local
