"""Clips to cache entries in parallel processes, where one that dies costs its clip and not the run.

joblib decides where the processes are: on this machine by default, on a cluster under
`joblib.parallel_config("dask")`, whose machines share the cache's folder.
"""

import contextlib
import faulthandler
import os
import warnings

from helpers import cache as caches
from helpers import clip_features

WAIT, WAIT_PER_MB = 180.0, 20.0  # s that a clip may take, several times what a slow machine needs


def make(todo, plan, workers, bar):
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
            made, missing = clip_features.streams(paths, video, audio, threads)
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
