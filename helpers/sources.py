"""RAVDESS where it is published: takes are brought one actor at a time, made into features, and let go again.

The name code says which takes there are, so that the table is known before any clip is here. While one actor's clips
are preprocessed the next actor's come; at most two archives' worth of disk is used.
"""

import concurrent.futures
import itertools
import operator
import pathlib
import threading

from helpers import cache as caches
from helpers import manifest, ravdess
from helpers.download import DownloadError

VIDEO_ARCHIVE, AUDIO_ARCHIVE = "Video_Speech_Actor_{:02}.zip", "Audio_Speech_Actors_01-24.zip"


def table(root, actors=24):
    """RAVDESS' takes by the name code, whether their clips are here or not.

    Args:
        root: folder the clips are brought to, Actor_01, Actor_02, … below it.
        actors: how many of the 24, from the first; those whose archive the manifest names.

    Returns:
        pandas.DataFrame as `ravdess.index` gives it, with `video_archive` and `audio_archive`: the files of
        data_manifest.csv that hold each clip. Sound comes from the audio-only recordings where the manifest has them.

    Raises:
        ValueError: the manifest names none of their archives.
    """
    known = {row.file for row in manifest.read()}
    recordings = AUDIO_ARCHIVE in known
    rows = []
    for actor in range(1, min(actors, 24) + 1):
        archive = VIDEO_ARCHIVE.format(actor)
        if archive not in known:
            continue
        folder = pathlib.Path(root) / f"Actor_{actor:02}"
        for emotion, intensity, *rest in itertools.product(range(1, 9), (1, 2), (1, 2), (1, 2)):
            if (emotion, intensity) != (1, 2):  # neutral has no strong intensity
                take = "01-" + "-".join(f"{n:02}" for n in (emotion, intensity, *rest, actor))
                files = {1: folder / f"01-{take}.mp4"} | ({3: folder / f"03-{take}.wav"} if recordings else {})
                row = ravdess.row({m: (ravdess.parse(path.name), path) for m, path in files.items()})
                rows.append(row | {"video_archive": archive, "audio_archive": AUDIO_ARCHIVE if recordings else archive})
    if not rows:
        raise ValueError(f"the manifest names no archive of the first {actors} actors ({VIDEO_ARCHIVE.format(1)}, …)")
    return ravdess.as_table(rows)


def archive_of(row):
    """The archive a row's clip can be brought from, "" for a clip of one's own."""
    return getattr(row, "video_archive", "")


def archives_of(row, streams):
    """The archives that hold the row's files for some streams: list of names."""
    return list(dict.fromkeys(getattr(row, f"{stream}_archive") for stream in streams))


def bring(wanted, progress=True, stop=None, **options):
    """Brings files that are not here: their members only, out of as few archives as hold them.

    Args:
        wanted: list of (row of `table`, streams whose file is wanted).
        progress: show bars.
        stop: threading.Event; once set, the fetching ends with DownloadError.
        options: of RemoteFile.

    Raises:
        DownloadError: names the archive and what happened.
    """
    known = {row.file: row for row in manifest.read()}
    members = {}
    for row, streams in wanted:
        for stream in streams:
            path = pathlib.Path(getattr(row, f"{stream}_path"))
            if not path.is_file():
                place = (getattr(row, f"{stream}_archive"), path.parent.parent)
                members.setdefault(place, set()).add(f"{path.parent.name}/{path.name}")
    for (archive, root), names in members.items():
        manifest.members(known[archive], root, names, progress, stop=stop, **options)


def at_hand(row):
    """Brings a row's files if they are on a server; nothing happens for clips of one's own."""
    if archive_of(row):
        bring([(row, ("video", "audio"))])


def brought(plan, rows, progress=True):
    """Yields the rows actor by actor with their files here, the next actor's on their way; lets them go afterwards.

    Args:
        plan: preprocess.Plan.
        rows: of `table`.
        progress: show bars.

    Yields:
        list of rows of one actor. A file that its archive does not hold is still not there.
    """
    by_actor = operator.attrgetter("actor")
    batches = [list(batch) for _, batch in itertools.groupby(sorted(rows, key=by_actor), key=by_actor)]
    stop = threading.Event()

    def fetch(batch):
        bring([(row, plan.lacking(row)) for row in batch], progress, stop)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        coming = None
        try:
            for number, batch in enumerate(batches):
                coming = coming or pool.submit(fetch, batch)
                coming.result()
                following = batches[number + 1 : number + 2]
                coming = pool.submit(fetch, following[0]) if following else None
                yield batch
                let_go(plan, batch)
        except DownloadError as error:
            raise DownloadError(f"{error}\nThe clips made so far are kept; run the same again to go on") from error
        finally:
            stop.set()  # where the reader interrupts, the next actor's download ends too


def let_go(plan, rows):
    """Deletes the rows' files, after the cache has noted what they were called there."""
    paths = [pathlib.Path(path) for row in rows for path in plan.paths(row).values()]
    paths = [path for path in dict.fromkeys(paths) if path.is_file()]
    caches.remember(plan.cache, paths)
    for path in paths:
        path.unlink()
