"""The answer to a clip, and what is said about it in words."""

import dataclasses

import numpy as np

from helpers.video.faces import FaceTrack

WORDS = {"video": "pictures", "audio": "sound"}


@dataclasses.dataclass(frozen=True)
class Part:
    """One window of a long clip, or all of a short one.

    Attributes:
        start, end: seconds.
        probabilities: {emotion: float}.
    """

    start: float
    end: float
    probabilities: dict


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The answer to a clip.

    Attributes:
        emotion: the most likely one.
        sure: True where its probability is larger than the model's threshold: answers above it were right nine times
            out of ten in the cross-validation.
        probabilities: {emotion: float}, the mean over the timeline.
        streams: {"video": {emotion: float}, "audio": …}: what each stream's own model says, where there is one.
        attention: {stream: float32 (T,)}, how much each step weighed; sums to 1. None for a model without attention.
        times: {stream: float32 (T,)}, seconds of the steps.
        faces: FaceTrack of the pictures, or None.
        samples: float32 (n,), mono, or None.
        rate: of the samples in Hz, or None.
        timeline: list of Part; one for a clip of up to 5.5 s, else windows of 3 s, one about every second.
        warnings: plain sentences on what the answer lacks.
    """

    emotion: str
    confident: bool
    probabilities: dict
    streams: dict
    attention: dict
    times: dict
    faces: FaceTrack | None
    samples: np.ndarray | None
    rate: int | None
    timeline: list
    warnings: list

    @property
    def sentence(self):
        """The answer in words, such as "happy 93 %" or "not sure: happy 41 %, calm 30 %"."""
        best = sorted(self.probabilities, key=self.probabilities.get, reverse=True)[:2]
        # No answer is certain, however it is rounded.
        share = {name: f"{100 * self.probabilities[name]:.0f}".replace("100", "over 99") for name in best}
        said = [f"{name} {share[name]} %" for name in best]
        return said[0] if self.confident else f"not sure: {', '.join(said)}"


def remarks(clip, chosen, asked):
    """Sentences on what an answer lacks.

    Args:
        clip: ClipFeatures.
        chosen: for each window the kind of model that answered, or None.
        asked: kind of the model that should have.
    """
    said = [
        f"The {WORDS[stream]} cannot be used ({why}): answered from the {WORDS[other]} alone."
        for stream, why in clip.missing.items()
        for other in clip.features
    ]
    for kind in () if said else set(chosen) - {asked, None}:
        said.append(f"{chosen.count(kind)} of {len(chosen)} windows are answered from the {WORDS[kind]} alone.")
    if None in chosen:
        said.append(f"{chosen.count(None)} of {len(chosen)} windows are left out: no face, no sound, or past its end.")
    if "video" in clip.features and clip.faces.found.mean() < 0.5:
        said.append(f"A face was found in only {clip.faces.found.sum()} of {len(clip.faces.found)} frames.")
    return said
