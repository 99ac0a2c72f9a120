"""RAVDESS where it is published: takes are brought one actor at a time, made into features, and let go again.

The name code says which takes there are, so that the table is known before any clip is here. While one actor's clips
are preprocessed the next actor's come; at most two archives' worth of disk is used.
"""

import concurrent.futures
import itertools
import operator
import pathlib
import threading

from helpers.data import manifest, ravdess
from helpers.data.download import DownloadError

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


def fetch(wanted, progress=True, stop=None, **options):
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


def fetch_row(row):
    """Brings a row's files if they are on a server; nothing happens for clips of one's own."""
    if archive_of(row):
        fetch([(row, ("video", "audio"))])


def fetched(rows, lacking, done, progress=True):
    """Yields the rows actor by actor with their files here, while the next actor's are being fetched.

    Args:
        rows: of `table`.
        lacking: function that gives the streams whose file a row needs.
        done: function that is called with each list of rows after its use, such as to delete their files.
        progress: show bars.

    Yields:
        list of rows of one actor. A file that its archive does not hold is still not there.
    """
    by_actor = operator.attrgetter("actor")
    batches = [list(batch) for _, batch in itertools.groupby(sorted(rows, key=by_actor), key=by_actor)]
    stop = threading.Event()

    def coming_batch(batch):
        fetch([(row, lacking(row)) for row in batch], progress, stop)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        coming = None
        try:
            for number, batch in enumerate(batches):
                coming = coming or pool.submit(coming_batch, batch)
                coming.result()
                following = batches[number + 1 : number + 2]
                coming = pool.submit(coming_batch, following[0]) if following else None
                yield batch
                done(batch)
        except DownloadError as error:
            raise DownloadError(f"{error}\nThe clips made so far are kept; run the same again to go on") from error
        finally:
            stop.set()  # where the reader interrupts, the next actor's download ends too
