"""Every hyperparameter in one place. The defaults are the thesis' (Song 2021), with the section that says so.

Where the thesis is silent the comment says "open", and why this value was chosen.
"""

import dataclasses
import hashlib
import json
import pathlib


def _require(condition, message):
    if not condition:
        raise ValueError(message)


def _within(config, interval, *names):
    """Raises ValueError where a field lies outside an interval such as "[0, 1)"."""
    low, high = map(float, interval[1:-1].split(","))
    for name in names:
        value = getattr(config, name)
        above = value > low if interval[0] == "(" else value >= low
        below = value < high if interval[-1] == ")" else value <= high
        _require(above and below, f"{name} is {value}; it must lie in {interval}")


def _one_of(config, name, kinds):
    _require(getattr(config, name) in kinds, f"{name} is {getattr(config, name)!r}; one of {', '.join(kinds)}")


MOST_CLASSES, LONGEST_NAME = 100, 60  # emotions that fit a figure; characters that fit its axis


def check_classes(names):
    """Raises ValueError where these are no emotions to tell apart: two or more different names that can be shown."""
    _require(2 <= len(names) <= MOST_CLASSES, f"{len(names)} classes; it takes 2 to {MOST_CLASSES}")
    bad = [n for n in names if not isinstance(n, str) or not n.isprintable() or not 0 < len(n) <= LONGEST_NAME]
    _require(not bad, f"{str(bad[:1])[1:80]} is no name of a class: at most {LONGEST_NAME} printable characters")
    _require(len(set(names)) == len(names), f"two of its {len(names)} classes have one name")


@dataclasses.dataclass(frozen=True)
class VideoConfig:
    """From a clip's frames to 48×48×3 faces (thesis 3.4.2)."""

    fps: float = 7.5  # 3.4.2: reduced from 30 to 7.5 frames a second
    size: int = 48  # 3.4.2: 48 × 48 × 3
    margin: float = 1.0  # open: side of the crop in detector boxes; 1.0 is brow to chin
    detect_sizes: tuple = (320, 640, 1280, 1920)  # open: long side in px the detector sees, tried in turn
    min_seconds: float = 0.5  # open: a shorter clip is no utterance

    def __post_init__(self):
        _within(self, "(0, inf)", "fps", "margin")
        _within(self, "[32, inf)", "size")  # VGG16 needs 32 px
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
    deltas: int = 0  # 1: deltas of the MFCC as well; 2: deltas of the deltas too
    prosody: bool = False  # low-level descriptors as well: pitch, periodicity, energy, centroid, flatness, flux
    trim_db: float = 0.0  # silence trimming: frames so many dB below the loudest are cut off at both ends; 0 keeps all

    def __post_init__(self):
        _within(self, "(0, inf)", "rate", "n_fft")
        _within(self, "[0, 2]", "deltas")
        _within(self, "[0, inf)", "trim_db")
        _within(self, "[0, 1)", "pre_emphasis")
        _within(self, f"[1, {self.n_fft}]", "hop_length")
        _within(self, f"[1, {self.n_mels}]", "n_mfcc")


N_FOLDS = 10  # 3.3.1
CELLS = ("gru", "lstm", "transformer", "tim", "none")
ATTENTIONS = ("soft", "hard", "none", "attentive_statistics")
HEADS = 4  # of a transformer


@dataclasses.dataclass(frozen=True)
class SubsystemConfig:
    """One modality's network: RNN layers, attention, fully connected layer, head (thesis 3.4, tables 4.1 and 4.3)."""

    layers: int = 1
    units: int = 512
    # "gru" (2.20–2.23), "lstm" (2.14–2.19); beyond the thesis "transformer" (4.4), "tim" (TIM-Net blocks), "none"
    cell: str = "gru"
    # "soft" (2.28–2.30), "hard" (2.6.2), "none": the last hidden state alone; or "attentive_statistics" (pooling)
    attention: str = "soft"
    batch_norm: bool = True  # (2.31–2.34), after the fully connected layer
    fc_units: int = 128  # open: small, since the fusion concatenates two of them
    dropout: float = 0.3  # open
    noise: float = 0.0  # open: Gaussian noise on the standardised features in training, in standard deviations
    rnn_dropout: float = 0.0  # open: dropout of each RNN's output channels, the same over all time steps of a clip
    # Beyond the thesis; see helpers.models.encoders.
    bidirectional: bool = False
    frame_stacking: int = 1  # neighbouring frames joined into one vector: a shorter sequence of longer vectors
    convolution: int = 0  # filters of a convolution over three time steps before the RNN; 0: none

    def __post_init__(self):
        _within(self, "[1, inf)", "layers", "units", "fc_units", "frame_stacking")
        _within(self, "[0, inf)", "noise", "convolution")
        _within(self, "[0, 1)", "dropout", "rnn_dropout")
        _one_of(self, "cell", CELLS)
        _one_of(self, "attention", ATTENTIONS)
        both = not self.bidirectional or self.cell in ("gru", "lstm")
        _require(both, f"bidirectional is for gru and lstm, not {self.cell}")
        heads = self.cell != "transformer" or self.units % HEADS == 0
        _require(heads, f"units is {self.units}; a transformer's must be a multiple of {HEADS}, its heads")

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
    encoders: str = "end-to-end"  # open; "fine-tuned" and "frozen" start from the trained subsystems
    # "concatenate" (3.4.1); "gated": a gated multimodal unit (Arevalo et al. 2017); "cross": before pooling, each
    # modality's time steps attend to the other's (Tsai et al. 2019)
    kind: str = "concatenate"
    modality_dropout: float = 0.0  # share of the training clips that lose a whole modality, so that one may be missing

    def __post_init__(self):
        _one_of(self, "kind", ("concatenate", "gated", "cross"))
        _one_of(self, "encoders", ("end-to-end", "fine-tuned", "frozen"))
        _within(self, "[0, 1]", "modality_dropout")
        _within(self, "[0, 1)", "dropout")
        jointly = self.kind != "cross" or self.encoders == "end-to-end"
        _require(jointly, "cross-modal attention is trained end-to-end: encoders is end-to-end")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How a fold is trained. All of it is open in the thesis but the optimiser (2.9.3)."""

    epochs: int = 60  # fixed, or the most with `patience`: no epoch is ever chosen on the test fold
    batch_size: int = 64
    optimiser: str = "adam"  # "adam" (2.9.3) or "sgd" with momentum 0.9 (2.9.2)
    learning_rate: float = 1e-3  # 2.9.3: Adam's default
    schedule: str = "constant"  # of the learning rate; "cosine" lets it decay to 0 along half a cosine over all epochs
    tempo_perturbation: float = 0.0  # open: each epoch plays a training clip faster or slower by up to this share
    precision: str = "float32"  # or "mixed_float16", "mixed_bfloat16": Keras' policies; the softmax stays in float32
    validation: float = 0.0  # share of the TRAINING rows held out for the curves; by actor in the actor protocol
    patience: int = 0  # early stopping after so many epochs without a lower loss there, back to the best; 0: off
    # Beyond the thesis. On-the-fly augmentation, drawn anew each epoch; see helpers.audio.augmentation.
    vtlp: float = 0.0  # vocal tract length perturbation: formants and pitch moved up or down by up to this share
    channel_augmentation: float = 0.0  # dB: standard deviation of a random gain and of a random smooth equaliser curve
    noise_augmentation: float = 0.0  # share of clips that get a steady noise floor
    time_mask_width: int = 0  # frames: two time masks of up to so many (SpecAugment)
    time_shift: int = 0  # frames: a clip is moved earlier or later by up to so many, its edge frame repeated
    mixup: float = 0.0  # α of the beta distribution that two clips and their labels are mixed by (Zhang et al. 2018)
    # Optimisation.
    label_smoothing: float = 0.0  # share of each label's 1 that is spread evenly over all classes
    weight_decay: float = 0.0  # AdamW's
    clip_norm: float = 0.0  # the largest norm of the gradient over all weights; 0: any
    warm_up: float = 0.0  # share of the training in which the learning rate rises to its value

    def __post_init__(self):
        _require(self.batch_size >= 2, f"batch_size is {self.batch_size}; batch normalisation needs at least 2")
        _within(self, "[1, inf)", "epochs")
        _within(self, "(0, inf)", "learning_rate")
        _one_of(self, "optimiser", ("adam", "sgd"))
        _one_of(self, "schedule", ("constant", "cosine"))
        _one_of(self, "precision", ("float32", "mixed_float16", "mixed_bfloat16"))
        _within(self, "[0, 1)", "tempo_perturbation", "vtlp", "label_smoothing", "warm_up")
        _within(self, "[0, 1]", "noise_augmentation")
        _within(self, "[0, 0.5)", "validation")
        _within(self, "[0, inf)", "channel_augmentation", "time_mask_width", "time_shift", "mixup")
        _within(self, "[0, inf)", "weight_decay", "clip_norm", "patience")
        _require(not self.weight_decay or self.optimiser == "adam", "weight_decay is AdamW's: the optimiser is adam")
        _require(not self.warm_up or self.schedule == "cosine", "warm_up comes before a cosine: the schedule is cosine")
        _require(
            not self.patience or self.validation,
            "patience needs validation, a share of the training rows: the test fold never stops a training",
        )


def as_dict(config, defaults=True):
    """A configuration (or a dict or list of some) as plain values for JSON, with or without those at their default."""
    if dataclasses.is_dataclass(config):
        values = {field: getattr(config, field.name) for field in dataclasses.fields(config)}
        config = {field.name: value for field, value in values.items() if defaults or value != field.default}
    if isinstance(config, dict):
        return {name: as_dict(value, defaults) for name, value in config.items()}
    return [as_dict(value, defaults) for value in config] if isinstance(config, (tuple, list)) else config


# Names and values that files of earlier versions hold.
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
    if settings.get("model", "audio") not in [*kinds][1:]:
        raise ValueError(f"model is {str(settings['model'])[:80]!r}, which is none of {', '.join([*kinds][1:])}")
    older = {name: as_dict(made(kind, settings[name], name)) for name, kind in kinds.items() if settings.get(name)}
    return settings | older


def made(kind, stored, name):
    """A configuration of what a JSON file holds under a name; ValueError names that, and what is wrong with it."""
    try:
        return kind(**stored)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is {str(stored)[:80]}, which is no {kind.__name__}: {error}") from error


def read(path):
    """A run's config.json, whatever version wrote it: dict; ValueError where it is damaged."""
    return read_json(path, _RUN, "delete that file and run the same again", completed)


_RUN = {"model": str, "protocol": str, "backend": str, "n_folds": int, "seed": int, "classes": list, "train": dict}


def read_json(path, kinds, remedy, finish=dict):
    """A JSON file's dict with {name: type} `kinds` in it, as `finish` gives it; ValueError: damaged, why, `remedy`."""
    try:
        content = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is no object")
        if wrong := [name for name, kind in kinds.items() if not isinstance(content.get(name), kind)]:
            raise ValueError(f"it lacks {', '.join(wrong)}, or has something else there")
        return finish(content)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} cannot be used ({error}): {remedy}") from error


def key(config):
    """Eight hex digits that identify a configuration, or a dict or list that holds some: the name of what it made.

    Fields at their default do not count, so that adding a field later changes no key. So a default must never change:
    tests/test_config.py holds them.
    """
    return hashlib.sha256(json.dumps(as_dict(config, defaults=False), sort_keys=True).encode()).hexdigest()[:8]
