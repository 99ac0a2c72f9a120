"""Action units of the face, for those who have them: OpenFace's, averaged over a clip."""

import dataclasses

import numpy as np


def read(path, table):
    """The action units of a table's clips.

    Args:
        path: a csv, divided by ";" or ",", one row a clip: a column `name` with the clip's name, and columns AU….
        table: DataFrame with clip_id, as `ravdess.index` gives it; of a name only what follows its modality counts,
            so that a recording finds the action units of its audio-video clip.

    Returns:
        float64 (N, number of AU columns), in the table's order.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no column `name` or AU…, a clip without a row, or a value that is no number; names it.
    """
    import pandas as pd

    found = pd.read_csv(path, sep=None, engine="python")
    columns = [name for name in found.columns if name.startswith("AU")]
    if "name" not in found or not columns:
        raise ValueError(f"{path} has the columns {', '.join(found.columns[:8])}; needed are name and AU…")
    found.index = found.name.map(_take)
    wanted = [_take(clip_id) for clip_id in table.clip_id]
    lacking = [clip_id for clip_id, take in zip(table.clip_id, wanted) if take not in found.index]
    if lacking:
        raise ValueError(f"{path} has no row for {len(lacking)} of {len(table)} clips, such as {lacking[0]}")
    values = found[~found.index.duplicated()].loc[wanted, columns].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(f"{path}: {columns[column]} of {table.clip_id.iloc[row]} is no number")
    return values


def beside(features, values):
    """A FeatureSet whose video stream is one step a clip: its mean action units.

    Args:
        features: FeatureSet.
        values: float (N, D), as `read` gives them for its clips.

    Returns:
        FeatureSet; its `preprocessing` no longer says how its pictures were made.
    """
    made = {name: value for name, value in (features.preprocessing or {}).items() if name not in ("video", "vgg16")}
    video, length = np.asarray(values, dtype=np.float32)[:, None], np.ones(len(values), dtype=np.int32)
    return dataclasses.replace(features, video=video, video_length=length, preprocessing=made or None)


def _take(name):
    """A clip's name without its folder, its modality and its ending: 01-01-03-… and 03-01-03-… are one take."""
    return str(name).replace("\\", "/").rpartition("/")[2].partition(".")[0].partition("-")[2]
