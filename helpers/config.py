"""Every hyperparameter in one place. The defaults are the thesis' (Song 2021), with the section that says so.

Where the thesis is silent the comment says "open", and why this value was chosen.
"""

import dataclasses
import hashlib
import json
import pathlib
import sys


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
    n_fft: int = 4096  # 3.4.3: "the length … is 4096", read as samples a frame (85 ms)
    hop_length: int = 2048  # open: half a frame, so that neighbours overlap (2.5.2)
    n_mels: int = 26  # open: the usual bank for 13 coefficients
    pre_emphasis: float = 0.97  # (2.24), open: the usual coefficient
    min_seconds: float = 0.5  # open: a shorter clip is no utterance
    # Beyond the thesis; see helpers.audio.descriptors.
    deltas: int = 0  # 1: the MFCC's changes as well, 2: and the changes of these
    prosody: bool = False  # pitch, periodicity, energy, centroid, flatness, flux as well
    trim_db: float = 0.0  # dB below the loudest frame: softer frames at both ends are cut off; 0 keeps all

    def __post_init__(self):
        _require(self.deltas in (0, 1, 2), f"deltas is {self.deltas}; 0, 1 or 2")
        _require(self.trim_db >= 0, f"trim is {self.trim_db}; 0 or more dB")
        _require(self.rate > 0, f"rate is {self.rate}; it must be positive")
        _require(
            0 < self.hop_length <= self.n_fft,
            f"hop_length is {self.hop_length}; it must lie between 1 and the frame ({self.n_fft})",
        )
        _require(
            0 < self.n_mfcc <= self.n_mels, f"n_mfcc is {self.n_mfcc}; it must lie between 1 and n_mels ({self.n_mels})"
        )
        _require(0 <= self.pre_emphasis < 1, f"pre_emphasis is {self.pre_emphasis}; it must lie in [0, 1)")


N_FOLDS = 10  # 3.3.1
CELLS = ("gru", "lstm", "transformer", "tim", "none")
ATTENTIONS = ("soft", "hard", "none", "attentive_statistics")
HEADS = 4  # of a transformer


@dataclasses.dataclass(frozen=True)
class SubsystemConfig:
    """One stream's network: RNN stack, attention, fully connected layer, head (thesis 3.4, tables 4.1 and 4.3)."""

    layers: int = 1
    units: int = 512
    # "gru" (2.20–2.23), "lstm" (2.14–2.19); beyond the thesis "transformer" (4.4), "tim" (helpers.models.encoders), or "none"
    cell: str = "gru"
    # "soft" (2.28–2.30), "hard" (2.6.2), "none": the last state alone; or "attentive_statistics" (layers.AttentiveStatisticsPooling)
    attention: str = "soft"
    batch_norm: bool = True  # (2.31–2.34), after the fully connected layer
    fc_units: int = 128  # open: small, since the fusion concatenates two of them
    dropout: float = 0.3  # open
    noise: float = 0.0  # open: Gaussian noise on the standardised features in training, in standard deviations
    rnn_dropout: float = 0.0  # open: share of each RNN's output channels left out, the same over all steps of a clip
    # Beyond the thesis; see helpers.models.encoders.
    bidirectional: bool = False  # each RNN once forwards and once backwards, side by side
    frame_stacking: int = 1  # steps put side by side as one: a shorter sequence of longer rows
    convolution: int = 0  # units of a convolution over three steps before the RNN; 0: none

    def __post_init__(self):
        _require(self.layers >= 1, f"layers is {self.layers}; at least 1")
        _require(self.units >= 1, f"units is {self.units}; at least 1")
        for name, kinds in (("cell", CELLS), ("attention", ATTENTIONS)):
            kind = getattr(self, name)
            _require(kind in kinds, f"{name} is {kind!r}; one of {', '.join(kinds)}")
        _require(
            not self.bidirectional or self.cell in ("gru", "lstm"),
            f"bidirectional is for gru and lstm, not {self.cell}",
        )
        _require(
            self.cell != "transformer" or self.units % HEADS == 0,
            f"units is {self.units}; a transformer's must be a multiple of {HEADS}, its heads",
        )
        _require(self.frame_stacking >= 1, f"stack is {self.frame_stacking}; at least 1")
        _require(self.convolution >= 0, f"convolution is {self.convolution}; 0 or more units")
        _require(self.fc_units >= 1, f"fc_units is {self.fc_units}; at least 1")
        _require(0 <= self.dropout < 1, f"dropout is {self.dropout}; it must lie in [0, 1)")
        _require(self.noise >= 0, f"noise is {self.noise}; 0 or more standard deviations")
        _require(0 <= self.rnn_dropout < 1, f"rnn_dropout is {self.rnn_dropout}; it must lie in [0, 1)")

    @classmethod
    def video(cls, **changes):
        """The thesis' video subsystem: one GRU of 512 units with attention (table 4.2), with `changes`."""
        return cls(**{"layers": 1, "units": 512, **changes})

    @classmethod
    def audio(cls, **changes):
        """The thesis' audio subsystem: three GRUs of 256 units with attention (table 4.4), with `changes`."""
        return cls(**{"layers": 3, "units": 256, **changes})


@dataclasses.dataclass(frozen=True)
class FusionConfig:
    """The fusion's head over both fully connected outputs (thesis 3.4.1)."""

    batch_norm: bool = True
    dropout: float = 0.3  # open
    encoders: str = (
        "end-to-end"  # open: "end-to-end", all from nothing; "fine-tuned", "frozen": from trained subsystems
    )
    # "concatenate" (3.4.1); "gated": a learnt mixture, number by number (Arevalo et al. 2017); "cross": before they are
    # pooled, each stream's steps attend to the other's (Tsai et al. 2019)
    kind: str = "concatenate"
    modality_dropout: float = 0.0  # share of the training's clips that lose a whole stream, so that one may be missing

    def __post_init__(self):
        kinds = ("concatenate", "gated", "cross")
        _require(self.kind in kinds, f"kind is {self.kind!r}; one of {', '.join(kinds)}")
        _require(0 <= self.modality_dropout <= 1, f"modality_dropout is {self.modality_dropout}; it must lie in [0, 1]")
        _require(0 <= self.dropout < 1, f"dropout is {self.dropout}; it must lie in [0, 1)")
        kinds = ("end-to-end", "fine-tuned", "frozen")
        _require(self.encoders in kinds, f"encoders is {self.encoders!r}; one of {', '.join(kinds)}")
        _require(
            self.kind != "cross" or self.encoders == "end-to-end",
            "a cross-modal attention is trained jointly: encoders is end-to-end",
        )


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How a fold is trained. All of it is open in the thesis but the optimiser (2.9.3)."""

    epochs: int = 60  # fixed, or the most with `patience`: no epoch is ever chosen on the test fold
    batch_size: int = 64
    optimiser: str = "adam"  # "adam" (2.9.3) or "sgd" with momentum 0.9 (2.9.2)
    learning_rate: float = 1e-3  # 2.9.3: Adam's default step
    schedule: str = "constant"  # "constant", or "cosine": the step falls to 0 along half a cosine over all epochs
    tempo_perturbation: float = (
        0.0  # open: each epoch plays a training clip faster or slower by up to this share, at random
    )
    precision: str = "float32"  # or "mixed_float16", "mixed_bfloat16": Keras' policies; the softmax stays in float32
    validation: float = 0.0  # share of the TRAINING rows held out for the curves; by actor in the actor protocol
    patience: int = 0  # stop after so many epochs without a lower loss on that share, and go back to the best; 0: never
    # Beyond the thesis. How the training's clips are changed anew each epoch; see helpers.audio.augmentation.
    vtlp: float = 0.0  # the voice's formants and pitch moved up or down by up to this share
    channel_augmentation: float = 0.0  # dB: spread of a change of loudness, and of the spectrum's slow ups and downs
    noise_augmentation: float = 0.0  # share of clips under which a steady noise is laid
    time_mask_width: int = 0  # steps: two stretches of up to so many are blanked (SpecAugment's time masks)
    time_shift: int = 0  # steps: a clip is moved by up to so many, earlier or later, its edge step held
    mixup: float = 0.0  # α: two clips are laid over one another, and their labels with them (Zhang et al. 2018)
    # How it is learnt.
    label_smoothing: float = 0.0  # share of each label's 1 that goes to all classes alike
    weight_decay: float = 0.0  # AdamW's
    clip_norm: float = 0.0  # the longest a gradient may be, over all weights; 0: any
    warm_up: float = 0.0  # share of the training in which the step rises to learning_rate

    def __post_init__(self):
        _require(self.epochs >= 1, f"epochs is {self.epochs}; at least 1")
        _require(self.batch_size >= 2, f"batch_size is {self.batch_size}; batch normalisation needs at least 2")
        _require(self.learning_rate > 0, f"learning_rate is {self.learning_rate}; it must be positive")
        _require(self.optimiser in ("adam", "sgd"), f'optimiser is {self.optimiser!r}; "adam" or "sgd"')
        _require(self.schedule in ("constant", "cosine"), f'schedule is {self.schedule!r}; "constant" or "cosine"')
        for name in ("tempo_perturbation", "vtlp", "label_smoothing", "warm_up"):
            _require(0 <= getattr(self, name) < 1, f"{name} is {getattr(self, name)}; it must lie in [0, 1)")
        _require(
            0 <= self.noise_augmentation <= 1, f"noise_augmentation is {self.noise_augmentation}; it must lie in [0, 1]"
        )
        for name in ("channel_augmentation", "time_mask_width", "time_shift", "mixup", "weight_decay", "clip_norm"):
            _require(getattr(self, name) >= 0, f"{name} is {getattr(self, name)}; 0 or more")
        _require(not self.weight_decay or self.optimiser == "adam", "weight_decay is AdamW's: the optimiser is adam")
        _require(not self.warm_up or self.schedule == "cosine", "warm_up comes before a cosine: the schedule is cosine")
        kinds = ("float32", "mixed_float16", "mixed_bfloat16")
        _require(self.precision in kinds, f"precision is {self.precision!r}; one of {', '.join(kinds)}")
        _require(self.patience >= 0, f"patience is {self.patience}; 0 or more epochs")
        _require(
            not self.patience or self.validation,
            "patience needs validation, a share of the training rows: the test fold never stops a training",
        )
        _require(0 <= self.validation < 0.5, f"validation is {self.validation}; it must lie in [0, 0.5)")


def as_dict(config):
    """A configuration (or a dict or list holding some) as plain values that JSON can write."""
    if dataclasses.is_dataclass(config):
        config = dataclasses.asdict(config)
    if isinstance(config, dict):
        return {name: as_dict(value) for name, value in config.items()}
    return [as_dict(value) for value in config] if isinstance(config, (tuple, list)) else config


# Names and values in files of versions before, and today's.
_RENAMED = {"gru_layers": "layers", "gru_units": "units", "stack": "frame_stacking", "trunks": "encoders"}
_RENAMED |= {"stream_dropout": "modality_dropout", "frame": "n_fft", "hop": "hop_length", "trim": "trim_db"}
_RENAMED |= {"stretch": "tempo_perturbation", "warp": "vtlp", "equaliser": "channel_augmentation"}
_RENAMED |= {"noise_floor": "noise_augmentation", "masks": "time_mask_width", "shift": "time_shift"}
_RENAMED |= {"per_person": "per_speaker"}
_VALUES = {"attention": {"statistics": "attentive_statistics"}}
_VALUES |= {"trunks": {"joint": "end-to-end", "trained": "fine-tuned"}}


def renamed(stored):
    """Stored settings, whatever version wrote them, under today's names."""
    if not isinstance(stored, dict):
        return stored
    known = {name: _VALUES[name].get(value, value) if name in _VALUES else value for name, value in stored.items()}
    return {_RENAMED.get(name, name): renamed(value) for name, value in known.items()}


def completed(settings):
    """config.json's content, whatever version wrote it, with today's names, and defaults for what it did not have."""
    settings = renamed(settings)
    kinds = {"train": TrainConfig, "video": SubsystemConfig, "audio": SubsystemConfig, "fusion": FusionConfig}
    older = {name: as_dict(kind()) | settings[name] for name, kind in kinds.items() if settings.get(name)}
    return settings | older


def read(path):
    """A run's config.json, whatever version wrote it: dict."""
    return completed(json.loads(pathlib.Path(path).read_text()))


def key(config):
    """Eight hex digits that change with any value of `config`: the name of whatever was made with it.

    A configuration's fields that are at their default do not count, so that one that is added later changes no key of
    what was made before. So a default must never change: tests/test_config.py holds them.

    Args:
        config: a configuration, or a dict or list that holds some beside plain values.
    """
    return hashlib.sha256(json.dumps(_chosen(config), sort_keys=True).encode()).hexdigest()[:8]


def _chosen(config):
    """As `as_dict`, without the fields that are at their default."""
    if dataclasses.is_dataclass(config):
        values = {field.name: (getattr(config, field.name), field.default) for field in dataclasses.fields(config)}
        config = {name: value for name, (value, default) in values.items() if value != default}
    if isinstance(config, dict):
        return {name: _chosen(value) for name, value in config.items()}
    return [_chosen(value) for value in config] if isinstance(config, (tuple, list)) else config


def thesis(model):
    """The thesis' experiment in the notebooks' parameter names, from the defaults above: {"N_FOLDS": 10, …}.

    Args:
        model: "video", "audio" or "fusion".
    """
    parts = {"video": SubsystemConfig.video(), "audio": SubsystemConfig.audio()}
    values = {"N_FOLDS": N_FOLDS, "EPOCHS": TrainConfig.epochs, "BATCH_SIZE": TrainConfig.batch_size}
    values |= {"LEARNING_RATE": TrainConfig.learning_rate, "ATTENTION": SubsystemConfig.attention}
    values["BATCH_NORM"] = SubsystemConfig.batch_norm
    for stream in parts if model == "fusion" else [model]:
        prefix = f"{stream}_" if model == "fusion" else ""
        values |= {f"{prefix}gru_{n}".upper(): getattr(parts[stream], n) for n in ("layers", "units")}
    return values


def off_thesis(model, **parameters):
    """One line saying which of a notebook's parameters are not the thesis'.

    Args:
        model: "video", "audio" or "fusion".
        parameters: the notebook's values by their names.

    Returns:
        str, such as "Not the thesis': EPOCHS 8 (60), N_FOLDS 3 (10)".
    """
    values = thesis(model)
    off = [f"{name} {value} ({values[name]})" for name, value in parameters.items() if value != values[name]]
    return "Not the thesis': " + ", ".join(off) if off else "All values are the thesis'."


if __name__ == "__main__":  # python -m helpers.config video: the thesis' values as options of helpers.notebooks
    print(*(f"--set {name}={value}" for name, value in thesis(sys.argv[1]).items()))
