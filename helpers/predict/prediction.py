"""The answer to a clip, and its words."""

import dataclasses

import numpy as np

from helpers.video.faces import FaceTrack

DRAWN_CLIP = "A drawn face and a synthesised voice: a model trained on people says nothing about them."
DRAWN_FACES = "Trained on drawn faces: this says nothing about a person."  # the first warning, on other clips


@dataclasses.dataclass(frozen=True)
class Part:
    """One window of a long clip, or all of a short one: start and end in seconds, {emotion: probability}."""

    start: float
    end: float
    probabilities: dict


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The answer to a clip."""

    emotion: str  # the most likely one
    # Its probability is above the model's threshold: such answers were right nine times out of ten in the
    # cross-validation. False means that the model abstains.
    confident: bool
    probabilities: dict  # {emotion: float}, the mean over the timeline
    streams: dict  # {"video": {emotion: float}, "audio": …}: the probabilities of each modality's own model, if any
    attention: dict  # {modality: float32 (T,)}, the weight of each step; sums to 1. None for a model without attention
    times: dict  # {modality: float32 (T,)}, seconds of the steps
    faces: FaceTrack | None  # of the video
    samples: np.ndarray | None  # float32 (n,), mono
    rate: int | None  # of the samples in Hz
    timeline: list  # of Part; one for a clip of up to 5.5 s, else windows of 3 s, one about every second
    warnings: list  # sentences on what limits the answer

    @property
    def seconds(self):
        """The clip's length: the end of its windows, its sound or its faces, whichever is last."""
        sound = 0 if self.samples is None else len(self.samples) / self.rate
        return max(self.timeline[-1].end, sound, 0 if self.faces is None else float(self.faces.times[-1]))

    @property
    def alarms(self):
        """The warnings that forbid to believe the answer."""
        return [warning for warning in self.warnings if warning == DRAWN_FACES]

    @property
    def sentence(self):
        """The answer in words, such as "happy 93 %" or "abstains: happy 41 %, calm 30 %"."""
        best = sorted(self.probabilities, key=self.probabilities.get, reverse=True)[:2]
        # No answer is certain, however it is rounded.
        shares = [f"{name} {100 * self.probabilities[name]:.0f} %".replace(" 100 ", " over 99 ") for name in best]
        return shares[0] if self.confident else f"abstains: {', '.join(shares)}"


def warnings_about(clip, chosen, asked):
    """Sentences on what limits the answer to a ClipFeatures.

    `chosen` is for each window the kind of model that answered, or None; `asked` the kind that should have.
    """
    warnings = [
        f"The {stream} cannot be used ({why}): answered from the {other} alone."
        for stream, why in clip.missing.items()
        for other in clip.features
    ]
    for kind in () if warnings else set(chosen) - {asked, None}:
        warnings.append(f"{chosen.count(kind)} of {len(chosen)} windows are answered from the {kind} alone.")
    if None in chosen:
        left_out = f"{chosen.count(None)} of {len(chosen)} windows are left out"
        warnings.append(f"{left_out}: no face, digital silence, or past the end of the video or the audio.")
    if clip.faces is not None and clip.faces.others:
        warnings.append("There is more than one face: the largest is followed.")
    if "video" in clip.features and clip.faces.found.mean() < 0.5:
        warnings.append(f"A face was found in only {clip.faces.found.sum()} of {len(clip.faces.found)} frames.")
    return warnings
