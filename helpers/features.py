"""Clips to features, once: a cache with one entry a file, built in parallel, read into a FeatureSet."""

import hashlib
import json
import os
import pathlib
import warnings

import numpy as np

from helpers import backbone, config, faces, runtime, speech
from helpers.config import AudioConfig, VideoConfig
from helpers.exclusions import ClipError, Exclusions
from helpers.feature_set import STREAMS, FeatureSet

_SAMPLE = 16_384  # bytes of a file's beginning and end that its cache name depends on
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
        _embed(plan, excluded, progress)
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


def cached_track(cache, video_path, video=None):
    """The FaceTrack that `build` made of a file, to look at."""
    return faces.FaceTrack.load(_folder(cache, "faces", video or VideoConfig()) / f"{source_key(video_path)}.npz")


def cached_mfcc(cache, audio_path, audio=None):
    """The MFCC (T, 13) that `build` made of a file, to look at."""
    path = _folder(cache, "mfcc", audio or AudioConfig()) / f"{source_key(audio_path)}.npy"
    return np.load(path, allow_pickle=False)


def source_key(path):
    """A file's name in the cache: its stem and twelve hex digits of its content.

    Two data sets may hold files of one name (the synthetic clips are named like RAVDESS'), and a clip may be replaced;
    size, first and last 16 kB tell them apart without reading gigabytes.
    """
    path = pathlib.Path(path)
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        digest = hashlib.sha256(str(size).encode())
        for start in (0, max(0, size - _SAMPLE)):
            file.seek(start)
            digest.update(file.read(_SAMPLE))
    return f"{path.stem}.{digest.hexdigest()[:12]}"


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
    plan = {"streams": tuple(streams), "video": video, "audio": audio, "entries": {}}
    plan["faces"] = _folder(cache, "faces", video)
    plan["mfcc"] = _folder(cache, "mfcc", audio)
    if "video" in plan["streams"]:
        plan["weights"], identity = backbone.find_weights(weights)
        plan["vgg16"] = _folder(cache, "vgg16", video, {"weights": identity})
    return plan


def _preprocess(table, plan, workers, progress):
    """Faces and MFCC of every clip that has no entry yet, in parallel; notes each clip's entries in the plan.

    Returns:
        Exclusions.
    """
    from joblib import Parallel, delayed
    from tqdm.auto import tqdm

    excluded, todo = Exclusions(), []
    for row in table.itertuples():
        sources = {stream: getattr(row, f"{stream}_path") for stream in plan["streams"]}
        lacking = [stream for stream, path in sources.items() if not path]
        gone = [path for path in sources.values() if path and not os.path.isfile(path)]
        if lacking or gone:
            excluded.add(row.clip_id, f"no {lacking[0]} file" if lacking else f"{gone[0]} is not there any more")
            continue
        entries = {stream: _entry(plan, stream, source_key(path)) for stream, path in sources.items()}
        plan["entries"][row.clip_id] = entries
        wanted = {s: (sources[s], entry) for s, entry in entries.items() if not entry.is_file()}
        if wanted:
            todo.append((row.clip_id, wanted))
    jobs = (delayed(_make_entries)(clip_id, wanted, plan["video"], plan["audio"]) for clip_id, wanted in todo)
    done = Parallel(n_jobs=min(workers, max(1, len(todo))), return_as="generator_unordered")(jobs)
    with warnings.catch_warnings():
        # joblib replaces a worker that grew by 100 MB, as importing the detector does; its job is not lost.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
        for clip_id, reason in tqdm(done, total=len(todo), desc="faces and MFCC", unit="clip", disable=not progress):
            if reason:
                excluded.add(clip_id, reason)
    for clip_id, _ in excluded:
        plan["entries"].pop(clip_id, None)
    excluded.sort()
    return excluded


def _entry(plan, stream, name):
    return plan["faces"] / f"{name}.npz" if stream == "video" else plan["mfcc"] / f"{name}.npy"


def _make_entries(clip_id, wanted, video, audio):
    """One clip's missing cache entries, in a worker process. Returns (clip_id, reason it cannot be used or None)."""
    try:
        if "audio" in wanted:
            source, entry = wanted["audio"]
            coefficients = speech.mfcc(*speech.load(source, audio), audio)
            write(entry, lambda file: np.save(file, coefficients))
        if "video" in wanted:
            source, entry = wanted["video"]
            write(entry, faces.track(source, video).save)
    except ClipError as error:
        return clip_id, str(error).split(": ", 1)[-1]  # the report names the clip already
    return clip_id, None


def _embed(plan, excluded, progress):
    """VGG16 over the faces of all clips that have no embedding yet, many clips at once."""
    from tqdm.auto import tqdm

    waiting, count, todo = [], 0, []
    for clip_id, entries in plan["entries"].items():
        entries["vgg16"] = plan["vgg16"] / f"{entries['video'].stem}.npy"
        if not entries["vgg16"].is_file():
            todo.append(clip_id)
    for clip_id in tqdm(todo, desc="VGG16", unit="clip", disable=not progress or not todo):
        track = faces.FaceTrack.load(plan["entries"][clip_id]["video"])
        if not track.found.any():
            excluded.add(clip_id, f"no face in any of its {len(track.found)} frames")
            continue
        waiting.append((plan["entries"][clip_id]["vgg16"], track.frames))
        count += len(track.frames)
        if count >= EMBED_AT_ONCE:
            _embed_batch(waiting, plan)
            waiting, count = [], 0
    _embed_batch(waiting, plan)


def _embed_batch(waiting, plan):
    if not waiting:
        return
    vectors = backbone.embed(np.concatenate([frames for _, frames in waiting]), plan["weights"])
    ends = np.cumsum([len(frames) for _, frames in waiting])
    for (entry, _), part in zip(waiting, np.split(vectors, ends[:-1])):
        write(entry, lambda file, part=part: np.save(file, part))


def _gather(table, plan, excluded):
    out = {name for name, _ in excluded}
    kept = table[~table.clip_id.isin(out)]
    if not len(kept):
        raise ValueError(f"none of the {len(table)} clips can be used.\n{excluded}")
    fields = {}
    for stream in plan["streams"]:
        kind = "vgg16" if stream == "video" else stream
        arrays = [np.load(plan["entries"][clip_id][kind], allow_pickle=False) for clip_id in kept.clip_id]
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
