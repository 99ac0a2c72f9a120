"""One clip to what a model takes, by the very code that made the training's features."""

import dataclasses
import pathlib

import numpy as np

from helpers import backbone, config, faces, media, speech, voice
from helpers.config import AudioConfig, VideoConfig
from helpers.exclusions import ClipError

BLOCK = 16  # faces that go through VGG16 together, always as many: a backend compiles anew for another number


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """How a model's features were made.

    Attributes:
        video: VideoConfig, or None where the model takes no pictures.
        audio: AudioConfig, or None where it takes no sound.
        vgg16: identity of VGG16's weights as `backbone.find_weights` gives it; "" where nobody noted it.
        assumed: True where nobody noted any of it, and the thesis' preprocessing is taken.
    """

    video: VideoConfig | None = None
    audio: AudioConfig | None = None
    vgg16: str = ""
    assumed: bool = False

    @classmethod
    def of(cls, stored):
        """Out of preprocessing.json's content.

        Raises:
            TypeError, ValueError: it is none, or one that a single clip cannot be put through.
        """
        if stored.get("per_person"):
            raise ValueError("it was trained person by person, and one clip does not say how its person is at rest")
        kinds = {"video": VideoConfig, "audio": AudioConfig}
        parts = {stream: kinds[stream](**stored[stream]) for stream in kinds if stored.get(stream)}
        return cls(**parts, **{name: stored[name] for name in ("vgg16", "assumed") if name in stored})

    def as_dict(self):
        """What `of` reads."""
        return config.as_dict(self)

    @property
    def dims(self):
        """{stream: numbers a frame}."""
        dims = {"video": self.video and backbone.DIM, "audio": self.audio and voice.width(self.audio)}
        return {stream: dim for stream, dim in dims.items() if dim}


@dataclasses.dataclass(frozen=True)
class ClipFeatures:
    """A clip's streams. What a stream lacks is missing in each dict.

    Attributes:
        name: the file's.
        made_with: Preprocessing.
        features: {"video": float32 (Tv, 512), "audio": float32 (Ta, F), 13 MFCC by default}.
        times: {stream: float32 (T,)}, seconds from the stream's first frame; a sound frame's is its middle.
        seconds: {stream: its duration}.
        missing: {stream: why it cannot be used}.
        faces: FaceTrack, also where no face was found; None where there are no pictures.
        samples: float32 (n,), mono, or None.
        rate: Hz, or None.
    """

    name: str
    made_with: Preprocessing
    features: dict
    times: dict
    seconds: dict
    missing: dict
    faces: faces.FaceTrack | None
    samples: np.ndarray | None
    rate: int | None


def find_vgg16(made_with):
    """The VGG16 weights for the pictures.

    Args:
        made_with: Preprocessing.

    Returns:
        (source, warning): as `backbone.find_weights` gives it; a sentence where they are not those of the training.

    Raises:
        FileNotFoundError: there are none, and the training had some.
    """
    if made_with.vgg16 == "random":
        return "random", ""
    source, identity = backbone.find_weights()
    if source == "random" and made_with.vgg16:
        raise FileNotFoundError(
            "VGG16's weights are lacking, and without them the pictures mean nothing: fetch the file that "
            f"data_manifest.csv names and set {backbone.WEIGHTS_VARIABLE} to its path"
        )
    if source == "random":
        return source, "VGG16's weights are lacking: random ones stand in, right only if the training had them too."
    if made_with.vgg16 and identity != made_with.vgg16:
        return source, f"VGG16's weights are {identity} here, {made_with.vgg16} in training: answers may differ."
    return source, ""


def read(path, made_with, base=None):
    """Decodes a clip once, and makes the features of its streams.

    Args:
        path: any file PyAV or soundfile opens, of any rate, size and number of channels.
        made_with: Preprocessing; a stream without configuration is not looked at.
        base: VGG16, as `backbone.vgg16` gives it, where pictures are wanted.

    Returns:
        ClipFeatures of the streams that can be used, one at least.

    Raises:
        ClipError: none of the wanted streams can be used; with the reasons.
    """
    track = samples = rate = None
    name = pathlib.Path(path).name
    features, times, seconds, missing = {}, {}, {}, {}
    sound = media.Sound() if made_with.video and made_with.audio else None
    if made_with.video:
        try:
            track = faces.track(path, made_with.video, sound)
            if not track.found.any():
                raise ClipError(f"no face in any of its {len(track.found)} frames")
            features["video"], times["video"] = _embed(track.frames, base), track.times
            seconds["video"] = float(track.times[-1]) + 1 / made_with.video.fps
        except ClipError as error:
            sound = sound if track else None  # broken off, it holds a part of the sound
            missing["video"] = str(error).removeprefix(f"{name}: ")
    if made_with.audio:
        try:
            samples, rate = speech.load(path, made_with.audio, sound)
            features["audio"], times["audio"] = voice.features(samples, rate, made_with.audio)
            seconds["audio"] = len(samples) / rate
        except ClipError as error:
            missing["audio"] = str(error).removeprefix(f"{name}: ")
    if not features:
        raise ClipError(f"{name}: {'; '.join(missing.values())}")
    return ClipFeatures(name, made_with, features, times, seconds, missing, track, samples, rate)


def _embed(frames, base):
    whole = -(-len(frames) // BLOCK) * BLOCK
    return backbone.embed(np.resize(frames, (whole, *frames.shape[1:])), base, BLOCK)[: len(frames)]
