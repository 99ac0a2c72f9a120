"""RAVDESS from Zenodo: clips are fetched one actor at a time, made into features, and deleted.

The name code says which takes there are, so that the table is complete before any clip is here. While one actor's
clips are preprocessed the next actor's are fetched; at most two archives' worth of disk is used.
"""

import concurrent.futures
import itertools
import operator
import pathlib
import threading
import urllib.parse

from helpers.data import manifest, ravdess
from helpers.data.download import DownloadError

VIDEO_ARCHIVE, AUDIO_ARCHIVE = "Video_Speech_Actor_{:02}.zip", "Audio_Speech_Actors_01-24.zip"


def table(root, actors=24):
    """RAVDESS' takes by the name code, whether their clips are here or not.

    Args:
        root: folder for the clips, Actor_01, Actor_02, … below it.
        actors: how many of the 24, from the first; those whose archive the manifest names.
    Returns:
        pandas.DataFrame as `ravdess.index` gives it, with `video_archive` and `audio_archive`: the files of
        data_manifest.csv that hold each clip. Sound comes from the audio-only recordings where the manifest has them.
    Raises ValueError: the manifest names none of their archives.
    """
    files, rows = {row.file for row in manifest.read()}, []
    for actor in range(1, min(actors, 24) + 1):
        archive, folder = VIDEO_ARCHIVE.format(actor), pathlib.Path(root) / f"Actor_{actor:02}"
        if archive not in files:
            continue
        for emotion, intensity, *rest in itertools.product(range(1, 9), (1, 2), (1, 2), (1, 2)):
            if (emotion, intensity) != (1, 2):  # neutral has no strong intensity
                take = "01-" + "-".join(f"{n:02}" for n in (emotion, intensity, *rest, actor))
                paths = {1: folder / f"01-{take}.mp4"}
                if AUDIO_ARCHIVE in files:
                    paths[3] = folder / f"03-{take}.wav"
                row = ravdess.row({modality: (ravdess.parse(path.name), path) for modality, path in paths.items()})
                rows.append(row | {"video_archive": archive, "audio_archive": AUDIO_ARCHIVE if 3 in paths else archive})
    if not rows:
        raise ValueError(f"the manifest names no archive of the first {actors} actors ({VIDEO_ARCHIVE.format(1)}, …)")
    return ravdess.as_table(rows)


def archive_of(row):
    """The archive a row's sound can be fetched from, "" for a clip of one's own."""
    return getattr(row, "audio_archive", "")


def archives_of(row, streams):
    """The archives that hold the row's files for some streams: list of names."""
    return list(dict.fromkeys(getattr(row, f"{stream}_archive") for stream in streams))


def fetch(needed, progress=True, stop=None):
    """Fetches files that are not here: their members only, out of as few archives as hold them.

    Args:
        needed: list of (row of `table`, streams whose file is needed).
        progress, stop: show bars; threading.Event that, once set, ends the fetching with DownloadError.
    """
    archives, members = {row.file: row for row in manifest.read()}, {}
    for row, streams in needed:
        for stream in streams:
            path = pathlib.Path(getattr(row, f"{stream}_path"))
            if path.name and not path.is_file():
                place = (getattr(row, f"{stream}_archive"), path.parent.parent)
                members.setdefault(place, set()).add(f"{path.parent.name}/{path.name}")
    for (archive, root), names in members.items():
        try:
            manifest.members(archives[archive], root, names, progress, stop=stop)
        except DownloadError as error:
            server = urllib.parse.urlsplit(archives[archive].url).netloc
            ways = "unpack the archives that data_manifest.csv names yourself, and set ROOT to their folder"
            ways += '; or set DATASET = "auto", which needs no server (outside Colab), or "synthetic"'
            raise DownloadError(f"RAVDESS cannot be had from {server}: {error}\nTwo ways on: {ways}") from error


def fetch_row(row):
    """Fetches a row's files if they are on a server; nothing happens for clips of one's own."""
    if archive_of(row):
        fetch([(row, ("video", "audio"))])


def fetched(rows, lacking, done, progress=True):
    """Yields one actor's rows of `table` with their files here, while the next actor's are being fetched.

    A file that its archive does not hold is still not there. `lacking` gives the streams whose file a row needs, and
    `done` is called with each list of rows after its use, such as to delete their files.
    """
    by_actor, stop = operator.attrgetter("actor"), threading.Event()
    batches = [list(batch) for _, batch in itertools.groupby(sorted(rows, key=by_actor), key=by_actor)]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:

        def start(batch):
            return pool.submit(fetch, [(row, lacking(row)) for row in batch], progress, stop)

        try:
            coming = start(batches[0]) if batches else None
            for batch, following in itertools.zip_longest(batches, batches[1:]):
                coming.result()
                coming = start(following) if following else None
                yield batch
                done(batch)
        except DownloadError as error:
            raise DownloadError(f"{error}\nThe clips made so far are kept; run the same again to go on") from error
        finally:
            stop.set()  # where the reader interrupts, the next actor's download ends too
