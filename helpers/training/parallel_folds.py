"""Folds trained in parallel, each in a process of one thread: an RNN's matrices are too small for more."""

import os
import sys
import threading

from helpers import runtime
from helpers.features import cache


def run(jobs, workers, bar):
    """Runs folds, a list of `fold.run`'s arguments without the bar, in parallel processes; their epochs move the bar.

    Raises Whatever a fold raises, once the others that had begun are done; finished folds stay.
    """
    from joblib import Parallel, delayed

    ended = threading.Event()
    progress = [job["folder"].with_name(f".{job['folder'].name}.epochs") for job in jobs]
    watcher = threading.Thread(target=_follow, args=(progress, bar, ended), daemon=True)
    watcher.start()
    try:
        Parallel(n_jobs=min(workers, len(jobs)))(
            delayed(_one)(job, path, runtime.choose_backend(), os.getpid()) for job, path in zip(jobs, progress)
        )
    finally:
        ended.set()
        watcher.join()
        for path in progress:
            path.unlink(missing_ok=True)


def _one(job, path, backend, parent):
    """One fold, in a worker process."""
    if "keras" not in sys.modules:
        # One thread each, for TensorFlow and for XLA; read when they are imported.
        one = ("NPROC", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
        os.environ |= {"KERAS_BACKEND": backend, **dict.fromkeys(one, "1")}
    from helpers.training import fold

    fold.run(**job, bar=_Bar(path, parent))


class _Bar:
    """What a fold takes for its progress bar: the epochs done go to a file that the parent reads."""

    def __init__(self, path, parent):
        self.path, self.parent, self.done = path, parent, 0

    def set_postfix(self, **numbers):
        pass

    def update(self, count=1):
        if os.getppid() != self.parent and not cache.alive(self.parent):
            os._exit(1)  # the run was killed: nobody waits for this fold, and its next run may have begun
        self.done += count
        self.path.write_text(str(self.done))


def _follow(paths, bar, ended):
    shown = 0
    while True:
        last = ended.wait(0.5)
        done = sum(int(path.read_text() or 0) for path in paths if path.is_file())
        bar.update(done - shown)
        shown = done
        if last:
            return
