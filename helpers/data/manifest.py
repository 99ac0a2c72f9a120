"""data_manifest.csv: every file the suite may fetch, and how it is fetched and verified.

A manifest is a csv with the columns dataset, file, url, bytes, md5, licence. What is not known stays empty: without an
md5 a file is checked by its size, without either not at all, and `verify` says so. A row without a url cannot be
fetched; its licence says where to ask.
"""

import contextlib
import csv
import fnmatch
import os
import pathlib
import re
import shutil
from typing import NamedTuple

from helpers import runtime
from helpers.data import content, zip_members
from helpers.data.download import DownloadError, RemoteFile

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


COLUMNS = Row._fields


def read(path=None):
    """The manifest's rows: list of Row; by default of the csv that EMOTION_MANIFEST names, or the suite's own.

    Raises FileNotFoundError, ValueError: no such file; a column is missing, or a row is wrong: names file and line.
    """
    path = pathlib.Path(path or os.environ.get(VARIABLE) or runtime.PROJECT / "data_manifest.csv")
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return _rows(path, csv.DictReader(file, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no csv with the columns {', '.join(COLUMNS)}: {error}") from error


def _rows(path, table):
    rows, names, last = [], set(), 1
    if lacking := [column for column in COLUMNS if column not in (table.fieldnames or ())]:
        raise ValueError(f"{path}: no column {', '.join(lacking)}; a manifest has {', '.join(COLUMNS)}")
    if twice := [column for column in COLUMNS if table.fieldnames.count(column) > 1]:
        raise ValueError(f"{path}: more than one column {' and '.join(twice)}; leave one of each")
    for values in table:
        where, begin, last = f"{path}, line {table.line_num}", last + 1, table.line_num
        if re.search(r"[\r\n]", "".join(map(str, values.values()))):
            raise ValueError(f"{path}, lines {begin} to {last}: a quote joins them to one row; close it in its line")
        row = Row(*((values[column] or "").strip() for column in COLUMNS))
        if not re.fullmatch(r"\d{0,15}", row.bytes, re.ASCII):
            raise ValueError(f"{where}: bytes is {row.bytes[:40]!r}; a whole number of at most 15 digits, or empty")
        if not re.fullmatch(r"([0-9a-f]{32})?", row.md5, re.IGNORECASE):
            raise ValueError(f"{where}: md5 is {row.md5!r}; 32 hex digits, or empty")
        try:
            zip_members.safe_path(".", row.file, where)
        except DownloadError:
            raise ValueError(f"{where}: file is {row.file!r}; a name that stays in its folder") from None
        if row.file.lower() in names:
            raise ValueError(f"{where}: file {row.file!r} is named a second time; each needs its own name")
        names.add(row.file.lower())
        rows.append(row._replace(bytes=int(row.bytes) if row.bytes else None, md5=row.md5.lower()))
    return rows


def select(rows, only=None):
    """The rows whose dataset or file is `only`, or matches it as a shell pattern; all of them for None.

    Raises ValueError: there is none; lists what there is.
    """
    chosen = [r for r in rows if only is None or any(fnmatch.fnmatchcase(n, only) for n in (r.dataset, r.file))]
    if not chosen:
        names = ", ".join(dict.fromkeys(row.dataset for row in rows))
        raise ValueError(f"nothing in the manifest is called {only!r}; data sets: {names}; or a file's name")
    return chosen


def fetch(rows, dest, progress=True, **options):
    """Fetches files, each whole and verified or not at all; goes on where an earlier call was broken off.

    Args:
        rows, dest: list of Row; folder. A file that cannot be had does not keep the others from coming.
        progress, options: show a bar: bytes, rate, time left; of RemoteFile.
    Returns: list of the files' paths.
    Raises DownloadError: names every file that could not be had, and why.
    """
    failures, paths = [], []
    missing = {row for row in runtime.bar(rows, "verifying", "file", progress) if fault(row, dest)}
    zip_members.require_space(dest, sum(row.bytes or 0 for row in missing if row.url), "what is to be fetched")
    for row in rows:
        try:
            if row in missing:
                try:
                    _fetch_file(row, dest, progress, options)
                except UnlikeManifestError:
                    _fetch_file(row, dest, progress, options)  # perhaps the connection did it
            paths.append(zip_members.safe_path(dest, row.file, "manifest"))
        except DownloadError as error:
            failures.append(str(error))
    if failures:
        raise DownloadError("\n".join(failures))
    return paths


def members(row, dest, pattern, progress=True, **options):
    """Fetches the members of a row's zip archive that match, unpacked below `dest`; see `zip_members.fetch_members`.

    Over Range they are checked by the archive's size and their CRC-32 only, else by the row's MD5 as well.
    """
    with _remote(row, dest, progress, options) as (file, bar):
        return zip_members.fetch_members(file, dest, pattern, lambda whole: _check(row, whole), bar.reset)


def fault(row, dest):
    """What is wrong with a row's file in `dest`: "missing", "12 bytes instead of 34", "MD5 … instead of …"; or ""."""
    path = zip_members.safe_path(dest, row.file, "manifest")
    return _fault(row, path) if path.is_file() else "missing"


def _fetch_file(row, dest, progress, options):
    with _remote(row, dest, progress, options) as (file, bar):
        bar.initial = bar.n = file.partial.count()
        file.save(zip_members.safe_path(dest, row.file, "manifest"), lambda whole: _check(row, whole))
    shutil.rmtree(file.partial.folder)


@contextlib.contextmanager
def _remote(row, dest, progress, options):
    """The row's file on its server, its parts kept in `dest`, and the progress bar: (RemoteFile, tqdm)."""
    from tqdm.auto import tqdm

    if not row.url:
        raise DownloadError(f"{row.file}: cannot be fetched without you ({row.licence}). Put it into {dest} yourself")
    path = zip_members.safe_path(dest, row.file, "manifest")
    shown = {"unit": "B", "unit_scale": True, "desc": row.file, "disable": not progress, "leave": False}
    with tqdm(total=row.bytes, **shown) as bar:
        folder = path.with_name(f".{path.name}.partial")
        with RemoteFile(row.url, folder, name=row.file, size=row.bytes, tell=bar.update, **options) as file:
            yield file, bar


def _check(row, path):
    if wrong := _fault(row, path):
        wrong += f"; the server's file is not the one the manifest means: {row.url}"
        raise UnlikeManifestError(f"{row.file}: {wrong}")


def _fault(row, path):
    size = path.stat().st_size
    if row.bytes is not None and size != row.bytes:
        return f"{size:,} bytes instead of {row.bytes:,}"
    md5 = content.md5(path) if row.md5 else ""
    return "" if md5 == row.md5 else f"MD5 {md5} instead of {row.md5}"
