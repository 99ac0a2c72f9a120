"""Zip archives: single members out of one that lies on a server, and never a file outside its folder."""

import fnmatch
import itertools
import lzma
import os
import pathlib
import re
import shutil
import struct
import zipfile
import zlib

from helpers import runtime
from helpers.data.download import DownloadError, NoRangeError

TAIL = 1 << 16  # bytes of an archive's end that are asked for first: its directory, mostly
GAP = 1 << 12  # members closer together than this many bytes come with one request
# What zipfile raises, besides OSError without a number, where an archive is not as it should be.
BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError, EOFError)
DAMAGE = (*BROKEN, ValueError, OverflowError)
# No part of a name may be empty or end in a dot or a space ("..", too), hold \ : or a control character, be what
# Windows calls a device, or be the folder of a download's parts.
_BAD_PART = re.compile(
    r"|.*[. ]|.*[\\:\x00-\x1f\x7f].*|(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?|\..*\.partial",
    re.I | re.S,
)


def fetch_members(remote, dest, pattern="*", check=lambda path: None, expect=lambda count: None):
    """Fetches the members of a remote zip archive that match a pattern, and nothing else of it.

    Directory and members are read over HTTP Range, neighbours with one request (Zenodo allows 60 a minute); each member
    is checked by its CRC-32 and put in place whole or not at all. Members that are there already are not fetched. Where
    the server does not do Range, the whole archive comes, is checked by `check`, and is deleted afterwards.

    Args:
        remote, dest: RemoteFile of the archive; folder, below which members keep their path.
        pattern: as in a shell, matched against the whole member name: "*/01-01-*". Or a collection of names.
        check: called with the path of a whole archive, before anything is taken out of it.
        expect: called with the number of bytes that will come, for a progress bar.
    Returns: list of the members' paths, in the archive's order.
    Raises DownloadError: it cannot be had, is no zip, a member is damaged on the server, or the disk is too small.
    """
    if remote.size is not None and not remote.partial.missing(0, remote.size):
        remote.whole(check)  # an earlier call was broken off while unpacking, and the manifest may be another one since
    damage = None
    while True:
        try:
            return _fetch(remote, dest, pattern, expect)
        except NoRangeError:
            remote.whole(check)
        except DAMAGE as error:
            if damage:
                raise DownloadError(f"{remote.name}: {error}; twice the same: damaged there; tell its owner") from error
            damage = error
            remote.partial.clear()  # perhaps the connection did it: what was unpacked stays, the rest comes once more
        finally:
            remote.sealed = False


def _fetch(remote, dest, pattern, expect):
    if remote.size is None:
        remote.ensure_tail(1)
    remote.ensure_tail(min(remote.size, max(4096, min(TAIL, remote.size // 50))))  # the directory, mostly
    with zipfile.ZipFile(remote) as archive:
        for name in archive.namelist():
            safe_path(dest, name, remote.name)  # refuses the whole archive where any member would land outside
        names = set(fnmatch.filter(archive.namelist(), pattern) if isinstance(pattern, str) else pattern)
        members = [info for info in archive.infolist() if info.filename in names and not info.is_dir()]
        paths = [safe_path(dest, info.filename, remote.name) for info in members]
        missing = [info for info, path in zip(members, paths) if not _is_whole(path, info)]
        require_space(dest, sum(info.file_size + info.compress_size for info in missing), remote.name)
        spans, damage = _spans(archive, missing), None
        expect(sum(b - a for span in spans for a, b in remote.partial.missing(*span)))
        for start, stop in spans:
            remote.ensure(start, stop)
        remote.sealed = True
        for info in missing:
            try:
                extract(archive, info, dest)
            except DAMAGE as error:
                damage = error
        if damage:
            raise damage
    if remote.partial.missing(0, remote.size):
        remote.partial.drop(before=archive.start_dir)  # the next call need not ask for the directory
    else:
        remote.partial.clear()
    return paths


def safe_path(dest, name, source):
    """The path below a folder for a name in an archive or manifest (`source`).

    Raises DownloadError: it would lie outside, by itself or through a link; Windows could not write it; it is too long.
    """
    dest, parts = pathlib.Path(dest), name.removesuffix("/").split("/")
    path = dest.joinpath(*parts)
    # A part may have 255 bytes, and a temporary file's name is longer than the file's.
    long = any(len(os.fsencode(part)) > most for most, *each in ((1000, name), (200, *parts)) for part in each)
    if long or any(map(_BAD_PART.fullmatch, parts)) or not path.resolve().is_relative_to(dest.resolve()):
        fault = f"{name[:200]!r} would land outside {dest}, or is no name for a file on every system"
        raise DownloadError(f"{source}: {fault}; nothing was written")
    return path


def _spans(archive, members):
    """The bytes that hold the members: list of [start, stop], neighbours joined."""
    starts = sorted(info.header_offset for info in archive.infolist())
    if starts and not 0 <= starts[0] <= starts[-1] < archive.start_dir:
        raise zipfile.BadZipFile("its directory names places where no member can be")
    after = dict(itertools.pairwise([*starts, archive.start_dir]))
    spans = []
    for start in sorted(info.header_offset for info in members):
        if spans and start - spans[-1][1] <= GAP:
            spans[-1][1] = after[start]
        else:
            spans.append([start, after[start]])
    return spans


def _is_whole(path, info):
    """True where a member lies unpacked, with the size and CRC-32 its archive gives."""
    if not path.is_file() or path.stat().st_size != info.file_size:
        return False
    crc = 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            crc = zlib.crc32(block, crc)
    return crc == info.CRC


def extract(archive, info, dest):
    """Unpacks a member whole or not at all; zipfile checks its CRC-32. Returns its path.

    Raises one of DAMAGE, DownloadError, OSError: it is damaged, or encrypted; its place is taken; it cannot be written.
    """
    if info.flag_bits & 1:
        raise zipfile.BadZipFile(f"{info.filename!r} is encrypted")
    path = safe_path(dest, info.filename, archive.filename or "archive")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as member, runtime.replacing(path) as file:
            shutil.copyfileobj(member, file, 1 << 20)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:  # as of members "a" and "a/b"
        taken = f"for {info.filename!r} a file and a folder would have one name below {dest}; choose another folder"
        raise DownloadError(f"{archive.filename or 'archive'}: {taken}, or ask who made the archive") from error
    except OSError as error:
        if error.errno is None:  # bz2's word for damage
            raise zipfile.BadZipFile(f"{info.filename!r}: {error}") from error
        raise
    return path


def require_space(dest, count, name):
    """Makes a folder and checks that its disk has `count` bytes free, else raises DownloadError."""
    pathlib.Path(dest).mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(dest).free
    if count > free:
        lacking = f"needs {count / 1e9:.2f} GB and {dest} has {free / 1e9:.2f} GB free"
        raise DownloadError(f"{name}: {lacking}: make room or choose another folder; nothing was fetched")
