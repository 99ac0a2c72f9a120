"""From clips to cache entries: faces and MFCC on all cores, then VGG16 over many clips at once."""

import contextlib
import faulthandler
import os
import pathlib
import warnings

import numpy as np

from helpers import config
from helpers.data import ravdess_zenodo
from helpers.data.exclusions import Exclusions
from helpers.features import cache as caches
from helpers.features import clip
from helpers.video import backbone

EMBED_TOGETHER = 64  # clips that go through VGG16 together
EMBED_AT_ONCE = 2048  # faces at the most at a time, where clips are long: 14 MB of pictures, 57 MB as floats


class Plan:
    """Which entries a table needs, and where they are.

    Attributes:
        streams: "video", "audio" or both.
        entries: {clip_id: {"video": path, "audio": path, "vgg16": path}} of the clips that can be used so far.
        excluded: Exclusions.
        damaged: list of the entries that could not be read.
    """

    def __init__(self, cache, streams, video, audio, weights=None, stand_in=False):
        # Absolute, since a worker process may have been started in another folder.
        cache = pathlib.Path(cache).absolute()
        self.cache, self.streams, self.video, self.audio = cache, tuple(streams), video, audio
        preprocessing = {"video": ("faces", video), "audio": ("mfcc", audio)}
        self.folders = {stream: caches.folder(cache, *preprocessing[stream]) for stream in self.streams}
        if "video" in self.streams:
            self.weights, self.identity = backbone.find_weights(weights, stand_in)
            self.folders["vgg16"] = caches.folder(cache, "vgg16", video, {"weights": self.identity})
        self.start()

    def start(self):
        """Forgets all clips."""
        self.entries, self.excluded, self.damaged = {}, Exclusions(), []

    def preprocessing(self):
        """How the features are made, for whoever must make them alike later: see FeatureSet.preprocessing."""
        preprocessing = {stream: config.as_dict(getattr(self, stream)) for stream in self.streams}
        return preprocessing | ({"vgg16": self.identity} if "video" in self.streams else {})

    def paths(self, row):
        """The row's files: {stream: path}."""
        return {stream: getattr(row, f"{stream}_path") for stream in self.streams}

    def entry(self, stream, path):
        """A file's entry; None where the file is not here and was never seen."""
        key = caches.key_of(self.cache, path)
        return key and self.folders[stream] / f"{key}.npz"

    def read(self, clip_id, kind):
        """The arrays of a clip's entry, {name: array}; None where it is damaged, which is noted."""
        try:
            return caches.load(self.entries[clip_id][kind])
        except caches.DamagedEntry as error:
            self.damaged.append(error.entry)
            return None

    def lacking(self, row):
        """The streams whose entry is neither made nor refused."""
        entries = {stream: self.entry(stream, path) for stream, path in self.paths(row).items()}
        return [s for s, entry in entries.items() if not (entry and (entry.is_file() or caches.why(entry)))]

    def add(self, row):
        """Notes a clip's entries. Returns which are still to be made, {stream: (path, entry)}; None if a file is away.

        A clip that has no file for a stream, or is known to be of no use, is excluded and needs nothing: {}.
        """
        paths, wanted = self.paths(row), {}
        try:
            entries = {stream: path and self.entry(stream, path) for stream, path in paths.items()}
        except OSError as error:
            self.excluded.add(row.clip_id, f"its file could not be read ({error.strerror or error})")
            return {}
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
        workers: processes; under `joblib.parallel_config` the backend it names decides.
        progress: show bars.
    """
    from tqdm.auto import tqdm

    plan.start()
    for folder in plan.folders.values():
        caches.sweep(folder)
    here, away, complete = [], [], []
    for row in table.itertuples():
        wanted = plan.add(row)
        if wanted is None and ravdess_zenodo.archive_of(row):
            away.append(row)
        elif wanted is None:
            gone = next(path for path in plan.paths(row).values() if not os.path.isfile(path))
            plan.exclude(row.clip_id, f"{gone} is not there any more")
        elif wanted:
            here.append((row, wanted))
        else:
            complete.append(row)
    _delete(plan, [row for row in complete if ravdess_zenodo.archive_of(row)])
    total = len(here) + len(away)
    with tqdm(total=total, desc="faces and MFCC", unit="clip", disable=not progress or not total) as bar:
        _make(here, plan, workers, bar)
        _delete(plan, [row for row, _ in here if ravdess_zenodo.archive_of(row)])
        for batch in ravdess_zenodo.fetched(away, plan.lacking, lambda rows: _delete(plan, rows), progress):
            found = []
            for row in batch:
                wanted = plan.add(row)
                if wanted is None:
                    plan.exclude(row.clip_id, f"not in {' or '.join(ravdess_zenodo.archives_of(row, plan.streams))}")
                if wanted:
                    found.append((row, wanted))
                else:
                    bar.update()
            _make(found, plan, workers, bar)
    if "video" in plan.streams:
        _embed([clip_id for clip_id in table.clip_id if clip_id in plan.entries], plan, progress)
    plan.excluded.sort()


def _delete(plan, rows):
    """Deletes the rows' files, after the cache has noted what they were called there."""
    paths = [pathlib.Path(path) for row in rows for path in plan.paths(row).values()]
    paths = [path for path in dict.fromkeys(paths) if path.is_file()]
    caches.remember(plan.cache, paths)
    for path in paths:
        path.unlink()


def _embed(clip_ids, plan, progress):
    """VGG16 over the faces of all clips that have no embedding yet, many clips at once.

    The clips that go through together are the same whatever was made before: sums differ in their last bits with the
    batch, and a build that was killed must end with the very bytes of one that was not.
    """
    from tqdm.auto import tqdm

    for clip_id in clip_ids:
        entries = plan.entries[clip_id]
        entries["vgg16"] = plan.folders["vgg16"] / entries["video"].name
    groups = [clip_ids[at : at + EMBED_TOGETHER] for at in range(0, len(clip_ids), EMBED_TOGETHER)]
    groups = [group for group in groups if not all(plan.entries[c]["vgg16"].is_file() for c in group)]
    with tqdm(total=sum(map(len, groups)), desc="VGG16", unit="clip", disable=not progress or not groups) as bar:
        for group in groups:
            waiting, count = [], 0
            for clip_id in group:
                track = plan.read(clip_id, "video")
                if track is None:
                    waiting = []  # the group goes through whole, once that entry is made again
                    break
                waiting.append((plan.entries[clip_id]["vgg16"], track["frames"]))
                count += len(track["frames"])
                if count >= EMBED_AT_ONCE:
                    _embed_batch(waiting, plan.weights)
                    waiting, count = [], 0
            _embed_batch(waiting, plan.weights)
            bar.update(len(group))


def _embed_batch(waiting, weights):
    if not waiting:
        return
    vectors = backbone.embed(np.concatenate([frames for _, frames in waiting]), weights)
    ends = np.cumsum([len(frames) for _, frames in waiting])
    for (entry, _), part in zip(waiting, np.split(vectors, ends[:-1])):
        if not entry.is_file():
            caches.save(entry, values=part)


WAIT, WAIT_PER_MB = 180.0, 20.0  # s that a clip may take, several times what a slow machine needs


def _make(todo, plan, workers, bar):
    """Makes the entries of some clips; notes in the plan which clips cannot be used.

    A worker that dies (out of memory, a crash in a codec) takes its pool with it. The clips that were being worked on
    then are tried once more, each with a pool of its own, after the others are done; one that dies again is excluded.
    A worker whose decoder hangs ends itself, see `limit`, and its clip is excluded at once.

    Args:
        todo: list of (row, {stream: (path, entry)}).
        plan: preprocess.Plan.
        workers: processes.
        bar: tqdm; moved once a clip.
    """
    left = {row.clip_id: wanted for row, wanted in todo}
    suspects = {}
    while left:
        if _through(left, plan, workers, bar):
            break
        caught = {c: wanted for c, wanted in left.items() if any(caches.marks(entry) for _, entry in wanted.values())}
        suspects |= caught or left  # a death that left no mark: be careful with all
        left = {c: wanted for c, wanted in left.items() if c not in suspects}
    for clip_id, wanted in suspects.items():
        alone = {clip_id: wanted}
        if _hung(wanted) or not _through(alone, plan, 2, bar):
            reason = "the process that worked on it died, twice (out of memory, or a fault in a codec)"
            if _hung(wanted):
                reason = f"it was not done after {limit(wanted):.0f} s, and was ended (a decoder that hangs?)"
            plan.exclude(clip_id, reason)
            bar.update()
    for folder in plan.folders.values():
        caches.sweep(folder)


def _through(left, plan, workers, bar):
    """Works through the clips of `left`, taking each out when it is done. False if a process died meanwhile."""
    from joblib.parallel import get_active_backend

    backend = get_active_backend()[0]
    if type(backend).__name__ in ("LokyBackend", "SequentialBackend"):
        n_jobs, at_once = min(workers, max(2, len(left))), len(left)
    else:
        # Under a named backend its own number of workers counts; Dask's gives results all together, so by parts.
        n_jobs, at_once = None, len(left) if backend.supports_return_generator else 128
    way = "generator_unordered" if at_once == len(left) and backend.supports_return_generator else "list"
    names = list(left)
    parts = [names[at : at + at_once] for at in range(0, len(names), at_once)]
    with warnings.catch_warnings():
        # joblib replaces a worker that grew by 100 MB, as importing the detector does; its job is not lost.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
        try:
            for part in parts:
                _work(part, left, plan, n_jobs, way, bar)
        except Exception as error:
            if not _is_death(error):
                raise
            return False
    return True


def _work(part, left, plan, n_jobs, way, bar):
    from joblib import Parallel, delayed

    threads = 0 if n_jobs == 1 else 1
    given = ((clip_id, left[clip_id]) for clip_id in part)
    jobs = (delayed(entries)(*one, plan.video, plan.audio, threads, limit(one[1]), os.getpid()) for one in given)
    for clip_id, reason in Parallel(n_jobs=n_jobs, return_as=way)(jobs):
        if reason:
            plan.exclude(clip_id, reason)
        left.pop(clip_id)
        bar.update()


def limit(wanted):
    """Seconds that a clip may take in a worker process: more for a large file.

    Args:
        wanted: {stream: (path, entry)}.
    """
    sizes = [os.path.getsize(path) for path in {path for path, _ in wanted.values()} if os.path.exists(path)]
    return WAIT + WAIT_PER_MB * sum(sizes) / 1e6


@contextlib.contextmanager
def _watched(mark, seconds):
    """Ends this process if the block takes longer, even inside a decoder; the mark then holds where it stood."""
    with open(mark, "w") as file:
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def _hung(wanted):
    return any(mark.startswith(b"Timeout") for _, entry in wanted.values() for mark in caches.marks(entry))


def _is_death(error):
    import concurrent.futures

    return isinstance(error, concurrent.futures.BrokenExecutor) or type(error).__name__ == "KilledWorker"


def entries(clip_id, wanted, video, audio, threads=0, seconds=0, parent=None):
    """Makes one clip's entries, in a worker process.

    Args:
        clip_id: of the clip.
        wanted: {stream: (path, entry)}; sound and pictures of one file are decoded in one pass.
        video, audio: VideoConfig, AudioConfig.
        threads: of the decoder; 0 takes one a core.
        seconds: after which this process ends itself, unless it is the parent.
        parent: id of the process that asks.

    Returns:
        (clip_id, why it cannot be used, or None).
    """
    if threads == 1:
        import cv2

        cv2.setNumThreads(1)  # the processes share the cores already
    mark, *_ = [caches.claim(entry) for _, entry in wanted.values()]
    watch = contextlib.nullcontext()
    if os.getpid() != parent:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a dlib made for CUDA would take the GPU's memory in each process
        watch = _watched(mark, seconds)
    try:
        with watch:
            paths = {stream: path for stream, (path, _) in wanted.items()}
            made, missing = clip.streams(paths, video, audio, threads)
        for stream, (_, entry) in wanted.items():
            error = missing.get(stream)
            if error is None:
                arrays = vars(made["video"]) if stream == "video" else {"values": made["audio"].features}
                caches.save(entry, **arrays)
            elif error.lasting:
                caches.refuse(entry, error.reason)
        return clip_id, next((error.reason for error in missing.values()), None)
    finally:
        for _, entry in wanted.values():
            caches.release(entry)
