"""Zip archives: the wanted members out of one that lies on a server, and never a file outside its folder."""

import contextlib
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

from helpers.data.download import DownloadError, NoRangeError

TAIL = 1 << 16  # bytes of an archive's end that are asked for first: its directory, mostly
GAP = 1 << 12  # members closer together than this many bytes come with one request
# What zipfile raises, besides OSError without a number, where an archive is not as it should be.
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError)
DAMAGE += (EOFError, ValueError, OverflowError)
# No part of a name may be empty or end in a dot or a space ("..", too), hold \ : or a control character, or be what
# Windows calls a device.
_BAD_PART = re.compile(
    r"|.*[. ]|.*[\\:\x00-\x1f\x7f].*|(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.I | re.S
)


def fetch_members(remote, dest, pattern="*", check=None, expect=None):
    """Fetches the members of a remote zip archive that match, and nothing else of it.

    The archive's directory and the members are read over HTTP Range, neighbours with one request; each is checked
    by the zip's own CRC-32 and put in place whole or not at all. An MD5 of the archive cannot be compared then, since
    not all of it comes. Members that are there already are not fetched. Where the server does not do Range, the whole
    archive comes, is checked by `check`, and is deleted afterwards.

    remotezip, the library for this, asks once a member (Zenodo allows 60 requests a minute) and starts anew when the
    line breaks; the standard library's zipfile over a file that fetches what is read does neither.

    Args:
        remote: RemoteFile of the archive.
        dest: folder; members keep their path below it.
        pattern: as in a shell, matched against the whole member name: "*/01-01-*". Or a collection of names.
        check: called with the path of a whole archive, before anything is taken out of it.
        expect: called with the number of bytes that will come, for a progress bar.

    Returns:
        list of the members' paths, in the archive's order.

    Raises:
        DownloadError: it cannot be had, is no zip, a member is damaged on the server, or the disk is too small; the
            message names the file.
    """
    dest = pathlib.Path(dest)
    whole = remote.pieces.folder.with_suffix(".whole")
    if whole.is_file():  # an earlier call was broken off while unpacking; the manifest may be another one since
        try:
            if check:
                check(whole)
        except DownloadError:
            whole.unlink()
            raise
    else:
        try:
            return _over_range(remote, dest, pattern, expect)
        except NoRangeError:
            remote.save(whole, check)
    try:
        with zipfile.ZipFile(whole) as archive:
            wanted = _wanted(archive, pattern, remote.name, dest)
            room(dest, sum(info.file_size for info in wanted), remote.name)
            paths = [extract(archive, info, dest) for info in wanted]
    except DAMAGE as error:
        whole.unlink()
        raise DownloadError(f"{remote.name}: {error}; the archive on the server is damaged") from error
    whole.unlink()
    return paths


def _over_range(remote, dest, pattern, expect):
    for _ in range(2):
        damaged = ""
        try:
            if remote.size is None:
                remote.ensure_tail(1)
            remote.ensure_tail(min(remote.size, max(4096, min(TAIL, remote.size // 50))))  # the directory, mostly
            with zipfile.ZipFile(remote) as archive:
                wanted = _wanted(archive, pattern, remote.name, dest)
                paths = [inside(dest, info.filename, remote.name) for info in wanted]
                todo = [info for info, path in zip(wanted, paths) if not is_whole(path, info)]
                room(dest, sum(info.file_size + info.compress_size for info in todo), remote.name)
                spans = _spans(archive, todo)
                if expect:
                    expect(sum(b - a for span in spans for a, b in remote.pieces.missing(*span)))
                for start, stop in spans:
                    remote.ensure(start, stop)
                remote.sealed = True
                for info in todo:
                    try:
                        extract(archive, info, dest)
                    except DAMAGE as error:
                        damaged = error
                if not damaged:
                    remote.pieces.drop(before=archive.start_dir)
                    return paths
        except DAMAGE as error:
            damaged = error
        finally:
            remote.sealed = False
        remote.pieces.clear()  # perhaps the line did it: the members taken out stay, the rest comes once more
    raise DownloadError(f"{remote.name}: {damaged}; twice the same, so it is damaged on the server")


def _wanted(archive, pattern, name, dest):
    """The members that match; refuses the whole archive where one would land outside `dest`."""
    chosen = []
    for info in archive.infolist():
        inside(dest, info.filename, name)
        named = info.filename
        match = fnmatch.fnmatchcase(named, pattern) if isinstance(pattern, str) else named in pattern
        if match and not info.is_dir():
            chosen.append(info)
    return chosen


def inside(dest, name, source):
    """The path below a folder that a name in an archive or a manifest stands for.

    Args:
        dest: folder.
        name: parts between slashes; a last slash does not count.
        source: the archive or manifest, for the message.

    Raises:
        DownloadError: it lies outside `dest`, by itself or through a link; or it has a backslash, a colon, a control
            character, or a part that Windows cannot write.
    """
    dest = pathlib.Path(dest)
    parts = name.removesuffix("/").split("/")
    path = dest.joinpath(*parts)
    if any(map(_BAD_PART.fullmatch, parts)) or not path.resolve().is_relative_to(dest.resolve()):
        raise DownloadError(f"{source}: {name!r} would land outside {dest}, or nowhere on Windows; nothing was written")
    return path


def _spans(archive, members):
    """The bytes that hold the members: list of (start, stop), neighbours joined."""
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
    return [tuple(span) for span in spans]


def is_whole(path, info):
    """True where a member lies unpacked, with the size and CRC-32 its archive gives."""
    if not path.is_file() or path.stat().st_size != info.file_size:
        return False
    crc = 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            crc = zlib.crc32(block, crc)
    return crc == info.CRC


def extract(archive, info, dest):
    """Unpacks a member to a temporary name, then renames; zipfile checks the CRC-32 while reading.

    Raises:
        DownloadError: its name leads out of `dest`.
        one of DAMAGE: it is damaged, or encrypted.
        OSError: it cannot be written.
    """
    if info.flag_bits & 1:
        raise zipfile.BadZipFile(f"{info.filename!r} is encrypted")
    path = inside(dest, info.filename, archive.filename or "archive")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with archive.open(info) as member, open(temporary, "wb") as file:
            shutil.copyfileobj(member, file, 1 << 20)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is None:  # bz2's word for damage
            raise zipfile.BadZipFile(f"{info.filename!r}: {error}") from error
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    return path


def room(dest, needed, name):
    """Checks the disk before the start.

    Raises:
        DownloadError: less than `needed` bytes are free in `dest`.
    """
    dest = pathlib.Path(dest)
    dest.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(dest).free
    if needed > free:
        raise DownloadError(
            f"{name}: needs {needed / 1e9:.2f} GB and {dest} has {free / 1e9:.2f} GB free: make room or choose another "
            "folder; nothing was fetched"
        )
