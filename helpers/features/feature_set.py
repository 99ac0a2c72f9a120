"""FeatureSet: every clip's features as right-padded arrays, ready for the models."""

import dataclasses
import hashlib
import json
import os
import pathlib

import numpy as np

from helpers import config, runtime
from helpers.data.exclusions import Exclusions

STREAMS = ("video", "audio")
_ROWS = 4096  # clips read at a time where all of them are gone through


def new_array(path, dtype, shape):
    """A new .npy file as an array, its room taken at once: a mapped file on a full disk would kill the process."""
    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, os.path.getsize(path))
            except OSError as error:
                raise OSError(error.errno, f"{os.path.getsize(path) / 1e9:.1f} GB do not fit", str(path)) from error
    return array


class OnDisk:
    """An array in a .npy file, of which only the rows asked for come into memory: it may be larger than the memory."""

    def __init__(self, path):
        self.path = str(path)
        array = self._mapped()
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def _mapped(self):  # anew each time: pages that were read do not pile up in this process
        return np.load(self.path, mmap_mode="r", allow_pickle=False)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        return np.array(self._mapped()[rows])


@dataclasses.dataclass(frozen=True)
class FeatureSet:
    """The features of N clips. Either modality may be None; a clip has every modality that the set has.

    `preprocessing` is how they were made: {"video": VideoConfig's values, "vgg16": identity of the weights, "audio":
    AudioConfig's values}, None where it was not recorded. `data` names the clips: "synthetic", "ravdess", "own clips
    (clips.csv)", "" where it was not recorded. Neither is part of the fingerprint.
    """

    clip_id: np.ndarray  # str (N,)
    label: np.ndarray  # int64 (N,), places in `classes`
    actor: np.ndarray  # int64 (N,)
    classes: tuple  # the emotions' names
    video: np.ndarray | None = None  # float32 (N, Tv, D), right-padded with zeros; or OnDisk
    video_length: np.ndarray | None = None  # int32 (N,), frames of each clip, at least 1
    audio: np.ndarray | None = None  # float32 (N, Ta, F), in the same way
    audio_length: np.ndarray | None = None
    excluded: Exclusions = dataclasses.field(default_factory=Exclusions)  # the clips that could not be used, and why
    preprocessing: dict | None = None
    data: str = ""

    def __post_init__(self):
        if self.video is None and self.audio is None:
            raise ValueError("a FeatureSet needs video or audio features; both are None")
        for name in ("label", "actor", *self._names()):
            if (rows := len(getattr(self, name))) != len(self):
                raise ValueError(f"{name} has {rows} rows for {len(self)} clips")
        for stream in self.streams:
            if len(self) and getattr(self, f"{stream}_length").min() < 1:
                raise ValueError(f"a clip has no {stream} frame at all; leave it out before it reaches a model")

    def __len__(self):
        return len(self.clip_id)

    @property
    def streams(self):
        """The modalities of the set: "video", "audio" or both."""
        return tuple(stream for stream in STREAMS if getattr(self, stream) is not None)

    def _names(self, streams=None):
        return [name for stream in streams or self.streams for name in (stream, f"{stream}_length")]

    def inputs(self, rows=slice(None), streams=None):
        """The models' input dict for `rows`: {"video": (n, Tv, D), "video_length": (n,), …}."""
        return {name: getattr(self, name)[rows] for name in self._names(streams)}

    def subset(self, rows):
        """A FeatureSet of `rows` (int or bool array)."""
        fields = {name: getattr(self, name)[rows] for name in ("clip_id", "label", "actor", *self._names())}
        return dataclasses.replace(self, **fields)

    def batches(self, rows, batch_size, streams=None, labels=True, seed=None, bucket=False, train=None):
        """The clips of `rows` (int array) batch by batch, for `fit` and `predict`: keras.utils.PyDataset.

        Args:
            labels: False gives the inputs alone.
            seed: of the order, another in each epoch; None keeps the order of `rows`.
            bucket: clips of about one length come together, padded no further than they need; only with a seed.
            train: TrainConfig: with a seed, the augmentation; with mixup or label smoothing, labels are float32 (n, C).
        """
        from helpers.features.batches import Batches

        return Batches(self, rows, batch_size, streams or self.streams, labels, seed, bucket, train)

    def normalisation(self, rows, stream):
        """Mean and variance of all frames of `rows`, without padding: two float32 (D,). A constant gets variance 1."""
        rows = np.arange(len(self))[rows]

        def mean(of):
            total, count = 0.0, 0
            for at in range(0, len(rows), _ROWS):
                part = rows[at : at + _ROWS]
                values, length = getattr(self, stream)[part], getattr(self, f"{stream}_length")[part]
                frames = values[np.arange(values.shape[1]) < length[:, None]]  # (n, D)
                total, count = total + of(frames).sum(axis=0, dtype="float64"), count + len(frames)
            return total / count

        middle = mean(lambda frames: frames)
        variance = mean(lambda frames: (frames - middle) ** 2)
        return middle.astype("float32"), np.where(variance > 1e-8, variance, 1.0).astype("float32")

    def fingerprint(self, streams=None):
        """Sixteen hex digits that change with any clip, label or number in here, or in `streams` alone."""
        digest = hashlib.sha256("\n".join([*self.classes, *self.clip_id]).encode())
        for name in ("label", "actor", *self._names(streams)):
            array = getattr(self, name)
            for at in range(0, len(array), _ROWS):
                digest.update(np.ascontiguousarray(array[at : at + _ROWS]).data)
        return digest.hexdigest()[:16]

    def _fields(self):
        fields = {name: getattr(self, name) for name in ("clip_id", "label", "actor", *self._names())}
        if self.preprocessing:
            fields["preprocessing"] = np.array([json.dumps(self.preprocessing)])
        excluded = np.array(self.excluded, dtype=str).reshape(-1, 2)
        return fields | {"classes": np.array(self.classes), "excluded": excluded, "data": np.array([self.data])}

    def save(self, path):
        """Writes one .npz; nothing in it is pickled."""
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        with runtime.replacing(path) as file:
            np.savez(file, **{name: value[:] for name, value in self._fields().items()})

    def save_folder(self, folder):
        """Writes a folder with one .npy an array, for sets larger than the memory; `load` leaves them on the disk."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for field in {field.name for field in dataclasses.fields(self)} - self._fields().keys():
            (folder / f"{field}.npy").unlink(missing_ok=True)  # of another set that lay here
        for name, value in self._fields().items():
            if not (isinstance(value, OnDisk) and pathlib.Path(value.path) == folder / f"{name}.npy"):
                out = new_array(folder / f"{name}.npy", value.dtype, value.shape)
                for at in range(0, len(value), _ROWS):
                    out[at : at + _ROWS] = value[at : at + _ROWS]
                out.flush()
        return self.load(folder)

    @classmethod
    def load(cls, path):
        """Reads what `save` or `save_folder` wrote; out of a folder the features are OnDisk.

        Raises FileNotFoundError, ValueError: no such file; it is no FeatureSet.
        """
        try:
            if pathlib.Path(path).is_dir():
                files = {file.stem: file for file in pathlib.Path(path).glob("*.npy")}
                fields = {n: OnDisk(f) if n in STREAMS else np.load(f, allow_pickle=False) for n, f in files.items()}
            else:
                with np.load(path, allow_pickle=False) as stored:
                    fields = {name: stored[name] for name in stored.files}
            fields["classes"] = tuple(fields["classes"].tolist())
            fields["excluded"] = Exclusions(tuple(row) for row in fields["excluded"].tolist())
            if "preprocessing" in fields:  # earlier files have none
                fields["preprocessing"] = config.renamed(json.loads(fields["preprocessing"][0]))
            fields["data"] = str(fields.get("data", [""])[0])
            return cls(**fields)
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(f"{path} is not a FeatureSet that .save wrote ({error}); build it again") from error
