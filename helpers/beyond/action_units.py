"""Action units that OpenFace wrote, averaged over a clip; video/landmark_classifier.py does without OpenFace."""

import dataclasses

import numpy as np
import pandas as pd


def read(path, table):
    """Reads the action units of a table's clips.

    Args:
        path: a csv, divided by ";" or ",", one row a clip: a column `name` with the clip's name, and columns AU….
        table: DataFrame with clip_id, as `data.index` gives it; names are compared without their modality.
    Returns: float64 (N, number of AU columns), in the table's order.
    Raises ValueError: no column `name` or AU…, a clip without a row of its own, a value that is no number; names it.
    """
    units = pd.read_csv(path, sep=None, engine="python")
    columns = [name for name in units.columns if name.startswith("AU")]
    if "name" not in units or not columns:
        raise ValueError(f"{path} has the columns {', '.join(units.columns[:8])}; needed are name and AU…")
    units.index = units.name.map(_take)
    takes = table.clip_id.map(_take)
    if takes.duplicated().any():
        raise ValueError(f"{path}: more than one clip is the take {takes[takes.duplicated()].iloc[0]!r} by its name")
    missing = table.clip_id[~takes.isin(units.index)]
    if len(missing):
        raise ValueError(f"{path} has no row for {len(missing)} of {len(table)} clips, such as {missing.iloc[0]}")
    values = units[~units.index.duplicated()].loc[takes, columns].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(f"{path}: {columns[column]} of {table.clip_id.iloc[row]} is no number")
    return values


def as_video(features, values):
    """A FeatureSet whose video is one step a clip: `values` (N, D), the clips' mean action units."""
    preprocessing = {k: v for k, v in (features.preprocessing or {}).items() if k not in ("video", "vgg16")}
    video, length = np.asarray(values, dtype=np.float32)[:, None], np.ones(len(values), dtype=np.int32)
    return dataclasses.replace(features, video=video, video_length=length, preprocessing=preprocessing or None)


def _take(name):
    """A clip's name without folder, modality and suffix: 01-01-03-… and 03-01-03-… are one take."""
    return str(name).replace("\\", "/").rpartition("/")[2].partition(".")[0].partition("-")[2]
