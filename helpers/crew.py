"""Clips to cache entries in parallel processes, where one that dies costs its clip and not the run.

joblib decides where the processes are: on this machine by default, on a cluster under
`joblib.parallel_config("dask")`, whose machines share the cache's folder.
"""

import warnings

import numpy as np

from helpers import cache as caches
from helpers import faces, media, speech, voice
from helpers.exclusions import ClipError


def make(todo, plan, workers, bar):
    """Makes the entries of some clips; notes in the plan which clips cannot be used.

    A worker that dies (out of memory, a crash in a codec) takes its pool with it. The clips that were being worked on
    then are tried once more, each with a pool of its own, after the others are done; one that dies again is excluded.

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
        caught = {c: wanted for c, wanted in left.items() if any(caches.claimed(entry) for _, entry in wanted.values())}
        suspects |= caught or left  # a death that left no mark: be careful with all
        left = {c: wanted for c, wanted in left.items() if c not in suspects}
    for clip_id, wanted in suspects.items():
        alone = {clip_id: wanted}
        if not _through(alone, plan, 2, bar):
            plan.exclude(clip_id, "the process that worked on it died, twice (out of memory, or a fault in a codec)")
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
    jobs = (delayed(entries)(clip_id, left[clip_id], plan.video, plan.audio, threads) for clip_id in part)
    for clip_id, reason in Parallel(n_jobs=n_jobs, return_as=way)(jobs):
        if reason:
            plan.exclude(clip_id, reason)
        left.pop(clip_id)
        bar.update()


def _is_death(error):
    import concurrent.futures

    return isinstance(error, concurrent.futures.BrokenExecutor) or type(error).__name__ == "KilledWorker"


def entries(clip_id, wanted, video, audio, threads=0):
    """Makes one clip's entries, in a worker process.

    Args:
        clip_id: of the clip.
        wanted: {stream: (path, entry)}; sound and pictures of one file are decoded in one pass.
        video, audio: VideoConfig, AudioConfig.
        threads: of the decoder; 0 takes one a core.

    Returns:
        (clip_id, why it cannot be used, or None).
    """
    if threads == 1:
        import cv2

        cv2.setNumThreads(1)  # the processes share the cores already
    for _, entry in wanted.values():
        caches.claim(entry)
    try:
        one_file = len({path for path, _ in wanted.values()}) < len(wanted)
        sound, problem = media.Sound() if one_file else None, None
        if "video" in wanted:
            path, entry = wanted["video"]
            try:
                caches.write(entry, faces.track(path, video, sound, threads).save)
            except ClipError as error:
                sound, problem = None, _refused(entry, error)
        if "audio" in wanted:
            path, entry = wanted["audio"]
            try:
                coefficients, _ = voice.features(*speech.load(path, audio, sound), audio)
                caches.write(entry, lambda file: np.save(file, coefficients))
            except ClipError as error:
                refused = _refused(entry, error)
                problem = problem or refused
        return clip_id, problem
    finally:
        for _, entry in wanted.values():
            caches.release(entry)


def _refused(entry, error):
    reason = str(error).split(": ", 1)[-1]  # the report names the clip already
    caches.refuse(entry, reason)
    return reason
