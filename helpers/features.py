"""Clips to features, once: a cache with one entry a clip, built in parallel, read into a FeatureSet."""

import json
import os
import pathlib
import warnings

import numpy as np

from helpers import backbone, config, faces, runtime, speech
from helpers.config import AudioConfig, VideoConfig
from helpers.exclusions import ClipError, Exclusions
from helpers.feature_set import STREAMS, FeatureSet

EMBED_AT_ONCE = 2048  # faces gathered over clips before VGG16 sees them: 14 MB of pictures, 57 MB as floats


def build(table, cache, workers=None, progress=True, *, streams=None, video=None, audio=None, weights=None):
    """Makes, or takes from the cache, the features of every clip of a table.

    A clip that cannot be used (cut short, no face in any frame, silence, …) is left out by name; see `.excluded` of the
    result. Killed at any point, the next call goes on where this one was.

    Args:
        table: `ravdess.index(…)`: columns clip_id, label, emotion, actor, video_path, audio_path.
        cache: folder, made if absent. Entries are keyed by the configuration that made them.
        workers: processes; by default one a core.
        progress: show bars.
        streams: ("video",), ("audio",) or both; by default those that any clip of the table has. A clip that lacks
            one of them is left out.
        video, audio: VideoConfig, AudioConfig; the thesis' by default.
        weights: VGG16 weights, as in `backbone.find_weights`.

    Returns:
        FeatureSet.

    Raises:
        ValueError: an empty table, two clips with one id, or no clip left; with the reasons.
    """
    plan = _plan(table, cache, streams, video or VideoConfig(), audio or AudioConfig(), weights)
    excluded = _preprocess(table, plan, workers or runtime.workers(), progress)
    if "video" in plan["streams"]:
        _embed(table, plan, excluded, progress)
    return _gather(table, plan, excluded)


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
        try:
            speech.load(row.audio_path, audio)
            if faces.track(row.video_path, video).found.any():
                return row
        except ClipError:
            continue  # `build` names it among the excluded
    raise ValueError(f"none of the {len(table)} clips has both a face and a sound to look at")


def cached_track(cache, clip_id, video=None):
    """The FaceTrack that `build` made of a clip, to look at."""
    return faces.FaceTrack.load(_folder(cache, "faces", video or VideoConfig()) / f"{clip_id}.npz")


def cached_mfcc(cache, clip_id, audio=None):
    """The MFCC (T, 13) that `build` made of a clip, to look at."""
    return np.load(_folder(cache, "mfcc", audio or AudioConfig()) / f"{clip_id}.npy", allow_pickle=False)


def _folder(cache, kind, *configs):
    """The cache's folder for one kind of entry made with these configurations, described in its config.json."""
    settings = {"kind": kind, "made_with": [config.as_dict(c) for c in configs]}
    folder = pathlib.Path(cache) / f"{kind}-{config.key(settings)}"
    if not (folder / "config.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / "config.json", lambda file: file.write(json.dumps(settings, indent=1).encode()))
    return folder


def write(path, save):
    """Calls `save(open binary file)` on a temporary name, then renames: `path` is whole or not there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            save(file)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _plan(table, cache, streams, video, audio, weights):
    if not len(table):
        raise ValueError("the table has no clip; see ravdess.index")
    twice = table.clip_id[table.clip_id.duplicated()].unique()
    if len(twice):
        raise ValueError(f"two clips with one id: {', '.join(twice[:5])}; rename them, ids must differ")
    if streams is None:
        streams = tuple(stream for stream in STREAMS if (table[f"{stream}_path"] != "").any())
    plan = {"streams": tuple(streams), "video": video, "audio": audio}
    plan["faces"] = _folder(cache, "faces", video)
    plan["mfcc"] = _folder(cache, "mfcc", audio)
    if "video" in plan["streams"]:
        plan["weights"], identity = backbone.find_weights(weights)
        plan["vgg16"] = _folder(cache, "vgg16", video, {"weights": identity})
    return plan


def _preprocess(table, plan, workers, progress):
    """Faces and MFCC of every clip that has no entry yet, in parallel. Returns the Exclusions."""
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    excluded, todo = Exclusions(), []
    for row in table.itertuples():
        lacking = [stream for stream in plan["streams"] if not getattr(row, f"{stream}_path")]
        if lacking:
            excluded.add(row.clip_id, f"no {lacking[0]} file")
            continue
        wanted = [s for s in plan["streams"] if not _entry(plan, s, row.clip_id).is_file()]
        if wanted:
            todo.append((row.clip_id, {s: getattr(row, f"{s}_path") for s in wanted}))
    jobs = (delayed(_make_entries)(clip_id, paths, plan) for clip_id, paths in todo)
    done = Parallel(n_jobs=min(workers, max(1, len(todo))), return_as="generator_unordered")(jobs)
    with warnings.catch_warnings():
        # joblib replaces a worker that grew by 100 MB, as importing the detector does; its job is not lost.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
        for clip_id, reason in tqdm(done, total=len(todo), desc="faces and MFCC", unit="clip", disable=not progress):
            if reason:
                excluded.add(clip_id, reason)
    excluded.sort()
    return excluded


def _entry(plan, stream, clip_id):
    return plan["faces"] / f"{clip_id}.npz" if stream == "video" else plan["mfcc"] / f"{clip_id}.npy"


def _make_entries(clip_id, paths, plan):
    """One clip's missing cache entries, in a worker process. Returns (clip_id, reason it cannot be used or None)."""
    try:
        if "audio" in paths:
            coefficients = speech.mfcc(*speech.load(paths["audio"], plan["audio"]), plan["audio"])
            write(_entry(plan, "audio", clip_id), lambda file: np.save(file, coefficients))
        if "video" in paths:
            track = faces.track(paths["video"], plan["video"])
            write(_entry(plan, "video", clip_id), track.save)
    except ClipError as error:
        return clip_id, str(error).split(": ", 1)[-1]  # the report names the clip already
    return clip_id, None


def _embed(table, plan, excluded, progress):
    """VGG16 over the faces of all clips that have no embedding yet, many clips at once."""
    from tqdm.auto import tqdm

    out = {name for name, _ in excluded}
    waiting, count = [], 0
    todo = [c for c in table.clip_id if c not in out and not (plan["vgg16"] / f"{c}.npy").is_file()]
    for clip_id in tqdm(todo, desc="VGG16", unit="clip", disable=not progress or not todo):
        track = faces.FaceTrack.load(_entry(plan, "video", clip_id))
        if track.found.any():
            waiting.append((clip_id, track.frames))
            count += len(track.frames)
        if count >= EMBED_AT_ONCE:
            _embed_batch(waiting, plan)
            waiting, count = [], 0
    _embed_batch(waiting, plan)
    for clip_id in table.clip_id:
        if clip_id not in out and not (plan["vgg16"] / f"{clip_id}.npy").is_file():
            frames = len(faces.FaceTrack.load(_entry(plan, "video", clip_id)).found)
            excluded.add(clip_id, f"no face in any of its {frames} frames")


def _embed_batch(waiting, plan):
    if not waiting:
        return
    vectors = backbone.embed(np.concatenate([frames for _, frames in waiting]), plan["weights"])
    ends = np.cumsum([len(frames) for _, frames in waiting])
    for (clip_id, _), part in zip(waiting, np.split(vectors, ends[:-1])):
        write(plan["vgg16"] / f"{clip_id}.npy", lambda file, part=part: np.save(file, part))


def _gather(table, plan, excluded):
    out = {name for name, _ in excluded}
    kept = table[~table.clip_id.isin(out)]
    if not len(kept):
        raise ValueError(f"none of the {len(table)} clips can be used.\n{excluded}")
    fields = {}
    for stream in plan["streams"]:
        folder = plan["vgg16"] if stream == "video" else plan["mfcc"]
        arrays = [np.load(folder / f"{clip_id}.npy", allow_pickle=False) for clip_id in kept.clip_id]
        length = np.array([len(array) for array in arrays], dtype=np.int32)
        padded = np.zeros((len(arrays), length.max(), arrays[0].shape[1]), dtype=np.float32)
        for row, array in zip(padded, arrays):
            row[: len(array)] = array
        fields |= {stream: padded, f"{stream}_length": length}
    return FeatureSet(
        clip_id=kept.clip_id.to_numpy(dtype=str),
        label=kept.label.to_numpy(dtype=np.int64),
        actor=kept.actor.to_numpy(dtype=np.int64),
        classes=_classes(table),
        excluded=excluded,
        **fields,
    )


def _classes(table):
    """The emotions' names in the order of their labels: RAVDESS' eight where the table's labels are RAVDESS'."""
    from helpers.ravdess import EMOTIONS

    names = dict(zip(table.label, table.emotion))
    if all(0 <= label < len(EMOTIONS) and EMOTIONS[label] == name for label, name in names.items()):
        return EMOTIONS
    if sorted(names) != list(range(len(names))):
        raise ValueError(f"labels are {sorted(names)}; they must count 0, 1, 2, … without a gap")
    return tuple(names[label] for label in range(len(names)))
