"""RAVDESS: the name code, an index of the clips, and folds by four protocols (thesis 3.2.3, 3.3.1).

The Ryerson Audio-Visual Database of Emotional Speech and Song, Livingstone & Russo 2018 (10.1371/journal.pone.0196391),
Zenodo record 1188976, CC BY-NC-SA 4.0. 24 actors speak two sentences in eight emotions: 1440 takes.
"""

import pathlib
from typing import NamedTuple

import numpy as np

from helpers.data import mp4
from helpers.data.exclusions import Exclusions

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
SUFFIXES = (".mp4", ".wav", ".flac")

# Test actors of published actor-wise folds: Luna-Jiménez et al. 2022, doi:10.3390/app12010327, and EmoBox (Ma et al.
# 2024, arXiv:2406.07162).
PUBLISHED_FOLDS = {
    "luna2022": ((2, 5, 14, 15, 16), (3, 6, 7, 13, 18), (10, 11, 12, 19, 20), (8, 17, 21, 23, 24), (1, 4, 9, 22)),
    "emobox": ((1, 11, 20, 21), (4, 10, 12, 14), (8, 9, 19, 23), (3, 5, 7, 24), (2, 15, 16, 18), (6, 13, 17, 22)),
}

# One recording under two names, in the original: the second is tested wherever the first is.
SAME_RECORDING = ("01-03-01-02-01-07", "01-03-01-02-02-07")

# The name code's fields in order, and the highest value of each; the lowest is 1.
_FIELDS = {"modality": 3, "vocal channel": 2, "emotion": 8, "intensity": 2, "statement": 2, "repetition": 2}
_FIELDS |= {"actor": 24}


class Clip(NamedTuple):
    """One file's name code, decoded."""

    clip_id: str  # the name without its ending
    modality: int  # 1 audio-video, 2 video-only, 3 audio-only
    channel: str  # "speech" or "song"
    emotion: str  # one of EMOTIONS
    label: int  # its place in EMOTIONS, 0 … 7
    intensity: int  # 1 normal, 2 strong
    statement: int  # 1 "Kids are talking by the door", 2 "Dogs are sitting by the door"
    repetition: int  # 1 or 2
    actor: int  # 1 … 24
    sex: str  # "male" for odd actors, "female" for even ones

    @property
    def take(self):
        """The name code without the modality: the same for all files of one performance."""
        return self.clip_id[3:]


def parse(name):
    """Decodes a RAVDESS file name, `MM-VV-EE-II-SS-RR-AA` with or without folders and ending, as a Clip.

    Raises ValueError: naming the field that is not as the code has it.
    """
    path = pathlib.PurePath(name)
    stem = path.stem if path.suffix in SUFFIXES else path.name
    parts, values = stem.split("-"), []
    if len(parts) != len(_FIELDS):
        raise ValueError(f"{stem!r} has {len(parts)} fields; a RAVDESS name has 7: MM-VV-EE-II-SS-RR-AA")
    for part, (field, high) in zip(parts, _FIELDS.items()):
        if not (len(part) == 2 and part.isascii() and part.isdigit() and 1 <= int(part) <= high):
            raise ValueError(f"{stem!r}: the {field} is {part!r}; it must be 01 to {high:02}")
        values.append(int(part))
    modality, channel, emotion, intensity, statement, repetition, actor = values
    if (emotion, intensity) == (1, 2):
        raise ValueError(f"{stem!r}: the intensity is '02'; neutral has no strong intensity")
    channel, sex = ("speech", "song")[channel - 1], "male" if actor % 2 else "female"
    label = emotion - 1
    return Clip(stem, modality, channel, EMOTIONS[label], label, intensity, statement, repetition, actor, sex)


def index(root, video_only=False):
    """Lists the speech clips below a folder, one row a take.

    An audio-only recording (03) and an audio-video clip (01) of one take become one row with two paths. The video-only
    clips (02) are the audio-video takes once more, without sound: as samples of their own they would put one take into
    training and test, so they are left out unless asked for.

    Args:
        root, video_only: folder, searched with all its subfolders; True also lists takes without any other clip.
    Returns:
        pandas.DataFrame sorted by clip_id, columns: clip_id, path, emotion, label, intensity, statement, repetition,
        actor, sex, modality, video_path, audio_path ("" where there is none). `.attrs["excluded"]` is the
        Exclusions: every file that is no row, with the reason; `.attrs["data"]` is "ravdess", or "synthetic".
    Raises FileNotFoundError: no such folder, or no RAVDESS speech clip in it; says what was found instead.
    """
    root = pathlib.Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder. Give the folder that holds Actor_01, Actor_02, …")
    excluded, takes, rows = Exclusions(), {}, []
    paths = sorted(p for p in root.rglob("*") if not p.name.startswith(".") and p.suffix.lower() in SUFFIXES)
    for path in paths:
        name = str(path.relative_to(root))
        try:
            clip = parse(path.stem)
        except ValueError as error:
            excluded.add(name, f"not a RAVDESS name ({str(error).split(': ')[-1]})")
            continue
        if clip.channel == "song":
            excluded.add(name, "song, not speech")
        elif clip.modality in takes.setdefault(clip.take, {}):
            excluded.add(name, f"same clip as {takes[clip.take][clip.modality][1].relative_to(root)}")
        else:
            takes[clip.take][clip.modality] = (clip, path)
    for files in takes.values():
        if 2 in files and (1 in files or not video_only):
            reason = "video-only twin of an audio-video take" if 1 in files else "video-only clip (video_only=False)"
            excluded.add(files.pop(2)[1].relative_to(root), reason)
        if files:
            rows.append(row(files))
    if not rows:
        files = f"{len(paths)} media files, none of them usable.\n{excluded}" if paths else "no .mp4, .wav or .flac"
        raise FileNotFoundError(f"no RAVDESS speech clip below {root}: found {files}")
    return as_table(rows, excluded)


def row(files):
    """One take's row from {modality: (Clip, path)}; sound comes from the recording where there is one."""
    clip, path = files[min(files)]
    video, audio = files.get(1) or files.get(2), files.get(3) or files.get(1)
    names = ("emotion", "label", "intensity", "statement", "repetition", "actor", "sex", "modality")
    paths = {"video_path": str(video[1]) if video else "", "audio_path": str(audio[1]) if audio else ""}
    return {"clip_id": clip.clip_id, "path": str(path)} | {name: getattr(clip, name) for name in names} | paths


def as_table(rows, excluded=(), classes=EMOTIONS, data="ravdess"):
    """The DataFrame of some rows, sorted by clip_id; emotion is a categorical column in the order of `classes`."""
    import pandas as pd

    table = pd.DataFrame(rows).sort_values("clip_id", ignore_index=True)
    table["emotion"] = pd.Categorical(table.emotion, categories=classes)
    synthetic = any(mp4.is_synthetic(row["path"]) for row in rows[:5])  # some may be damaged
    table.attrs |= {"excluded": Exclusions(excluded), "data": "synthetic" if synthetic else data}
    return table


def folds(table, protocol="random", n_folds=10, seed=0):
    """Splits the clips for cross-validation.

    Args:
        table: anything with `label` (N,), `actor` (N,) and perhaps `clip_id`: `index(…)`, or a FeatureSet.
        protocol: "random" (the thesis': stratified by emotion, the same actors on both sides), "actor" (stratified,
            no actor on both sides), "luna2022" or "emobox" (five and six published actor-wise folds; `n_folds` and
            `seed` unused).
    Returns: list of (train, test): int arrays of row numbers. Each row is in exactly one test.
    Raises ValueError: unknown protocol, more folds than clips of an emotion or than actors, or an empty published fold.
    """
    from sklearn.model_selection import PredefinedSplit, StratifiedGroupKFold, StratifiedKFold

    label, actor = np.asarray(table.label), np.asarray(table.actor)
    rows = np.arange(len(label))
    if protocol in PUBLISHED_FOLDS:
        return list(PredefinedSplit(_published_fold(actor, protocol)).split())
    if protocol not in ("random", "actor"):
        raise ValueError(f'protocol is {protocol!r}; "random", "actor", "luna2022" or "emobox"')
    if n_folds < 2:
        raise ValueError(f"n_folds is {n_folds}; at least 2")
    if protocol == "actor":
        n_actors = len(np.unique(actor))
        if n_folds > n_actors:
            raise ValueError(f"{n_folds} folds of {n_actors} actors: ask for at most {n_actors} folds")
        return list(StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed).split(rows, label, groups=actor))
    labels, counts = np.unique(label, return_counts=True)
    if n_folds > counts.min():
        rarest = labels[counts.argmin()]
        raise ValueError(f"{n_folds} folds, but only {counts.min()} clips of label {rarest}: ask for fewer folds")
    fold = np.empty_like(rows)
    for number, (_, test) in enumerate(StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(rows, label)):
        fold[test] = number
    names = getattr(table, "clip_id", ())
    first, second = (np.flatnonzero([str(name).endswith(take) for name in names]) for take in SAME_RECORDING)
    fold[second[: len(first)]] = fold[first[: len(second)]]
    return [(rows[fold != number], rows[fold == number]) for number in range(n_folds)]


def _published_fold(actor, protocol):
    """The number of the published fold that tests each row, from 0."""
    folds = PUBLISHED_FOLDS[protocol]
    number = {a: fold for fold, actors in enumerate(folds) for a in actors}
    if unknown := sorted(set(actor.tolist()) - set(number)):
        raise ValueError(f"{protocol} has RAVDESS' actors 1 to 24, not {unknown}")
    for fold, actors in enumerate(folds, start=1):
        if not np.isin(actor, actors).any():
            raise ValueError(f"{protocol} fold {fold} tests on actors {actors}, and none of them is here: use all 24")
    return [number[a] for a in actor.tolist()]
