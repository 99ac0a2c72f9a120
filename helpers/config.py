"""Every hyperparameter in one place. The defaults are the thesis' (Song 2021), with the section that says so.

Where the thesis is silent the comment says "open", and why this value was chosen.
"""

import dataclasses
import hashlib
import json


def _require(condition, message):
    if not condition:
        raise ValueError(message)


@dataclasses.dataclass(frozen=True)
class VideoConfig:
    """From a clip's pictures to 48×48×3 faces (thesis 3.4.2)."""

    fps: float = 7.5  # 3.4.2: reduced from 30 to 7.5 frames a second
    size: int = 48  # 3.4.2: 48 × 48 × 3
    margin: float = 1.0  # open: side of the crop in detector boxes; 1.0 is brow to chin
    detect_sizes: tuple = (320, 640, 1280, 1920)  # open: long side in px the detector sees, tried in turn
    min_seconds: float = 0.5  # open: a shorter clip is no utterance

    def __post_init__(self):
        _require(self.fps > 0, f"fps is {self.fps}; it must be positive")
        _require(self.size >= 32, f"size is {self.size}; VGG16 needs at least 32 px")
        _require(self.margin > 0, f"margin is {self.margin}; it must be positive")
        _require(len(self.detect_sizes) > 0, "detect_sizes is empty; name at least one long side in px")
        # A list would make two equal configurations differ in their key.
        object.__setattr__(self, "detect_sizes", tuple(self.detect_sizes))


@dataclasses.dataclass(frozen=True)
class AudioConfig:
    """From a clip's sound to 13 MFCC a frame (thesis 2.5, 3.4.3)."""

    rate: int = 48_000  # 3.2.3: recorded at 48 kHz
    n_mfcc: int = 13  # 3.4.3
    frame: int = 4096  # 3.4.3: "the length … is 4096", read as samples a frame (85 ms)
    hop: int = 2048  # open: half a frame, so that neighbours overlap (2.5.2)
    n_mels: int = 26  # open: the usual bank for 13 coefficients
    pre_emphasis: float = 0.97  # (2.24), open: the usual coefficient
    min_seconds: float = 0.5  # open: a shorter clip is no utterance

    def __post_init__(self):
        _require(self.rate > 0, f"rate is {self.rate}; it must be positive")
        _require(0 < self.hop <= self.frame, f"hop is {self.hop}; it must lie between 1 and the frame ({self.frame})")
        _require(
            0 < self.n_mfcc <= self.n_mels, f"n_mfcc is {self.n_mfcc}; it must lie between 1 and n_mels ({self.n_mels})"
        )
        _require(0 <= self.pre_emphasis < 1, f"pre_emphasis is {self.pre_emphasis}; it must lie in [0, 1)")


@dataclasses.dataclass(frozen=True)
class SubsystemConfig:
    """One stream's network: RNN stack, attention, fully connected layer, head (thesis 3.4, tables 4.1 and 4.3)."""

    gru_layers: int = 1
    gru_units: int = 512
    cell: str = "gru"  # "gru" (2.20–2.23) or "lstm" (2.14–2.19)
    attention: str = "soft"  # "soft" (2.28–2.30), "hard" (2.6.2), or "none": the last state alone
    batch_norm: bool = True  # (2.31–2.34), after the fully connected layer
    fc_units: int = 128  # open: small, since the fusion concatenates two of them
    dropout: float = 0.3  # open
    noise: float = 0.0  # open: Gaussian noise on the standardised features in training, in standard deviations
    rnn_dropout: float = 0.0  # open: share of each RNN's output channels left out, the same over all steps of a clip

    def __post_init__(self):
        _require(self.gru_layers >= 1, f"gru_layers is {self.gru_layers}; at least 1")
        _require(self.gru_units >= 1, f"gru_units is {self.gru_units}; at least 1")
        _require(self.cell in ("gru", "lstm"), f'cell is {self.cell!r}; "gru" or "lstm"')
        kinds = ("soft", "hard", "none")
        _require(self.attention in kinds, f'attention is {self.attention!r}; "soft", "hard" or "none"')
        _require(self.fc_units >= 1, f"fc_units is {self.fc_units}; at least 1")
        _require(0 <= self.dropout < 1, f"dropout is {self.dropout}; it must lie in [0, 1)")
        _require(self.noise >= 0, f"noise is {self.noise}; 0 or more standard deviations")
        _require(0 <= self.rnn_dropout < 1, f"rnn_dropout is {self.rnn_dropout}; it must lie in [0, 1)")

    @classmethod
    def video(cls, **changes):
        """The thesis' video subsystem: one GRU of 512 units with attention (table 4.2), with `changes`."""
        return cls(**{"gru_layers": 1, "gru_units": 512, **changes})

    @classmethod
    def audio(cls, **changes):
        """The thesis' audio subsystem: three GRUs of 256 units with attention (table 4.4), with `changes`."""
        return cls(**{"gru_layers": 3, "gru_units": 256, **changes})


@dataclasses.dataclass(frozen=True)
class FusionConfig:
    """The fusion's head over both fully connected outputs (thesis 3.4.1)."""

    batch_norm: bool = True
    dropout: float = 0.3  # open
    trunks: str = "joint"  # open: "joint", all from nothing; "trained" or "frozen": from the trained subsystems
    kind: str = "concatenate"  # or "gated": a learnt mixture of both streams, number by number (Arevalo et al. 2017)
    stream_dropout: float = 0.0  # share of the training's clips that lose a whole stream, so that one may be missing

    def __post_init__(self):
        _require(self.kind in ("concatenate", "gated"), f'kind is {self.kind!r}; "concatenate" or "gated"')
        _require(0 <= self.stream_dropout <= 1, f"stream_dropout is {self.stream_dropout}; it must lie in [0, 1]")
        _require(0 <= self.dropout < 1, f"dropout is {self.dropout}; it must lie in [0, 1)")
        kinds = ("joint", "trained", "frozen")
        _require(self.trunks in kinds, f'trunks is {self.trunks!r}; "joint", "trained" or "frozen"')


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How a fold is trained. All of it is open in the thesis but the optimiser (2.9.3)."""

    epochs: int = 60  # fixed, or the most with `patience`: no epoch is ever chosen on the test fold
    batch_size: int = 64
    optimiser: str = "adam"  # "adam" (2.9.3) or "sgd" with momentum 0.9 (2.9.2)
    learning_rate: float = 1e-3  # 2.9.3: Adam's default step
    schedule: str = "constant"  # "constant", or "cosine": the step falls to 0 along half a cosine over all epochs
    stretch: float = 0.0  # open: each epoch plays a training clip faster or slower by up to this share, at random
    precision: str = "float32"  # or "mixed_float16", "mixed_bfloat16": Keras' policies; the softmax stays in float32
    validation: float = 0.0  # share of the TRAINING rows held out for the curves; by actor in the actor protocol
    patience: int = 0  # stop after so many epochs without a lower loss on that share, and go back to the best; 0: never

    def __post_init__(self):
        _require(self.epochs >= 1, f"epochs is {self.epochs}; at least 1")
        _require(self.batch_size >= 2, f"batch_size is {self.batch_size}; batch normalisation needs at least 2")
        _require(self.learning_rate > 0, f"learning_rate is {self.learning_rate}; it must be positive")
        _require(self.optimiser in ("adam", "sgd"), f'optimiser is {self.optimiser!r}; "adam" or "sgd"')
        _require(self.schedule in ("constant", "cosine"), f'schedule is {self.schedule!r}; "constant" or "cosine"')
        _require(0 <= self.stretch < 1, f"stretch is {self.stretch}; it must lie in [0, 1)")
        kinds = ("float32", "mixed_float16", "mixed_bfloat16")
        _require(self.precision in kinds, f"precision is {self.precision!r}; one of {', '.join(kinds)}")
        _require(self.patience >= 0, f"patience is {self.patience}; 0 or more epochs")
        _require(
            not self.patience or self.validation,
            "patience needs validation, a share of the training rows: the test fold never stops a training",
        )
        _require(0 <= self.validation < 0.5, f"validation is {self.validation}; it must lie in [0, 0.5)")


def as_dict(config):
    """A configuration (or a dict holding some) as plain values that JSON can write."""
    if dataclasses.is_dataclass(config):
        config = dataclasses.asdict(config)
    if isinstance(config, dict):
        return {name: as_dict(value) for name, value in config.items()}
    return list(config) if isinstance(config, tuple) else config


def completed(settings):
    """config.json's content, with today's defaults for what an older version did not yet have."""
    kinds = {"train": TrainConfig, "video": SubsystemConfig, "audio": SubsystemConfig, "fusion": FusionConfig}
    older = {name: as_dict(kind()) | settings[name] for name, kind in kinds.items() if settings.get(name)}
    return settings | older


def key(config):
    """Eight hex digits that change with any value of `config`: the name of whatever was made with it."""
    return hashlib.sha256(json.dumps(as_dict(config), sort_keys=True).encode()).hexdigest()[:8]


# The thesis' experiment in the notebooks' parameter names; epochs, batch and step are open there and chosen here.
_EXPERIMENT = {"N_FOLDS": 10, "EPOCHS": 60, "BATCH_SIZE": 64, "LEARNING_RATE": 0.001}
_EXPERIMENT |= {"ATTENTION": "soft", "BATCH_NORM": True}
_THESIS = {
    "video": {**_EXPERIMENT, "GRU_LAYERS": 1, "GRU_UNITS": 512},
    "audio": {**_EXPERIMENT, "GRU_LAYERS": 3, "GRU_UNITS": 256},
    "fusion": {
        **_EXPERIMENT,
        "VIDEO_GRU_LAYERS": 1,
        "VIDEO_GRU_UNITS": 512,
        "AUDIO_GRU_LAYERS": 3,
        "AUDIO_GRU_UNITS": 256,
    },
}


def off_thesis(model, **parameters):
    """One line saying which of a notebook's parameters are not the thesis'.

    Args:
        model: "video", "audio" or "fusion".
        parameters: the notebook's values by their names.

    Returns:
        str, such as "Not the thesis': EPOCHS 8 (60), N_FOLDS 3 (10)".
    """
    thesis = _THESIS[model]
    off = [f"{name} {value} ({thesis[name]})" for name, value in parameters.items() if value != thesis[name]]
    return "Not the thesis': " + ", ".join(off) if off else "All values are the thesis'."
