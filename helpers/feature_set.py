"""FeatureSet: every clip's features as right-padded arrays, ready for the models."""

import dataclasses
import hashlib
import os
import pathlib

import numpy as np

from helpers.exclusions import Exclusions

STREAMS = ("video", "audio")


@dataclasses.dataclass(frozen=True)
class FeatureSet:
    """N clips' features. Either stream may be None; a clip that is here has every stream that is.

    Attributes:
        clip_id: str (N,).
        label: int64 (N,), places in `classes`.
        actor: int64 (N,).
        classes: tuple of the emotions' names.
        video: float32 (N, Tv, D), right-padded with zeros, or None.
        video_length: int32 (N,), frames of each clip, at least 1.
        audio: float32 (N, Ta, F), right-padded with zeros, or None.
        audio_length: int32 (N,).
        excluded: Exclusions, the clips that could not be used, with their reasons.
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

    def inputs(self, rows=slice(None), streams=None):
        """The models' input dict for `rows`: {"video": (n, Tv, D), "video_length": (n,), …}."""
        names = [name for stream in streams or self.streams for name in (stream, f"{stream}_length")]
        return {name: getattr(self, name)[rows] for name in names}

    def subset(self, rows):
        """A FeatureSet of `rows` (int or bool array)."""
        fields = {"clip_id": self.clip_id[rows], "label": self.label[rows], "actor": self.actor[rows]}
        return FeatureSet(**fields, **self.inputs(rows), classes=self.classes, excluded=self.excluded)

    def normalisation(self, rows, stream):
        """Mean and variance of the real steps of `rows`: two float32 (D,). A constant number gets variance 1."""
        values, length = getattr(self, stream)[rows], getattr(self, f"{stream}_length")[rows]
        real = values[np.arange(values.shape[1]) < length[:, None]]  # (steps, D)
        mean, variance = real.mean(axis=0, dtype="float64"), real.var(axis=0, dtype="float64")
        return mean.astype("float32"), np.where(variance > 1e-8, variance, 1.0).astype("float32")

    def fingerprint(self):
        """Sixteen hex digits that change with any clip, label or number in here."""
        digest = hashlib.sha256("\n".join([*self.classes, *self.clip_id]).encode())
        for array in (self.label, self.actor, *self.inputs().values()):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]

    def save(self, path):
        """Writes one .npz, to a temporary name first; nothing in it is pickled."""
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        fields = {name: getattr(self, name) for name in ("clip_id", "label", "actor")}
        excluded = np.array(self.excluded, dtype=str).reshape(-1, 2)
        with open(temporary, "wb") as file:
            np.savez(file, **fields, **self.inputs(), classes=np.array(self.classes), excluded=excluded)
        os.replace(temporary, path)

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: the file is no FeatureSet.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                fields = {name: stored[name] for name in stored.files}
            fields["classes"] = tuple(fields["classes"].tolist())
            fields["excluded"] = Exclusions(tuple(row) for row in fields["excluded"].tolist())
            return cls(**fields)
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(f"{path} is not a FeatureSet that .save wrote ({error}); build it again") from error
