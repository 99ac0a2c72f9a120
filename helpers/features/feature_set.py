"""FeatureSet: every clip's features as right-padded arrays, ready for the models."""

import dataclasses
import hashlib
import json
import os
import pathlib

import numpy as np

from helpers import config
from helpers.data.exclusions import Exclusions

STREAMS = ("video", "audio")
_ROWS = 4096  # clips read at a time where all of them are gone through


class OnDisk:
    """An array in a .npy file, of which only the rows asked for come into memory: N may be larger than it.

    Args:
        path: .npy file; nothing in it is unpickled.
    """

    def __init__(self, path):
        self.path = str(path)
        whole = self._whole()
        self.shape, self.dtype, self.ndim = whole.shape, whole.dtype, whole.ndim

    def _whole(self):
        return np.load(self.path, mmap_mode="r", allow_pickle=False)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        # Mapped anew each time: pages that were read do not pile up in this process.
        return np.array(self._whole()[rows])


@dataclasses.dataclass(frozen=True)
class FeatureSet:
    """N clips' features. Either stream may be None; a clip that is here has every stream that is.

    Attributes:
        clip_id: str (N,).
        label: int64 (N,), places in `classes`.
        actor: int64 (N,).
        classes: tuple of the emotions' names.
        video: float32 (N, Tv, D), right-padded with zeros, or None. Either stream may be OnDisk, for sets that are
            larger than the memory; see `batches`.
        video_length: int32 (N,), frames of each clip, at least 1.
        audio: float32 (N, Ta, F), right-padded with zeros, or None.
        audio_length: int32 (N,).
        excluded: Exclusions, the clips that could not be used, with their reasons.
        preprocessing: how the features were made, as `features.build` notes it: {"video": VideoConfig's values,
            "vgg16": identity of the weights, "audio": AudioConfig's values}, the streams that are here; None where
            nobody noted it. No part of the fingerprint.
    """

    clip_id: np.ndarray
    label: np.ndarray
    actor: np.ndarray
    classes: tuple
    video: np.ndarray | None = None
    video_length: np.ndarray | None = None
    audio: np.ndarray | None = None
    audio_length: np.ndarray | None = None
    excluded: Exclusions = dataclasses.field(default_factory=Exclusions)
    preprocessing: dict | None = None

    def __post_init__(self):
        if self.video is None and self.audio is None:
            raise ValueError("a FeatureSet needs video or audio features; both are None")
        for name in ("label", "actor", "video", "video_length", "audio", "audio_length"):
            value = getattr(self, name)
            if value is not None and len(value) != len(self.clip_id):
                raise ValueError(f"{name} has {len(value)} rows for {len(self.clip_id)} clips")
        for stream in self.streams:
            if len(self) and getattr(self, f"{stream}_length").min() < 1:
                raise ValueError(f"a clip has no {stream} step at all; leave it out before it reaches a model")

    def __len__(self):
        return len(self.clip_id)

    @property
    def streams(self):
        """The streams that are here: "video", "audio" or both."""
        return tuple(stream for stream in STREAMS if getattr(self, stream) is not None)

    @property
    def on_disk(self):
        """True where a stream's array stays in its file."""
        return any(isinstance(getattr(self, stream), OnDisk) for stream in self.streams)

    def inputs(self, rows=slice(None), streams=None):
        """The models' input dict for `rows`: {"video": (n, Tv, D), "video_length": (n,), …}."""
        names = [name for stream in streams or self.streams for name in (stream, f"{stream}_length")]
        return {name: getattr(self, name)[rows] for name in names}

    def subset(self, rows):
        """A FeatureSet of `rows` (int or bool array)."""
        fields = {"clip_id": self.clip_id[rows], "label": self.label[rows], "actor": self.actor[rows]}
        rest = {name: getattr(self, name) for name in ("classes", "excluded", "preprocessing")}
        return FeatureSet(**fields, **self.inputs(rows), **rest)

    def batches(self, rows, batch_size, streams=None, labels=True, seed=None, trim=False, train=None):
        """The clips of `rows` batch by batch, for `fit` and `predict`: keras.utils.PyDataset.

        Args:
            rows: int array.
            batch_size: clips.
            streams: as in `inputs`.
            labels: False gives the inputs alone.
            seed: of the order, drawn anew each epoch; None keeps the order of `rows`.
            trim: clips of about one length come together, padded no further than they need; only with a seed.
            train: TrainConfig: with a seed, how the clips are changed anew each epoch; and whether labels are shares of
                the classes, float32 (n, C), or their numbers.
        """
        from helpers.features.batches import Batches

        return Batches(self, rows, batch_size, streams or self.streams, labels, seed, trim, train)

    def normalisation(self, rows, stream):
        """Mean and variance of the real steps of `rows`: two float32 (D,). A constant number gets variance 1."""
        rows = np.arange(len(self))[rows]

        def mean(of):
            total, count = 0.0, 0
            for at in range(0, len(rows), _ROWS):
                part = rows[at : at + _ROWS]
                values, length = getattr(self, stream)[part], getattr(self, f"{stream}_length")[part]
                real = values[np.arange(values.shape[1]) < length[:, None]]  # (steps, D)
                total, count = total + of(real).sum(axis=0, dtype="float64"), count + len(real)
            return total / count

        middle = mean(lambda real: real)
        variance = mean(lambda real: (real - middle) ** 2)
        return middle.astype("float32"), np.where(variance > 1e-8, variance, 1.0).astype("float32")

    def fingerprint(self, streams=None):
        """Sixteen hex digits that change with any clip, label or number in here, or in `streams` alone."""
        digest = hashlib.sha256("\n".join([*self.classes, *self.clip_id]).encode())
        names = [name for stream in streams or self.streams for name in (stream, f"{stream}_length")]
        for array in (self.label, self.actor, *(getattr(self, name) for name in names)):
            for at in range(0, len(array), _ROWS):
                digest.update(np.ascontiguousarray(array[at : at + _ROWS]).data)
        return digest.hexdigest()[:16]

    def _fields(self):
        names = [name for stream in self.streams for name in (stream, f"{stream}_length")]
        fields = {name: getattr(self, name) for name in ("clip_id", "label", "actor", *names)}
        if self.preprocessing:
            fields["preprocessing"] = np.array([json.dumps(self.preprocessing)])
        return fields | {
            "classes": np.array(self.classes),
            "excluded": np.array(self.excluded, dtype=str).reshape(-1, 2),
        }

    def save(self, path):
        """Writes one .npz, to a temporary name first; nothing in it is pickled."""
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        with open(temporary, "wb") as file:
            np.savez(file, **{name: value[:] for name, value in self._fields().items()})
        os.replace(temporary, path)

    def save_folder(self, folder):
        """Writes a folder with one .npy an array, for sets larger than the memory; `load` leaves them on the disk."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in self._fields().items():
            if not (isinstance(value, OnDisk) and pathlib.Path(value.path) == folder / f"{name}.npy"):
                out = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", value.dtype, value.shape)
                for at in range(0, len(value), _ROWS):
                    out[at : at + _ROWS] = value[at : at + _ROWS]
                out.flush()
        return self.load(folder)

    @classmethod
    def load(cls, path):
        """Reads what `save` or `save_folder` wrote; out of a folder the streams are OnDisk.

        Raises:
            FileNotFoundError: no such file.
            ValueError: the file is no FeatureSet.
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
            return cls(**fields)
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(f"{path} is not a FeatureSet that .save wrote ({error}); build it again") from error
