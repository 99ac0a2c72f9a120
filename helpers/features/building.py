"""Clips to features, once: a cache with one entry a file, built in parallel, read into a FeatureSet."""

import pathlib
import sys

import numpy as np

from helpers import runtime
from helpers.config import AudioConfig, VideoConfig
from helpers.data import mirror, ravdess_zenodo
from helpers.features import cache as caches
from helpers.features import clip, preprocess
from helpers.features.feature_set import STREAMS, FeatureSet, OnDisk, new_array
from helpers.video import faces


def build(
    table, cache, workers=None, progress=True, *, streams=None, video=None, audio=None, weights=None, on_disk=None
):
    """Makes, or takes from the cache, the features of every clip of a table: a FeatureSet.

    A clip that cannot be used (cut short, no face, silence, no file of a modality, …) is left out by name; see
    `.excluded` of the result. Killed at any point, the next call goes on where this one was.

    Args:
        table: of `data.load` or `data.index`, one row a clip. Clips on a server are fetched an actor at a time; the
            MFCC that the suite carries are taken from there.
        cache: folder, made if absent. Entries are keyed by the configuration that made them.
        workers, progress: processes, by default one a core; show bars.
        streams: ("video",), ("audio",) or both; by default those that any clip of the table has.
        video, audio: VideoConfig, AudioConfig; the thesis' by default.
        weights: VGG16 weights, as in `backbone.find_weights`; for synthetic clips random ones may stand in.
        on_disk: folder for the arrays of a FeatureSet larger than the memory; None keeps them in memory.
    Raises FileNotFoundError, ValueError, DownloadError: no VGG16 weights; no clip, or one id twice; one not fetched.
    """
    if not len(table):
        raise ValueError("the table has no clip; see data.index")
    repeated = table.clip_id[table.clip_id.duplicated()].unique()
    if len(repeated):
        raise ValueError(f"two clips with one id: {', '.join(repeated[:5])}; rename them, ids must differ")
    if streams is None:
        streams = tuple(stream for stream in STREAMS if (table[f"{stream}_path"] != "").any())
    if "audio" in streams and table.attrs.get("carried"):
        mirror.unpack(table.attrs["carried"], cache)
    synthetic = table.attrs.get("data") == "synthetic"
    remade = set()
    while True:
        plan = preprocess.Plan(cache, streams, video or VideoConfig(), audio or AudioConfig(), weights, synthetic)
        preprocess.run(table, plan, workers or runtime.workers(), progress)
        feature_set = None if plan.damaged else _gather(table, plan, on_disk)
        if feature_set is not None:
            return feature_set
        if remade & set(plan.damaged):
            raise OSError(f"{plan.damaged[0]} is damaged, and was made only just now: is the disk full?")
        remade |= set(plan.damaged)
        names = ", ".join(path.name for path in plan.damaged[:3]) + (", …" if len(plan.damaged) > 3 else "")
        print(f"{len(plan.damaged)} damaged in the cache, made again: {names}", file=sys.stderr)
        for path in plan.damaged:
            path.unlink()


def example(table, emotion="happy", video=None, audio=None):
    """Finds a clip to show: the row of the first with a face and a sound, of the emotion given if there is one.

    Raises ValueError: no clip of the table has both.
    """
    both = table[(table.video_path != "") & (table.audio_path != "")]
    for row in both.sort_values("emotion", key=lambda names: names != emotion, kind="stable").itertuples(index=False):
        ravdess_zenodo.fetch_row(row)
        paths = {"video": row.video_path, "audio": row.audio_path}
        if not clip.extract(paths, video or VideoConfig(), audio or AudioConfig())[1]:
            return row
    raise ValueError(f"none of the {len(table)} clips has both a face and a sound to look at")


def cached_track(cache, video_path, video=None):
    """Reads the FaceTrack that `build` made of a file."""
    return faces.FaceTrack(**_entry(cache, "faces", video_path, video or VideoConfig()))


def cached_mfcc(cache, audio_path, audio=None):
    """Reads the features (T, F), 13 MFCC by default, that `build` made of a file."""
    return _entry(cache, "mfcc", audio_path, audio or AudioConfig())["values"]


def _entry(cache, kind, path, configuration):
    return caches.load(caches.folder(cache, kind, configuration) / f"{caches.key_of(cache, path)}.npz")


def _gather(table, plan, on_disk):
    """The FeatureSet; None where an entry is damaged, which the plan has noted."""
    kept = table[table.clip_id.isin(plan.entries)]
    if not len(kept):
        raise ValueError(f"none of the {len(table)} clips can be used.\n{plan.excluded}")
    fields = {}
    for stream in plan.streams:
        kind = "vgg16" if stream == "video" else stream
        shapes, parts = [], []
        for clip_id in kept.clip_id:
            if stored := plan.read(clip_id, kind):
                shapes.append(stored["values"].shape)
                parts.append(None if on_disk else stored["values"])
        if plan.damaged:
            return None
        length = np.array([n for n, _ in shapes], dtype=np.int32)
        shape = (len(shapes), max(shapes)[0], shapes[0][1])
        if on_disk:
            path = pathlib.Path(on_disk) / f"{stream}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            padded = new_array(path, np.float32, shape) if on_disk else np.zeros(shape, dtype=np.float32)
        except MemoryError as error:
            longest = f"{kept.clip_id.iloc[int(length.argmax())]} has {length.max()} {stream} frames"
            usual = f"half of the clips have at most {np.median(length):.0f}"
            raise MemoryError(f"{longest}, to which all are padded; {usual}: cut it, or leave it out") from error
        for row, clip_id, n, part in zip(padded, kept.clip_id, length, parts):
            row[:n] = caches.load(plan.entries[clip_id][kind])["values"] if part is None else part
        fields |= {stream: OnDisk(path) if on_disk else padded, f"{stream}_length": length}
    fields |= {name: kept[name].to_numpy(dtype=np.int64) for name in ("label", "actor")}
    fields |= {"clip_id": kept.clip_id.to_numpy(dtype=str), "classes": _classes(table)}
    fields |= {"data": table.attrs.get("data", ""), "preprocessing": plan.preprocessing}
    feature_set = FeatureSet(**fields, excluded=plan.excluded)
    return feature_set.save_folder(on_disk) if on_disk else feature_set


def _classes(table):
    """The emotions' names in the order of their labels: the column's categories, or what its rows hold."""
    if hasattr(table.emotion, "cat"):
        return tuple(table.emotion.cat.categories)
    names = dict(zip(table.label, table.emotion))
    if sorted(names) != list(range(len(names))):
        raise ValueError(f"labels are {sorted(names)}; they must count 0, 1, 2, … without a gap")
    return tuple(names[label] for label in range(len(names)))
