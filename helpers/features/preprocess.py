"""From clips to cache entries: faces and MFCC on all cores, then VGG16 over many clips at once.

A clip's job is {stream: (path, entry)}: the entries that are still to be made of it, and of which file.
"""

import concurrent.futures
import contextlib
import faulthandler
import os
import pathlib
import warnings

import numpy as np

from helpers import config, runtime
from helpers.data import ravdess_zenodo
from helpers.data.exclusions import Exclusions
from helpers.features import cache as caches
from helpers.features import clip
from helpers.video import backbone

EMBED_TOGETHER = 64  # clips that go through VGG16 together
EMBED_AT_ONCE = 2048  # faces at the most at a time, where clips are long: 14 MB of pictures, 57 MB as floats
WAIT, WAIT_PER_MB = 180.0, 20.0  # s that a clip may take, several times what a slow machine needs


class Plan:
    """Which entries a table needs, and where they are; `preprocessing` is as FeatureSet's.

    `entries` are {clip_id: {"video": path, "audio": path, "vgg16": path}} of the clips that can be used so far,
    `excluded` Exclusions, `damaged` a list of the entries that could not be read.
    """

    def __init__(self, cache, streams, video, audio, weights=None, stand_in=False):
        # Absolute, since a worker process may have been started in another folder.
        self.cache = pathlib.Path(cache).absolute()
        self.streams, self.video, self.audio = tuple(streams), video, audio
        kinds = {"video": ("faces", video), "audio": ("mfcc", audio)}
        self.folders = {stream: caches.folder(self.cache, *kinds[stream]) for stream in self.streams}
        self.preprocessing = {stream: config.as_dict(getattr(self, stream)) for stream in self.streams}
        if "video" in self.streams:
            self.weights, self.preprocessing["vgg16"] = backbone.find_weights(weights, stand_in)
            weights_key = {"weights": self.preprocessing["vgg16"]}
            self.folders["vgg16"] = caches.folder(self.cache, "vgg16", video, weights_key)
        self.entries, self.excluded, self.damaged = {}, Exclusions(), []

    def paths(self, row):
        """The row's files: {stream: path}."""
        return {stream: getattr(row, f"{stream}_path") for stream in self.streams}

    def entries_of(self, row):
        """The row's entries: {stream: path}, None where the file is not here and was never seen."""
        keys = {stream: path and caches.key_of(self.cache, path) for stream, path in self.paths(row).items()}
        return {stream: self.folders[stream] / f"{key}.npz" if key else None for stream, key in keys.items()}

    def lacking(self, row):
        """The streams whose entry is neither made nor rejected."""
        entries = self.entries_of(row)
        return [s for s, entry in entries.items() if not (entry and (entry.is_file() or caches.rejection(entry)))]

    def add(self, row):
        """Adds a clip. Returns its job, {} where it needs nothing or is excluded; None where a file is not here."""
        paths = self.paths(row)
        try:
            entries = self.entries_of(row)
        except OSError as error:
            return self.exclude(row.clip_id, f"its file could not be read ({error.strerror or error})")
        for stream, entry in entries.items():
            if reason := f"no {stream} file" if not paths[stream] else entry and caches.rejection(entry):
                return self.exclude(row.clip_id, reason)
        lacking = self.lacking(row)
        if not all(os.path.isfile(paths[stream]) for stream in lacking):
            return None
        self.entries[row.clip_id] = entries
        return {stream: (os.path.abspath(paths[stream]), entries[stream]) for stream in lacking}

    def exclude(self, clip_id, reason):
        """Excludes a clip. Returns {}, the job of one that needs nothing."""
        self.excluded.add(clip_id, reason)
        self.entries.pop(clip_id, None)
        return {}

    def read(self, clip_id, kind):
        """The arrays of a clip's entry, {name: array}; None where it is damaged, which is noted."""
        try:
            return caches.load(self.entries[clip_id][kind])
        except caches.DamagedEntry as error:
            self.damaged.append(error.entry)


def run(table, plan, workers, progress):
    """Makes every missing entry of a table, and fills in the plan's entries and exclusions.

    Clips on a server are fetched actor by actor, and deleted after use. Under `joblib.parallel_config` the backend it
    names decides about the workers.
    """
    from tqdm.auto import tqdm

    for folder in plan.folders.values():
        caches.delete_leftovers(folder)
    rows = list(table.itertuples())
    jobs, absent = _jobs(runtime.bar(rows, "looking into the cache", progress=progress), plan)
    remote = {row.clip_id: row for row in absent if ravdess_zenodo.archive_of(row)}
    for row in (row for row in absent if row.clip_id not in remote):
        gone = next(path for path in plan.paths(row).values() if not os.path.isfile(path))
        plan.exclude(row.clip_id, f"{gone} is not there any more")
    total = len(jobs) + len(remote)
    with tqdm(total=total, desc="faces and MFCC", unit="clip", disable=not progress or not total) as bar:
        make(jobs, plan, workers, bar)
        _delete(plan, [row for row in rows if ravdess_zenodo.archive_of(row) and row.clip_id not in remote])
        for batch in ravdess_zenodo.fetched(remote.values(), plan.lacking, lambda used: _delete(plan, used), progress):
            jobs, absent = _jobs(batch, plan)
            for row in absent:
                plan.exclude(row.clip_id, f"not in {' or '.join(ravdess_zenodo.archives_of(row, plan.streams))}")
            bar.update(len(batch) - len(jobs))
            make(jobs, plan, workers, bar)
    if "video" in plan.streams:
        _embed([clip_id for clip_id in table.clip_id if clip_id in plan.entries], plan, progress)
    plan.excluded.sort()


def _jobs(rows, plan):
    """Adds clips to the plan: ({clip_id: job} where something is to be made, rows whose file is not here)."""
    jobs = [(row, plan.add(row)) for row in rows]
    return {row.clip_id: job for row, job in jobs if job}, [row for row, job in jobs if job is None]


def _delete(plan, rows):
    """Deletes the rows' files, after the cache has noted the names of their entries."""
    paths = {path for row in rows for path in map(pathlib.Path, plan.paths(row).values()) if path.is_file()}
    caches.remember(plan.cache, paths)
    for path in paths:
        path.unlink()


def _embed(clip_ids, plan, progress):
    """Embeds the faces of all clips that have no embedding yet, many clips at once."""
    from tqdm.auto import tqdm

    for clip_id in clip_ids:
        plan.entries[clip_id]["vgg16"] = plan.folders["vgg16"] / plan.entries[clip_id]["video"].name
    # The same clips go through together whatever was made before: sums differ in their last bits with the batch, and a
    # build that was killed must end with the very bytes of one that was not.
    groups = [clip_ids[at : at + EMBED_TOGETHER] for at in range(0, len(clip_ids), EMBED_TOGETHER)]
    groups = [group for group in groups if not all(plan.entries[c]["vgg16"].is_file() for c in group)]
    with tqdm(total=sum(map(len, groups)), desc="VGG16", unit="clip", disable=not progress or not groups) as bar:
        for group in groups:
            tracks = []
            for clip_id in group:
                track = plan.read(clip_id, "video")
                if track is None:
                    break  # the group goes through whole, once that entry is made again
                tracks.append((plan.entries[clip_id]["vgg16"], track["frames"]))
                if sum(len(frames) for _, frames in tracks) >= EMBED_AT_ONCE or clip_id == group[-1]:
                    _embed_tracks(tracks, plan.weights)
                    tracks = []
            bar.update(len(group))


def _embed_tracks(tracks, weights):
    vectors = backbone.embed(np.concatenate([frames for _, frames in tracks]), weights)
    ends = np.cumsum([len(frames) for _, frames in tracks])
    for (entry, _), values in zip(tracks, np.split(vectors, ends[:-1])):
        if not entry.is_file():
            caches.save(entry, values=values)


def make(jobs, plan, workers, bar):
    """Does the jobs {clip_id: job}; excludes the clips that cannot be used, and moves the bar once a clip.

    A worker that dies (out of memory, a crash in a codec) takes its pool with it. The clips in progress then are tried
    once more after the others, each in its own pool; one that dies again is excluded. A worker whose decoder hangs ends
    itself, see `time_limit`, and its clip is excluded at once.
    """
    left, suspects = dict(jobs), {}
    while left and not _do(left, plan, workers, bar):
        marked = {c: job for c, job in left.items() if any(caches.marks(entry) for _, entry in job.values())}
        suspects |= marked or left  # a death that left no mark: be careful with all
        left = {c: job for c, job in left.items() if c not in suspects}
    for clip_id, job in suspects.items():
        if _hung(job) or not _do({clip_id: job}, plan, 2, bar):
            late = f"it was not done after {time_limit(job):.0f} s, and was ended (a decoder that hangs?)"
            died = "the process that worked on it died, twice (out of memory, or a fault in a codec)"
            plan.exclude(clip_id, late if _hung(job) else died)
            bar.update()
    for folder in plan.folders.values():
        caches.delete_leftovers(folder)


def _do(jobs, plan, workers, bar):
    """Does the jobs in parallel, taking each out of `jobs` when it is done. False if a process died meanwhile."""
    from joblib import Parallel, delayed
    from joblib.parallel import get_active_backend

    backend, clip_ids = get_active_backend()[0], list(jobs)
    local = type(backend).__name__ in ("LokyBackend", "SequentialBackend")
    n_jobs = min(workers, max(2, len(jobs))) if local else None  # a named backend has its own number of workers
    shared = (plan.video, plan.audio, 0 if n_jobs == 1 else 1)
    # Dask gives the results all together, so it gets the clips in parts.
    size, way = (len(jobs), "generator_unordered") if backend.supports_return_generator else (128, "list")
    with warnings.catch_warnings():
        # joblib replaces a worker that grew by 100 MB, as importing the detector does; its job is not lost.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
        try:
            for at in range(0, len(clip_ids), size):
                part = [(c, jobs[c], *shared, time_limit(jobs[c]), os.getpid()) for c in clip_ids[at : at + size]]
                calls = [delayed(make_entries)(*arguments) for arguments in part]
                for clip_id, reason in Parallel(n_jobs=n_jobs, return_as=way)(calls):
                    if reason:
                        plan.exclude(clip_id, reason)
                    del jobs[clip_id]
                    bar.update()
            return True
        except Exception as error:
            if not isinstance(error, concurrent.futures.BrokenExecutor) and type(error).__name__ != "KilledWorker":
                raise
            return False


def time_limit(job):
    """Seconds that a clip may take in a worker process: more for a large file."""
    sizes = [os.path.getsize(path) for path in {path for path, _ in job.values()} if os.path.exists(path)]
    return WAIT + WAIT_PER_MB * sum(sizes) / 1e6


def make_entries(clip_id, job, video, audio, threads=0, seconds=0, parent=None):
    """Does one clip's job, in a worker process, which ends itself after `seconds` unless it is the `parent` itself.

    Returns: (clip_id, why it cannot be used, or None).
    """
    if threads == 1:
        import cv2

        cv2.setNumThreads(1)  # the processes share the cores already
    job = {stream: (path, entry) for stream, (path, entry) in job.items() if not entry.is_file()}
    if not job:  # another process made it meanwhile, and may have deleted the file
        return clip_id, None
    marks = [caches.mark(entry) for _, entry in job.values()]
    try:
        with open(marks[0], "w") as file, contextlib.ExitStack() as stack:
            if os.getpid() != parent:
                os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a dlib for CUDA would take the GPU's memory in each process
                # Ends the process even inside a decoder; the mark then holds the traceback.
                faulthandler.dump_traceback_later(seconds, exit=True, file=file)
                stack.callback(faulthandler.cancel_dump_traceback_later)
            made, errors = clip.extract({stream: path for stream, (path, _) in job.items()}, video, audio, threads)
        for stream, (_, entry) in job.items():
            error = errors.get(stream)
            if error is None:
                caches.save(entry, **(vars(made["video"]) if stream == "video" else {"values": made["audio"][0]}))
            elif error.lasting:
                caches.reject(entry, error.reason)
        return clip_id, next((error.reason for error in errors.values()), None)
    finally:
        for mark in marks:
            mark.unlink(missing_ok=True)


def _hung(job):
    return any(mark.startswith(b"Timeout") for _, entry in job.values() for mark in caches.marks(entry))
