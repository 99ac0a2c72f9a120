"""What goes beyond the thesis, by name: the richer voice, its network and its training, and what each part is worth.

An experiment is three sets of changes: to how the sound is described, to the network, and to the training.
"""

import dataclasses
import json

from helpers import runtime
from helpers.config import AudioConfig, SubsystemConfig, TrainConfig

# 39 cepstra of 64 mel bands and six contours every 20 ms, silence at both ends cut off.
SOUND = {"rate": 24_000, "n_fft": 1536, "hop_length": 480, "n_mels": 64, "n_mfcc": 39, "pre_emphasis": 0.0}
SOUND |= {"prosody": True, "trim_db": 38.0}
# Four frames side by side, a convolution, one GRU both ways, and a pooling that keeps mean, spread and maximum.
NETWORK = {"layers": 1, "units": 96, "bidirectional": True, "frame_stacking": 4, "convolution": 96}
NETWORK |= {"attention": "attentive_statistics", "rnn_dropout": 0.2}
TRAINING = {"epochs": 40, "batch_size": 32, "learning_rate": 2e-3, "schedule": "cosine", "warm_up": 0.1}
TRAINING |= {"weight_decay": 0.01, "clip_norm": 2.0, "label_smoothing": 0.1}
# How each clip is changed anew each epoch.
CHANGES = {
    "tempo_perturbation": 0.2,
    "vtlp": 0.12,
    "channel_augmentation": 2.0,
    "noise_augmentation": 0.3,
    "time_mask_width": 8,
}


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One row of the ablation, by the name a reader calls it."""

    name: str
    sound: AudioConfig
    network: SubsystemConfig
    train: TrainConfig


def experiment(name, sound=None, network=None, train=None):
    """The whole recipe with changes: {field: value} of AudioConfig, SubsystemConfig and TrainConfig."""
    return Experiment(
        name,
        AudioConfig(**SOUND | (sound or {})),
        SubsystemConfig.audio(**NETWORK | (network or {})),
        TrainConfig(**TRAINING | CHANGES | (train or {})),
    )


def ablation():
    """{name: Experiment}: the whole, and the whole with one thing other than it is."""
    plain = dict.fromkeys(CHANGES, 0.0) | {"time_mask_width": 0}
    rows = [
        experiment("full model"),
        experiment("13 MFCC instead of 39", {"n_mfcc": 13}),
        experiment("log mel bands instead of MFCC", {"n_mfcc": 64}),
        experiment("with deltas", {"deltas": 1}),
        experiment("without prosody", {"prosody": False}),
        experiment("without silence trimming", {"trim_db": 0.0}),
        experiment("no augmentation", None, None, plain),
        experiment("no tempo perturbation", None, None, {"tempo_perturbation": 0.0}),
        experiment("no VTLP", None, None, {"vtlp": 0.0}),
        experiment(
            "no noise and channel augmentation", None, None, {"channel_augmentation": 0.0, "noise_augmentation": 0.0}
        ),
        experiment("no SpecAugment", None, None, {"time_mask_width": 0}),
        experiment("with time shift", None, None, {"time_shift": 12}),
        experiment("with mixup", None, None, {"mixup": 0.2}),
        experiment("no label smoothing", None, None, {"label_smoothing": 0.0}),
        experiment("unidirectional", None, {"bidirectional": False, "units": 192}),
        experiment("soft attention", None, {"attention": "soft"}),
        experiment("temporal-aware blocks", None, {"bidirectional": False, "cell": "tim", "layers": 4}),
        experiment("self-attention", None, {"bidirectional": False, "cell": "transformer", "layers": 2}),
        experiment("no recurrent layer", None, {"bidirectional": False, "cell": "none"}),
    ]
    return {row.name: row for row in rows}


def slug(name):
    """A row's name as a file's."""
    return name.replace(" ", "-").replace("'", "").replace("→", "to")


def result(name):
    """A committed result: the content of docs/results/<name>.json.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    return json.loads((runtime.PROJECT / "docs" / "results" / f"{name}.json").read_text())


# What a reader calls it: its name in docs/results, whose * is the protocol.
HEADLINE = {
    "audio: the thesis' network": "audio-*",
    "audio: functionals, SVM": "svm-audio-*",
    "audio: functionals, LDA": "lda-audio-*",
    "audio: SVM with speaker identification": "svm-audio-identified-*",
    "audio: LDA with speaker identification": "lda-audio-identified-*",
    "audio: full model": "audio-network-*",
    "audio: ensemble": "audio-ensemble-*",
    "face: action units, SVM": "svm-action-units-*",
    "fusion: ensemble": "fusion-ensemble-*",
    "audio, per-speaker normalisation": "audio-ensemble-*-per-speaker",
    "face, per-speaker normalisation": "svm-action-units-*-per-speaker",
    "fusion, per-speaker normalisation": "fusion-ensemble-*-per-speaker",
}


def results(rows=HEADLINE):
    """Committed results on all 24 actors, both protocols side by side.

    Args:
        rows: {name of the row: name in docs/results, whose * is the protocol}.

    Returns:
        DataFrame in per cent: accuracy, its 95 % interval over people (luna2022) or clips (random), UAR, for a row of
        the ablation the gain over "full model" on the same clips; and the folds, and the network's parameters. A row
        of which there is no result is left out.
    """
    import pandas as pd

    found = {}
    for label, name in rows.items():
        found[label] = {}
        for protocol in ("luna2022", "random"):
            try:
                summary = result(name.replace("*", protocol))
            except FileNotFoundError:
                continue
            low, high = summary["accuracy_interval"]
            row = {"accuracy": f"{100 * summary['average']:.2f}", "95 %": f"{100 * low:.1f} to {100 * high:.1f}"}
            row |= {"UAR": f"{100 * summary['uar']:.2f}"}
            if "against_full_model" in summary:
                row["gain"] = "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * x for x in summary["against_full_model"]))
            found[label] |= {f"{protocol}, {column}": value for column, value in row.items()}
            found[label][f"{protocol}, folds"] = summary["folds"]
            if "parameters" in summary:
                found[label]["parameters"] = f"{summary['parameters']:,}"
    return pd.DataFrame.from_dict(found, orient="index").fillna("")
