import dataclasses

import pytest

from helpers import config
from helpers.config import AudioConfig, FusionConfig, SubsystemConfig, TrainConfig, VideoConfig


def test_the_defaults_are_the_thesis_values():
    video, audio = VideoConfig(), AudioConfig()
    assert (video.fps, video.size) == (7.5, 48)
    assert (audio.rate, audio.n_mfcc, audio.n_fft) == (48_000, 13, 4096)
    assert (SubsystemConfig.video().layers, SubsystemConfig.video().units) == (1, 512)
    assert (SubsystemConfig.audio().layers, SubsystemConfig.audio().units) == (3, 256)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: VideoConfig(fps=0), "fps is 0"),
        (lambda: VideoConfig(size=16), "size is 16"),
        (lambda: VideoConfig(detect_sizes=()), "detect_sizes is empty"),
        (lambda: AudioConfig(hop_length=5000), "hop_length is 5000"),
        (lambda: AudioConfig(n_mfcc=40), "n_mfcc is 40"),
        (lambda: SubsystemConfig(attention="hard-ish"), "attention is 'hard-ish'"),
        (lambda: SubsystemConfig(layers=0), "layers is 0"),
        (lambda: FusionConfig(dropout=1.0), "dropout is 1.0"),
        (lambda: FusionConfig(kind="added"), "kind is 'added'"),
        (lambda: FusionConfig(modality_dropout=2), "modality_dropout is 2"),
        (lambda: TrainConfig(batch_size=1), "batch normalisation"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_the_key_changes_with_any_value_and_only_then():
    assert config.key(VideoConfig()) == config.key(VideoConfig())
    assert config.key(VideoConfig(detect_sizes=[320])) == config.key(VideoConfig(detect_sizes=(320,)))
    assert len({config.key(AudioConfig(hop_length=hop)) for hop in (512, 1024, 2048)}) == 3


# What was made under `config.key` was made with these where its key names nothing else.
DEFAULTS = {
    VideoConfig: {"fps": 7.5, "size": 48, "margin": 1.0, "detect_sizes": (320, 640, 1280, 1920), "min_seconds": 0.5},
    AudioConfig: {"rate": 48_000, "n_mfcc": 13, "n_fft": 4096, "hop_length": 2048, "n_mels": 26, "pre_emphasis": 0.97}
    | {"min_seconds": 0.5, "deltas": 0, "prosody": False, "trim_db": 0.0},
    SubsystemConfig: {"layers": 1, "units": 512, "cell": "gru", "attention": "soft", "batch_norm": True}
    | {"fc_units": 128, "dropout": 0.3, "noise": 0.0, "rnn_dropout": 0.0, "bidirectional": False, "frame_stacking": 1}
    | {"convolution": 0},
    FusionConfig: {
        "batch_norm": True,
        "dropout": 0.3,
        "encoders": "end-to-end",
        "kind": "concatenate",
        "modality_dropout": 0.0,
    },
    TrainConfig: {"epochs": 60, "batch_size": 64, "optimiser": "adam", "learning_rate": 1e-3, "schedule": "constant"}
    | {
        "tempo_perturbation": 0.0,
        "precision": "float32",
        "validation": 0.0,
        "patience": 0,
        "vtlp": 0.0,
        "channel_augmentation": 0.0,
    }
    | {
        "noise_augmentation": 0.0,
        "time_mask_width": 0,
        "time_shift": 0,
        "mixup": 0.0,
        "label_smoothing": 0.0,
        "weight_decay": 0.0,
    }
    | {"clip_norm": 0.0, "warm_up": 0.0},
}


@pytest.mark.parametrize("kind", DEFAULTS)
def test_no_default_that_keys_rely_on_is_changed(kind):
    changed = {name: getattr(kind(), name) for name, value in DEFAULTS[kind].items() if getattr(kind(), name) != value}
    assert not changed, (
        f"{kind.__name__}'s defaults changed: {changed}. `config.key` leaves defaults out, so what was made with "
        "the old ones would be taken for the new. Leave the default, or count up cache._VERSIONS, and then change this"
    )
    missing = {field.name for field in dataclasses.fields(kind)} - DEFAULTS[kind].keys()
    assert not missing, f"new fields of {kind.__name__}: note their defaults here, they must not change any more"


def test_a_field_at_its_default_changes_no_key_wherever_the_configuration_stands():
    Later = dataclasses.make_dataclass("Later", [("later", int, 3)], bases=(AudioConfig,), frozen=True)
    for hop in (2048, 512):
        assert config.key({"preprocessing": [Later(hop_length=hop)]}) == config.key(
            {"preprocessing": [AudioConfig(hop_length=hop)]}
        )
    assert config.key(Later(later=4)) != config.key(Later())
