"""One clip to its features: the one way, for the cache's build and for the answer about a clip."""

import dataclasses
import pathlib

import numpy as np

from helpers import config
from helpers.audio import descriptors, speech
from helpers.config import AudioConfig, VideoConfig
from helpers.data.exclusions import ClipError, Unreadable
from helpers.video import backbone, decoding, faces

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
        stored = config.renamed(stored)
        if stored.get("per_speaker"):
            raise ValueError(
                "it was trained with per-speaker normalisation, which takes several clips of a speaker, not one"
            )
        kinds = {"video": VideoConfig, "audio": AudioConfig}
        parts = {stream: kinds[stream](**stored[stream]) for stream in kinds if stored.get(stream)}
        return cls(**parts, **{name: stored[name] for name in ("vgg16", "assumed") if name in stored})

    def as_dict(self):
        """What `of` reads."""
        return config.as_dict(self)

    @property
    def dims(self):
        """{stream: numbers a frame}."""
        dims = {"video": self.video and backbone.DIM, "audio": self.audio and descriptors.width(self.audio)}
        return {stream: dim for stream, dim in dims.items() if dim}


@dataclasses.dataclass(frozen=True)
class ClipFeatures:
    """A clip's streams. What a stream lacks is missing in each dict.

    Attributes:
        name: the file's.
        preprocessing: Preprocessing.
        features: {"video": float32 (Tv, 512), "audio": float32 (Ta, F), 13 MFCC by default}.
        times: {stream: float32 (T,)}, seconds from the stream's first frame; a sound frame's is its middle.
        seconds: {stream: its duration}.
        missing: {stream: why it cannot be used}.
        faces: FaceTrack, also where no face was found; None where there are no pictures.
        samples: float32 (n,), mono, or None.
        rate: Hz, or None.
    """

    name: str
    preprocessing: Preprocessing
    features: dict
    times: dict
    seconds: dict
    missing: dict
    faces: faces.FaceTrack | None
    samples: np.ndarray | None
    rate: int | None


def find_vgg16(preprocessing):
    """The VGG16 weights for the pictures.

    Args:
        preprocessing: Preprocessing.

    Returns:
        (source, warning): as `backbone.find_weights` gives it; a sentence where they are not those of the training.

    Raises:
        FileNotFoundError: there are none, and the training had some.
    """
    if preprocessing.vgg16 == "random":
        return "random", ""
    source, identity = backbone.find_weights()
    if source == "random" and preprocessing.vgg16:
        raise FileNotFoundError(
            "VGG16's weights are lacking, and without them the pictures mean nothing: fetch the file that "
            f"data_manifest.csv names and set {backbone.WEIGHTS_VARIABLE} to its path"
        )
    if source == "random":
        return source, "VGG16's weights are lacking: random ones stand in, right only if the training had them too."
    if preprocessing.vgg16 and identity != preprocessing.vgg16:
        return source, f"VGG16's weights are {identity} here, {preprocessing.vgg16} in training: answers may differ."
    return source, ""


def read(path, preprocessing, base=None):
    """Decodes a clip once, and makes the features of its streams.

    Args:
        path: any file PyAV or soundfile opens, of any rate, size and number of channels.
        preprocessing: Preprocessing; a stream without configuration is not looked at.
        base: VGG16, as `backbone.vgg16` gives it, where pictures are wanted.

    Returns:
        ClipFeatures of the streams that can be used, one at least.

    Raises:
        ClipError: none of the wanted streams can be used; with the reasons.
    """
    name = pathlib.Path(path).name
    wanted = {stream: path for stream in ("video", "audio") if getattr(preprocessing, stream)}
    made, missing = streams(wanted, preprocessing.video, preprocessing.audio)
    missing = {stream: error.reason for stream, error in missing.items()}
    if len(missing) == len(wanted):
        raise ClipError(f"{name}: {'; '.join(missing.values())}")
    track, heard = made.get("video"), made.get("audio")
    features, times, seconds = {}, {}, {}
    if track and "video" not in missing:
        features["video"], times["video"] = _embed(track.frames, base), track.times
        seconds["video"] = float(track.times[-1]) + 1 / preprocessing.video.fps
    if heard:
        features["audio"], times["audio"] = heard.features, heard.times
        seconds["audio"] = len(heard.samples) / heard.rate
    sound = (heard.samples, heard.rate) if heard else (None, None)
    return ClipFeatures(name, preprocessing, features, times, seconds, missing, track, *sound)


@dataclasses.dataclass(frozen=True)
class Heard:
    """A clip's sound.

    Attributes:
        features: float32 (T, F), as `voice.features` makes them.
        times: float32 (T,), the middle of each frame in seconds.
        samples: float32 (n,), mono.
        rate: Hz.
    """

    features: np.ndarray
    times: np.ndarray
    samples: np.ndarray
    rate: int


def streams(paths, video, audio, threads=0):
    """Decodes a clip's files once and makes each stream's faces or features, or says why that cannot be.

    Args:
        paths: {"video": path, "audio": path}, the wanted ones; one file for both is decoded in one pass.
        video, audio: VideoConfig, AudioConfig.
        threads: of the video decoder; 0 takes one a core.

    Returns:
        (made, missing): {"video": FaceTrack, "audio": Heard}, and {stream: ClipError}. A track in which no face was
        found is in both. Whatever goes wrong while a clip is read is that clip's ClipError, never raised.
    """
    made, missing = {}, {}
    sound = decoding.Sound() if len(set(paths.values())) < len(paths) else None
    for stream, path in sorted(paths.items(), reverse=True):  # the pictures first: their pass gathers the sound
        name = pathlib.Path(path).name
        try:
            if stream == "video":
                made["video"] = faces.track(path, video, sound, threads)
                if not made["video"].found.any():
                    raise ClipError(f"{name}: no face in any of its {len(made['video'].found)} frames")
            else:
                samples, rate = speech.load(path, audio, sound)
                made["audio"] = Heard(*descriptors.features(samples, rate, audio), samples, rate)
        except Exception as error:
            if not isinstance(error, ClipError):
                error = Unreadable(f"{name}: {type(error).__name__}: {error}".rstrip())
            missing[stream] = error
        if "video" not in made:
            sound = None  # broken off, it holds a part of the sound
    return made, missing


def _embed(frames, base):
    whole = -(-len(frames) // BLOCK) * BLOCK
    return backbone.embed(np.resize(frames, (whole, *frames.shape[1:])), base, BLOCK)[: len(frames)]
