"""A run's folder: one process at a time trains in it, and what is read from it is checked."""

import contextlib
import os

import filelock
import numpy as np

from helpers import config, runtime

_AGAIN = "delete that folder and run the same again"


@contextlib.contextmanager
def held(out):
    """Holds a run's folder for this process until it ends; BlockingIOError names the process that holds it already."""
    out = out.resolve()  # under every name that it has
    out.parent.mkdir(parents=True, exist_ok=True)
    lock, note = (out.with_name(f".{out.name}.{kind}") for kind in ("lock", "holder"))
    try:
        with filelock.FileLock(lock, timeout=0):
            note.write_text(f"process {os.getpid()} on {runtime.HOST}")
            try:
                yield
            finally:
                note.unlink(missing_ok=True)
    except filelock.Timeout:
        holder = note.read_text() if note.is_file() else "another process"
        raise BlockingIOError(f"{holder} trains in {out}: wait for its end, or name another folder as `out`") from None


def predictions(folder, settings, clips=None):
    """A finished fold's predictions: DataFrame as in CVResult.

    `clips` is their number, where the fold of an earlier version does not say it; None takes any.
    Raises ValueError: the fold is of another configuration than `settings`, or damaged; says where.
    """
    import pandas as pd

    if (folder / "fold.json").is_file():
        about = config.read_json(folder / "fold.json", {"clips": int, "config": dict}, _AGAIN, _completed)
        clips = about["clips"]
        for name, value in about["config"].items():
            if name in settings and settings[name] != value:
                raise ValueError(f"{folder.name} was trained with another {name} ({value}): {_AGAIN} ({folder})")
    classes = settings["classes"]
    names = ["actor", "label", "prediction", "fold", *(f"p_{name}" for name in classes)]
    with _named(folder / "predictions.csv") as path:
        table = pd.read_csv(path, converters={"clip_id": str})  # an id such as 001 is no number
        if lacking := [name for name in ("clip_id", *names) if name not in table]:
            raise ValueError(f"lacks the columns {', '.join(lacking)}")
        if clips is not None and len(table) != clips:
            raise ValueError(f"holds {len(table)} rows instead of {clips}")
        if table[names].select_dtypes("number").shape[1] < len(names) or not np.isfinite(table[names]).all(axis=None):
            raise ValueError("holds what are not numbers")
        if (table.fold != int(folder.name.removeprefix("fold_"))).any():
            raise ValueError("holds predictions of another fold")
        if table.clip_id.duplicated().any():
            raise ValueError("holds a clip twice")
        for name in ("label", "prediction"):
            if not table[name].isin(range(len(classes))).all():
                raise ValueError(f"has a {name} of {table[name].max()}, of {len(classes)} classes")
    return table


def _completed(about):
    return about | {"config": config.completed(about["config"])}


def history(folder, settings):
    """A fold's history: DataFrame as in CVResult; ValueError where the file is damaged or lacks an epoch."""
    import pandas as pd

    with _named(folder / "history.csv") as path:
        table, train = pd.read_csv(path), settings["train"]
        if lacking := [name for name in ("epoch", "loss", "accuracy") if name not in table]:
            raise ValueError(f"lacks the columns {', '.join(lacking)}")
        planned = len(table) if train.get("patience") else train["epochs"]  # it may have stopped early
        if not len(table) or table.epoch.tolist() != list(range(1, planned + 1)):
            raise ValueError(f"holds {len(table)} epochs instead of {planned}")
    return table


@contextlib.contextmanager
def _named(path):
    """Yields the path of a file to be read; a ValueError over its content names it and says what to do."""
    try:
        yield path
    except ValueError as error:
        raise ValueError(f"{path} cannot be used ({error}): {_AGAIN}") from error
