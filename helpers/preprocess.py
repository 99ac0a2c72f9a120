"""From clips to cache entries: faces and MFCC on all cores, then VGG16 over many clips at once."""

import os
import pathlib
import warnings

import numpy as np

from helpers import backbone, faces, sources, speech
from helpers import cache as caches
from helpers.exclusions import ClipError, Exclusions

EMBED_AT_ONCE = 2048  # faces gathered over clips before VGG16 sees them: 14 MB of pictures, 57 MB as floats


class Plan:
    """Which entries a table needs, and where they are.

    Attributes:
        streams: "video", "audio" or both.
        entries: {clip_id: {"video": path, "audio": path, "vgg16": path}} of the clips that can be used so far.
        excluded: Exclusions.
    """

    def __init__(self, cache, streams, video, audio, weights=None):
        # Absolute, since a worker process may have been started in another folder.
        cache = pathlib.Path(cache).absolute()
        self.cache, self.streams, self.video, self.audio = cache, tuple(streams), video, audio
        made_with = {"video": ("faces", video), "audio": ("mfcc", audio)}
        self.folders = {stream: caches.folder(cache, *made_with[stream]) for stream in self.streams}
        if "video" in self.streams:
            self.weights, identity = backbone.find_weights(weights)
            self.folders["vgg16"] = caches.folder(cache, "vgg16", video, {"weights": identity})
        self.entries, self.excluded = {}, Exclusions()

    def paths(self, row):
        """The row's files: {stream: path}."""
        return {stream: getattr(row, f"{stream}_path") for stream in self.streams}

    def entry(self, stream, path):
        """A file's entry; None where the file is not here and was never seen."""
        key = caches.key_of(self.cache, path)
        return key and self.folders[stream] / f"{key}{'.npz' if stream == 'video' else '.npy'}"

    def lacking(self, row):
        """The streams whose entry is neither made nor refused."""
        entries = {stream: self.entry(stream, path) for stream, path in self.paths(row).items()}
        return [s for s, entry in entries.items() if not (entry and (entry.is_file() or caches.why(entry)))]

    def add(self, row):
        """Notes a clip's entries. Returns which are still to be made, {stream: (path, entry)}; None if a file is away.

        A clip that has no file for a stream, or is known to be of no use, is excluded and needs nothing: {}.
        """
        paths, wanted = self.paths(row), {}
        entries = {stream: path and self.entry(stream, path) for stream, path in paths.items()}
        for stream, entry in entries.items():
            reason = f"no {stream} file" if not paths[stream] else entry and caches.why(entry)
            if reason:
                self.excluded.add(row.clip_id, reason)
                return {}
        for stream in self.lacking(row):
            if not os.path.isfile(paths[stream]):
                return None
            wanted[stream] = (os.path.abspath(paths[stream]), entries[stream])
        self.entries[row.clip_id] = entries
        return wanted

    def exclude(self, clip_id, reason):
        self.excluded.add(clip_id, reason)
        self.entries.pop(clip_id, None)


def run(table, plan, workers, progress):
    """Makes every entry that is missing. Clips that are not here are brought, an archive at a time, and let go again.

    Args:
        table: as in `features.build`.
        plan: Plan; its entries and exclusions are filled in.
        workers: processes.
        progress: show bars.
    """
    from joblib import Parallel
    from tqdm.auto import tqdm

    here, away, complete = [], [], []
    for row in table.itertuples():
        wanted = plan.add(row)
        if wanted is None and sources.archive_of(row):
            away.append(row)
        elif wanted is None:
            gone = next(path for path in plan.paths(row).values() if not os.path.isfile(path))
            plan.exclude(row.clip_id, f"{gone} is not there any more")
        elif wanted:
            here.append((row, wanted))
        else:
            complete.append(row)
    sources.let_go(plan, [row for row in complete if sources.archive_of(row)])
    total = len(here) + len(away)
    with (
        warnings.catch_warnings(),
        Parallel(n_jobs=min(workers, max(1, total)), return_as="generator_unordered") as parallel,
        tqdm(total=total, desc="faces and MFCC", unit="clip", disable=not progress or not total) as bar,
    ):
        # joblib replaces a worker that grew by 100 MB, as importing the detector does; its job is not lost.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
        _make(here, plan, parallel, bar)
        sources.let_go(plan, [row for row, _ in here if sources.archive_of(row)])
        for batch in sources.brought(plan, away, progress):
            found = []
            for row in batch:
                wanted = plan.add(row)
                if wanted is None:
                    plan.exclude(row.clip_id, f"not in {' or '.join(sources.archives_of(row, plan.streams))}")
                if wanted:
                    found.append((row, wanted))
                else:
                    bar.update()
            _make(found, plan, parallel, bar)
    if "video" in plan.streams:
        _embed(plan, progress)
    plan.excluded.sort()


def _make(todo, plan, parallel, bar):
    from joblib import delayed

    jobs = (delayed(_make_entries)(row.clip_id, wanted, plan.video, plan.audio) for row, wanted in todo)
    for clip_id, reason in parallel(jobs):
        if reason:
            plan.exclude(clip_id, reason)
        bar.update()


def _make_entries(clip_id, wanted, video, audio):
    """One clip's missing entries, in a worker process. Returns (clip_id, reason it cannot be used or None)."""
    for stream, (source, entry) in sorted(wanted.items()):
        try:
            if stream == "audio":
                coefficients = speech.mfcc(*speech.load(source, audio), audio)
                caches.write(entry, lambda file, array=coefficients: np.save(file, array))
            else:
                caches.write(entry, faces.track(source, video).save)
        except ClipError as error:
            reason = str(error).split(": ", 1)[-1]  # the report names the clip already
            caches.refuse(entry, reason)
            return clip_id, reason
    return clip_id, None


def _embed(plan, progress):
    """VGG16 over the faces of all clips that have no embedding yet, many clips at once."""
    from tqdm.auto import tqdm

    waiting, count, todo = [], 0, []
    for clip_id, entries in plan.entries.items():
        entries["vgg16"] = plan.folders["vgg16"] / f"{entries['video'].stem}.npy"
        if not entries["vgg16"].is_file():
            todo.append(clip_id)
    for clip_id in tqdm(todo, desc="VGG16", unit="clip", disable=not progress or not todo):
        entries = plan.entries[clip_id]
        track = faces.FaceTrack.load(entries["video"])
        if not track.found.any():
            plan.exclude(clip_id, f"no face in any of its {len(track.found)} frames")
            continue
        waiting.append((entries["vgg16"], track.frames))
        count += len(track.frames)
        if count >= EMBED_AT_ONCE:
            _embed_batch(waiting, plan.weights)
            waiting, count = [], 0
    _embed_batch(waiting, plan.weights)


def _embed_batch(waiting, weights):
    if not waiting:
        return
    vectors = backbone.embed(np.concatenate([frames for _, frames in waiting]), weights)
    ends = np.cumsum([len(frames) for _, frames in waiting])
    for (entry, _), part in zip(waiting, np.split(vectors, ends[:-1])):
        caches.write(entry, lambda file, part=part: np.save(file, part))
