"""One clip to its features: the same function for the cache's build and for the prediction of a clip."""

import dataclasses
import pathlib
import traceback

import numpy as np

from helpers import config, runtime
from helpers.audio import descriptors, speech
from helpers.config import AudioConfig, VideoConfig
from helpers.data.exclusions import ClipError, Unreadable
from helpers.video import backbone, decoding, faces, landmarks

BLOCK = 16  # faces that go through VGG16 together, always as many: a backend compiles anew for another number


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """How a model's features were made."""

    video: VideoConfig | None = None  # None where the model lacks the modality
    audio: AudioConfig | None = None
    vgg16: str = ""  # identity of VGG16's weights as `backbone.find_weights` gives it; "" where it was not recorded
    assumed: bool = False  # True where nothing was recorded, and the thesis' preprocessing is taken
    pretrained: bool = False  # landmarks in place of embeddings, and frames of samples in place of MFCC

    @classmethod
    def of(cls, stored):
        """Reads preprocessing.json's content. Raises ValueError: a field is something else, or per speaker."""
        stored = config.renamed(stored)
        if stored.get("per_speaker"):
            raise ValueError("it was trained with per-speaker normalisation, which takes several clips of a speaker")
        kinds = {"video": VideoConfig, "audio": AudioConfig}
        parts = {stream: config.made(kinds[stream], stored[stream], stream) for stream in kinds if stored.get(stream)}
        return cls(**parts, **{name: stored[name] for name in ("vgg16", "assumed") if name in stored})

    def as_dict(self):
        """What `of` reads."""
        return config.as_dict(self)

    @property
    def dims(self):
        """{modality: numbers a frame}."""
        dims = {"video": self.video and backbone.DIM, "audio": self.audio and descriptors.width(self.audio)}
        return {stream: dim for stream, dim in dims.items() if dim}


@dataclasses.dataclass(frozen=True)
class ClipFeatures:
    """A clip's features. A modality that cannot be used is absent from each dict but `missing`."""

    name: str  # the file's
    preprocessing: Preprocessing
    features: dict  # {"video": float32 (Tv, 512), "audio": float32 (Ta, F), 13 MFCC by default}; as Preprocessing says
    times: dict  # {modality: float32 (T,)}, seconds from its first frame; of audio, the middle of each frame
    seconds: dict  # {modality: its duration}
    missing: dict  # {modality: why it cannot be used}
    faces: faces.FaceTrack | None  # also where no face was found
    samples: np.ndarray | None  # float32 (n,), mono
    rate: int | None  # Hz
    memo: dict = dataclasses.field(default_factory=dict)  # for models that share what they compute of a window


def find_vgg16(preprocessing):
    """Finds the VGG16 weights that a model's features were made with.

    Returns: (source, warning): as of `backbone.find_weights`; a sentence where they are not those of the training.
    Raises FileNotFoundError: only random weights are at hand, and the training had others.
    """
    trained_with = preprocessing.vgg16
    if trained_with == "random":
        return "random", ""
    source, identity = backbone.find_weights()
    if source == "random" and trained_with:
        remedy = f"fetch the file that data_manifest.csv names and set {backbone.WEIGHTS_VARIABLE} to its path"
        raise FileNotFoundError(f"VGG16's weights are lacking, and the model needs them for the video: {remedy}")
    if source == "random":
        return source, "VGG16's weights are lacking: random ones stand in, right only if the training had them too."
    if trained_with and identity != trained_with:
        return source, f"VGG16's weights are {identity} here, {trained_with} in training: answers may differ."
    return source, ""


def read(path, preprocessing, base=None):
    """Decodes a clip once and makes the ClipFeatures of its modalities, at least one.

    Args:
        path: any file PyAV opens, within `decoding.Limits`.
        preprocessing, base: Preprocessing, which leaves out a modality that is None; VGG16 of `backbone.vgg16`.
    Raises ClipError: no configured modality can be used; with the reasons.
    """
    name = pathlib.Path(path).name
    paths = {stream: path for stream in ("video", "audio") if getattr(preprocessing, stream)}
    made, errors = extract(paths, preprocessing.video, preprocessing.audio, pretrained=preprocessing.pretrained)
    missing = {stream: error.reason for stream, error in errors.items()}
    if len(missing) == len(paths):
        raise ClipError(f"{name}: {'; '.join(missing.values())}")
    features, times, seconds, track, samples, rate = {}, {}, {}, made.get("video"), None, None
    if track and "video" not in missing:
        features["video"] = track.blendshapes if preprocessing.pretrained else _embed(track.frames, base)
        times["video"] = track.times
        seconds["video"] = float(track.times[-1]) + 1 / preprocessing.video.fps
    if "audio" in made:
        features["audio"], times["audio"], samples, rate = made["audio"]
        seconds["audio"] = len(samples) / rate
    return ClipFeatures(name, preprocessing, features, times, seconds, missing, track, samples, rate)


def extract(paths, video, audio, threads=0, pretrained=False):
    """Decodes a clip's files once and makes the faces and the audio features, or says why that cannot be.

    Args:
        paths: {"video": path, "audio": path}, or one of them; one file for both is decoded in one pass.
        video, audio, threads, pretrained: VideoConfig, AudioConfig, as in `decoding.decode`, as in Preprocessing.
    Returns:
        (made, errors): {"video": FaceTrack, "audio": (features, times, samples, rate)}, and {modality: ClipError}. A
        track without any face is in both. Whatever goes wrong while a clip is read is its ClipError, never raised.
    Raises AssertionError: one of the suite's own does not hold; names the clip.
    """
    made, errors = {}, {}
    sound = decoding.Sound() if len(set(paths.values())) < len(paths) else None
    for stream, path in sorted(paths.items(), reverse=True):  # video first: its pass gathers the sound
        name = pathlib.Path(path).name
        try:
            if stream == "video":
                made["video"] = (landmarks if pretrained else faces).track(path, video, sound, threads)
                if not made["video"].found.any():
                    raise ClipError(f"{name}: no face in any of its {len(made['video'].found)} frames")
            else:
                samples, rate = speech.load(path, audio, sound)
                made["audio"] = *(framed if pretrained else descriptors.features)(samples, rate, audio), samples, rate
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1].filename
            if isinstance(error, AssertionError) and pathlib.Path(where).is_relative_to(runtime.PROJECT / "helpers"):
                raise AssertionError(f"{path}: a fault of the suite itself: {error}") from error
            if not isinstance(error, ClipError):
                error = Unreadable(f"{name}: {type(error).__name__}: {error}".rstrip())
            errors[stream] = error
        if "video" not in made:
            sound = None  # interrupted, it holds only a part of the sound
    return made, errors


def whole_frames(path, count, size):
    """Reads `count` frames of a clip, evenly spaced among those kept at 7.5 a second: uint8 (count, *size, 3), RGB.

    `size` is (height, width) in px; a picture of another shape is squeezed into it. Raises ClipError: as `faces.track`.
    """
    import cv2

    kept = [cv2.resize(f, size[::-1], interpolation=cv2.INTER_AREA) for _, f in faces.kept_frames(path)]
    return np.stack([kept[row] for row in np.linspace(0, len(kept) - 1, count).round().astype(int)])


def framed(samples, rate, config):
    """Cuts samples (n,) into frames: (float32 (T, hop_length), float32 (T,), the middle of each in seconds)."""
    count = len(samples) // config.hop_length
    times = (np.arange(count, dtype=np.float32) + 0.5) * config.hop_length / rate
    return samples[: count * config.hop_length].reshape(count, -1), times


def _embed(frames, base):
    padded = -(-len(frames) // BLOCK) * BLOCK
    return backbone.embed(np.resize(frames, (padded, *frames.shape[1:])), base, BLOCK)[: len(frames)]
