"""data_manifest.csv: every file the suite may fetch, and the way to fetch it.

python -m helpers.data list
python -m helpers.data fetch --dest DIR --only ravdess-speech-audio
python -m helpers.data fetch --dest DIR --only Video_Speech_Actor_01.zip --members '*/01-01-*'
python -m helpers.data verify --dest DIR --only ravdess-speech-audio

A manifest is a csv with the columns dataset, file, url, bytes, md5, licence. What is not known stays empty: without an
md5 a file is checked by its size, without either not at all, and that is said. A row without a url cannot be fetched;
its licence says where to ask.
"""

import argparse
import csv
import fnmatch
import hashlib
import os
import pathlib
import sys
import urllib.parse
from typing import NamedTuple

from helpers.data import zip_members
from helpers.data.download import DownloadError, RemoteFile
from helpers.runtime import PROJECT

COLUMNS = ("dataset", "file", "url", "bytes", "md5", "licence")
VARIABLE = "EMOTION_MANIFEST"


class UnlikeManifestError(DownloadError):
    """A file that came whole, and is not the one the manifest means."""


class Row(NamedTuple):
    """One file. `bytes` is None and `md5` "" where they are not known; `url` "" where it cannot be fetched."""

    dataset: str
    file: str
    url: str
    bytes: int | None
    md5: str
    licence: str


def read(path=None):
    """The manifest's rows.

    Args:
        path: csv file; by default the one EMOTION_MANIFEST names, or the suite's own.

    Returns:
        list of Row.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a column is missing, or a row is not as it must be; names file and line.
    """
    path = pathlib.Path(path or os.environ.get(VARIABLE) or PROJECT / "data_manifest.csv")
    rows, names = [], set()
    with open(path, newline="", encoding="utf-8-sig") as file:
        table = csv.DictReader(file)
        lacking = [column for column in COLUMNS if column not in (table.fieldnames or ())]
        if lacking:
            raise ValueError(f"{path}: no column {', '.join(lacking)}; a manifest has {', '.join(COLUMNS)}")
        for values in table:
            where = f"{path}, line {table.line_num}"
            values = {column: (values[column] or "").strip() for column in COLUMNS}
            if values["bytes"] and not values["bytes"].isdigit():
                raise ValueError(f"{where}: bytes is {values['bytes']!r}; a whole number, or empty")
            if values["md5"] and (len(values["md5"]) != 32 or set(values["md5"].lower()) - set("0123456789abcdef")):
                raise ValueError(f"{where}: md5 is {values['md5']!r}; 32 hex digits, or empty")
            try:
                zip_members.inside(".", values["file"], where)
            except DownloadError:
                raise ValueError(f"{where}: file is {values['file']!r}; a name that stays in its folder") from None
            if values["file"].lower() in names:
                raise ValueError(f"{where}: file {values['file']!r} is named a second time; each needs its own name")
            names.add(values["file"].lower())
            values |= {"bytes": int(values["bytes"]) if values["bytes"] else None, "md5": values["md5"].lower()}
            rows.append(Row(**values))
    return rows


def select(rows, only=None):
    """The rows whose dataset or file is `only`, or matches it as a shell pattern; all of them for None.

    Raises:
        ValueError: there is none; lists what there is.
    """
    chosen = [r for r in rows if only is None or any(fnmatch.fnmatchcase(n, only) for n in (r.dataset, r.file))]
    if not chosen:
        known = ", ".join(dict.fromkeys(row.dataset for row in rows))
        raise ValueError(f"nothing in the manifest is called {only!r}; data sets: {known}; or a file's name")
    return chosen


def remote(row, dest, hosts=None, **options):
    """The row's file on its server, its pieces kept below `dest`: RemoteFile.

    Raises:
        DownloadError: it has no url, because someone must ask for it; says where.
    """
    if not row.url:
        raise DownloadError(f"{row.file}: cannot be fetched without you ({row.licence}). Put it into {dest} yourself")
    path = zip_members.inside(dest, row.file, "manifest")
    folder = path.with_name(f".{path.name}.pieces")
    hosts = hosts or {urllib.parse.urlsplit(row.url).netloc}
    return RemoteFile(row.url, folder, name=row.file, size=row.bytes, hosts=hosts, **options)


def fetch(rows, dest, progress=True, **options):
    """Fetches files, each whole and verified or not at all; goes on where an earlier call was broken off.

    Args:
        rows: list of Row. One that cannot be had does not keep the others from coming.
        dest: folder.
        progress: show a bar: bytes, rate, time left.
        options: of RemoteFile.

    Returns:
        list of the files' paths.

    Raises:
        DownloadError: names every file that could not be had, and why.
    """
    failures, paths = [], []
    hosts = {urllib.parse.urlsplit(row.url).netloc for row in rows if row.url}
    lacking = {row for row in rows if faults(row, dest)}
    zip_members.room(dest, sum(row.bytes or 0 for row in lacking if row.url), "what is to be fetched")
    for row in rows:
        try:
            if row in lacking:
                _fetch_one(row, dest, hosts, progress, options)
            paths.append(zip_members.inside(dest, row.file, "manifest"))
        except DownloadError as error:
            failures.append(str(error))
    if failures:
        raise DownloadError("\n".join(failures))
    return paths


def _fetch_one(row, dest, hosts, progress, options):
    path = zip_members.inside(dest, row.file, "manifest")
    for attempt in (1, 2):
        with bar(row, progress) as line, remote(row, dest, hosts, tell=line.update, **options) as file:
            line.initial = line.n = file.pieces.count()
            try:
                file.save(path, lambda whole: demand(row, whole))
            except UnlikeManifestError:
                if attempt == 2:
                    raise
                continue  # perhaps the line did it
            file.pieces.remove()
            return


def bar(row, progress):
    """A progress bar of one file's bytes, with rate and time left: tqdm."""
    from tqdm.auto import tqdm

    options = {"unit": "B", "unit_scale": True, "desc": row.file, "disable": not progress, "leave": False}
    return tqdm(total=row.bytes, **options)


def demand(row, path):
    """Checks a whole file against its row.

    Raises:
        UnlikeManifestError: it is not the file the manifest means.
    """
    fault = _fault(row, path)
    if fault:
        raise UnlikeManifestError(
            f"{row.file}: {fault}; the server's file is not the one the manifest means: {row.url}"
        )


def faults(row, dest):
    """What is wrong with a row's file in `dest`: "missing", "12 bytes instead of 34", "MD5 … instead of …"; or ""."""
    path = zip_members.inside(dest, row.file, "manifest")
    return _fault(row, path) if path.is_file() else "missing"


def _fault(row, path):
    size = path.stat().st_size
    if row.bytes is not None and size != row.bytes:
        return f"{size:,} bytes instead of {row.bytes:,}"
    found = md5(path) if row.md5 else ""
    return "" if found == row.md5 else f"MD5 {found} instead of {row.md5}"


def md5(path):
    """A file's MD5: 32 hex digits."""
    digest = hashlib.md5()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def main(arguments=None):
    """The command line. Returns the exit status: 1 where a file is missing, wrong, or could not be had."""
    parser = argparse.ArgumentParser(prog="python -m helpers.data", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (
        ("fetch", "bring files, verified; goes on where it was broken off"),
        ("verify", "check the files that are there; names each missing and each wrong one"),
        ("list", "what the manifest names"),
    ):
        command = commands.add_parser(name, help=about)
        command.add_argument("--manifest", metavar="FILE", help="csv; the suite's own by default")
        command.add_argument("--only", metavar="NAME", help="a data set or file, or a pattern such as 'Video_Speech_*'")
        if name != "list":
            command.add_argument("--dest", metavar="DIR", required=True)
        if name == "fetch":
            command.add_argument(
                "--members", metavar="PATTERN", help="only these members of the zip archives, unpacked"
            )
    options = parser.parse_args(arguments)
    try:
        rows = select(read(options.manifest), options.only)
        commands = {"fetch": _fetch_command, "verify": _verify_command, "list": _list_command}
        status = commands[options.command](rows, options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read the output has seen enough, as `| head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more is said at the exit
        return 1
    except (DownloadError, ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1


def _fetch_command(rows, options):
    if not options.members:
        for path in fetch(rows, options.dest):
            print(path)
        return 0
    for row in rows:
        print(f"{row.file}: {len(members(row, options.dest, options.members))} members in {options.dest}")
    return 0


def members(row, dest, pattern, progress=True, **options):
    """The members of a row's zip archive that match, unpacked below `dest`; see `archives.fetch_members`.

    Over Range they are checked by the archive's size and their CRC-32 only, else by the row's MD5 as well.
    """
    with bar(row, progress) as line, remote(row, dest, tell=line.update, **options) as file:
        return zip_members.fetch_members(file, dest, pattern, lambda whole: demand(row, whole), line.reset)


def _verify_command(rows, options):
    found = {row: faults(row, options.dest) for row in rows}
    for title, wanted in (("missing", lambda f: f == "missing"), ("wrong", lambda f: f not in ("", "missing"))):
        chosen = [(row, fault) for row, fault in found.items() if wanted(fault)]
        for row, fault in chosen:
            print(f"{title}: {row.file}" + (f": {fault}" if title == "wrong" else ""))
    fine = [row for row, fault in found.items() if not fault]
    weak = [row.file for row in fine if not row.md5]
    print(f"{len(fine)} of {len(rows)} as they should be")
    if weak:
        print(f"no md5 is known for {', '.join(weak)}: checked by size, or not at all where that is unknown too")
    return int(len(fine) < len(rows))


def _list_command(rows, options):
    for row in rows:
        size = f"{row.bytes / 1e6:10,.1f} MB" if row.bytes is not None else "   size unknown"
        print(f"{row.dataset:22} {row.file:52} {size}  {row.licence if not row.url else row.url}")
    return 0
