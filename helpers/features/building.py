"""Clips to features, once: a cache with one entry a file, built in parallel, read into a FeatureSet."""

import pathlib
import sys

import numpy as np

from helpers import runtime
from helpers.config import AudioConfig, VideoConfig
from helpers.data import ravdess_zenodo
from helpers.features import cache as caches
from helpers.features import clip, preprocess
from helpers.features.feature_set import STREAMS, FeatureSet, OnDisk
from helpers.video import faces


def build(
    table, cache, workers=None, progress=True, *, streams=None, video=None, audio=None, weights=None, on_disk=None
):
    """Makes, or takes from the cache, the features of every clip of a table.

    A clip that cannot be used (cut short, no face in any frame, silence, …) is left out by name; see `.excluded` of the
    result. Killed at any point, the next call goes on where this one was.

    Args:
        table: `ravdess.index(…)`: columns clip_id, label, emotion, actor, video_path, audio_path; from `datasets.load`
            also one's own clips, or clips that are still on a server and are brought an actor at a time.
        cache: folder, made if absent. Entries are keyed by the configuration that made them.
        workers: processes; by default one a core.
        progress: show bars.
        streams: ("video",), ("audio",) or both; by default those that any clip of the table has. A clip that lacks
            one of them is left out.
        video, audio: VideoConfig, AudioConfig; the thesis' by default.
        weights: VGG16 weights, as in `backbone.find_weights`; for the table of `datasets.load("synthetic")` random
            ones may stand in.
        on_disk: folder to put the padded arrays into, for sets larger than the memory; None keeps them in memory.

    Returns:
        FeatureSet.

    Raises:
        FileNotFoundError: VGG16's weights cannot be had; says what to do.
        ValueError: an empty table, two clips with one id, or no clip left; with the reasons.
        DownloadError: clips are to be brought and cannot be; those made so far are kept.
    """
    if not len(table):
        raise ValueError("the table has no clip; see ravdess.index")
    twice = table.clip_id[table.clip_id.duplicated()].unique()
    if len(twice):
        raise ValueError(f"two clips with one id: {', '.join(twice[:5])}; rename them, ids must differ")
    if streams is None:
        streams = tuple(stream for stream in STREAMS if (table[f"{stream}_path"] != "").any())
    synthetic = table.attrs.get("synthetic", False)
    plan = preprocess.Plan(cache, streams, video or VideoConfig(), audio or AudioConfig(), weights, synthetic)
    again = set()
    while True:
        preprocess.run(table, plan, workers or runtime.workers(), progress)
        found = _gather(table, plan, on_disk)
        if found is not None:
            return found
        if again & set(plan.damaged):
            raise OSError(f"{plan.damaged[0]} is damaged, and was made only just now: is the disk full?")
        again |= set(plan.damaged)
        names = ", ".join(path.name for path in plan.damaged[:3]) + (", …" if len(plan.damaged) > 3 else "")
        print(f"{len(plan.damaged)} damaged in the cache, made again: {names}", file=sys.stderr)
        for path in plan.damaged:
            path.unlink()


def example(table, emotion="happy", video=None, audio=None):
    """A clip to look at: the first of an emotion that has a face and a sound, else the first of any.

    Args:
        table: `ravdess.index(…)`.
        emotion: the one to prefer.
        video, audio: VideoConfig, AudioConfig.

    Returns:
        The clip's row, a namedtuple of the table's columns.

    Raises:
        ValueError: no clip of the table has both.
    """
    both = table[(table.video_path != "") & (table.audio_path != "")]
    for row in both.sort_values("emotion", key=lambda names: names != emotion, kind="stable").itertuples(index=False):
        ravdess_zenodo.fetch_row(row)
        paths = {"video": row.video_path, "audio": row.audio_path}
        _, missing = clip.streams(paths, video or VideoConfig(), audio or AudioConfig())
        if not missing:  # else `build` names it among the excluded
            return row
    raise ValueError(f"none of the {len(table)} clips has both a face and a sound to look at")


def cached_track(cache, video_path, video=None):
    """The FaceTrack that `build` made of a file, to look at."""
    place = caches.folder(cache, "faces", video or VideoConfig())
    return faces.FaceTrack(**caches.load(place / f"{caches.key_of(cache, video_path)}.npz"))


def cached_mfcc(cache, audio_path, audio=None):
    """The MFCC (T, 13) that `build` made of a file, to look at."""
    place = caches.folder(cache, "mfcc", audio or AudioConfig())
    return caches.load(place / f"{caches.key_of(cache, audio_path)}.npz")["values"]


def _gather(table, plan, on_disk=None):
    """The FeatureSet; None where an entry is damaged, which the plan has noted."""
    if plan.damaged:
        return None
    kept = table[table.clip_id.isin(plan.entries)]
    if not len(kept):
        raise ValueError(f"none of the {len(table)} clips can be used.\n{plan.excluded}")
    fields = {}
    for stream in plan.streams:
        kind = "vgg16" if stream == "video" else stream
        lengths, parts = [], []
        for clip_id in kept.clip_id:
            stored = plan.read(clip_id, kind)
            if stored:
                lengths.append(len(stored["values"]))
                parts.append(None if on_disk else stored["values"])
                width = stored["values"].shape[1]
        if plan.damaged:
            continue
        shape = (len(lengths), max(lengths), width)
        if on_disk:
            pathlib.Path(on_disk).mkdir(parents=True, exist_ok=True)
            padded = np.lib.format.open_memmap(pathlib.Path(on_disk) / f"{stream}.npy", "w+", np.float32, shape)
        else:
            padded = np.zeros(shape, dtype=np.float32)
        for row, clip_id, length, part in zip(padded, kept.clip_id, lengths, parts):
            row[:length] = caches.load(plan.entries[clip_id][kind])["values"] if part is None else part
        fields |= {stream: padded, f"{stream}_length": np.array(lengths, dtype=np.int32)}
    if plan.damaged:
        return None
    if on_disk:
        fields |= {stream: OnDisk(pathlib.Path(on_disk) / f"{stream}.npy") for stream in plan.streams}
    found = FeatureSet(
        clip_id=kept.clip_id.to_numpy(dtype=str),
        label=kept.label.to_numpy(dtype=np.int64),
        actor=kept.actor.to_numpy(dtype=np.int64),
        classes=_classes(table),
        excluded=plan.excluded,
        preprocessing=plan.preprocessing(),
        **fields,
    )
    return found.save_folder(on_disk) if on_disk else found


def _classes(table):
    """The emotions' names in the order of their labels: the column's categories, or what its rows hold."""
    if hasattr(table.emotion, "cat"):
        return tuple(table.emotion.cat.categories)
    names = dict(zip(table.label, table.emotion))
    if sorted(names) != list(range(len(names))):
        raise ValueError(f"labels are {sorted(names)}; they must count 0, 1, 2, … without a gap")
    return tuple(names[label] for label in range(len(names)))
