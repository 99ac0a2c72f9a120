"""The full audio model: its features, network, training and augmentation; its ablation; and the committed results."""

import dataclasses
import functools
import json

import pandas as pd

from helpers import runtime
from helpers.config import AudioConfig, SubsystemConfig, TrainConfig
from helpers.evaluation import significance

# 39 MFCC of 64 mel bands and six prosodic descriptors every 20 ms, with silence trimming.
FEATURES = {"rate": 24_000, "n_fft": 1536, "hop_length": 480, "n_mels": 64, "n_mfcc": 39, "pre_emphasis": 0.0}
FEATURES |= {"prosody": True, "trim_db": 38.0}
# Four frames stacked, a convolution, one bidirectional GRU, attentive statistics pooling.
NETWORK = {"layers": 1, "units": 96, "bidirectional": True, "frame_stacking": 4, "convolution": 96}
NETWORK |= {"attention": "attentive_statistics", "rnn_dropout": 0.2}
TRAINING = {"epochs": 40, "batch_size": 32, "learning_rate": 2e-3, "schedule": "cosine", "warm_up": 0.1}
TRAINING |= {"weight_decay": 0.01, "clip_norm": 2.0, "label_smoothing": 0.1}
AUGMENTATION = {"tempo_perturbation": 0.2, "vtlp": 0.12, "channel_augmentation": 2.0, "noise_augmentation": 0.3}
AUGMENTATION |= {"time_mask_width": 8}  # on the fly, in each epoch

# The ablation: changes to (features, network, training) of the full model.
_ROWS = {
    "full model": ({}, {}, {}),
    "13 MFCC instead of 39": ({"n_mfcc": 13}, {}, {}),
    "log mel bands instead of MFCC": ({"n_mfcc": 64}, {}, {}),
    "with deltas": ({"deltas": 1}, {}, {}),
    "without prosody": ({"prosody": False}, {}, {}),
    "without silence trimming": ({"trim_db": 0.0}, {}, {}),
    "no augmentation": ({}, {}, dict.fromkeys(AUGMENTATION, 0.0) | {"time_mask_width": 0}),
    "no tempo perturbation": ({}, {}, {"tempo_perturbation": 0.0}),
    "no VTLP": ({}, {}, {"vtlp": 0.0}),
    "no noise and channel augmentation": ({}, {}, {"channel_augmentation": 0.0, "noise_augmentation": 0.0}),
    "no SpecAugment": ({}, {}, {"time_mask_width": 0}),
    "with time shift": ({}, {}, {"time_shift": 12}),
    "with mixup": ({}, {}, {"mixup": 0.2}),
    "no label smoothing": ({}, {}, {"label_smoothing": 0.0}),
    "unidirectional": ({}, {"bidirectional": False, "units": 192}, {}),
    "soft attention": ({}, {"attention": "soft"}, {}),
    "temporal-aware blocks": ({}, {"bidirectional": False, "cell": "tim", "layers": 4}, {}),
    "self-attention": ({}, {"bidirectional": False, "cell": "transformer", "layers": 2}, {}),
    "no recurrent layer": ({}, {"bidirectional": False, "cell": "none"}, {}),
}


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One row of the ablation."""

    features: AudioConfig
    network: SubsystemConfig
    train: TrainConfig


def ablation():
    """{name: Experiment}: the full model, and with one change each."""
    return {
        name: Experiment(
            AudioConfig(**FEATURES | features),
            SubsystemConfig.audio(**NETWORK | network),
            TrainConfig(**TRAINING | AUGMENTATION | train),
        )
        for name, (features, network, train) in _ROWS.items()
    }


def slug(name):
    """A row's name as part of a file's name."""
    return name.replace(" ", "-").replace("'", "").replace("→", "to")


def result(name):
    """The content of docs/results/<name>.json; FileNotFoundError where there is none of that name."""
    return json.loads((runtime.PROJECT / "docs" / "results" / f"{name}.json").read_text())


@functools.cache
def predictions(name):
    """A result's committed out-of-fold predictions: DataFrame as `CVResult.predictions`, None where not kept.

    Where seeds are told apart, `seed` is the first column, and each clip is there once a seed, as `<clip_id>/<seed>`.
    """
    path = runtime.PROJECT / "docs" / "results" / "predictions" / f"{name}.csv.gz"
    if not path.is_file():
        return None
    rows = pd.read_csv(path)
    rows["clip_id"] += "/" + rows.seed.astype(str) if "seed" in rows else ""
    return rows.sort_values("clip_id", ignore_index=True)


def gain(name, full):
    """(difference, low, high): accuracy less the full model's on the same clips; 95 % interval over actors."""
    return significance.difference(*pairs(predictions(full), predictions(name)), by="actor")


def pairs(a, b):
    """Two results' predictions with every seed of the one beside every seed of the other: their means, clip by clip."""
    clips = [rows.assign(clip=rows.clip_id.str.partition("/")[0]) for rows in (a, b)]
    both = clips[0].merge(clips[1], on="clip", suffixes=("/a", "/b"))
    names = both["clip_id/a"] + " " + both["clip_id/b"]
    tables = [both.filter(like=end).rename(columns=lambda name: name[:-2]) for end in ("/a", "/b")]
    return [table.assign(clip_id=names) for table in tables]


# {row of the headline table: name in docs/results, whose * is the protocol}; a row without a result is left out.
HEADLINE = {
    "audio: the thesis' network": "audio-plain-*",
    "both: the thesis' fusion of its audio network and action units": "fusion-plain-*",
    "audio: functionals, SVM": "svm-audio-*",
    "audio: functionals, LDA": "lda-audio-*",
    "audio: pretrained encoders, LDA": "lda-encoders-*",
    "audio: pretrained encoders, LDA with a ridge chosen in each fold": "lda-audio-encoders-*",
    "audio: pretrained encoders, one network": "network-audio-encoders-*",
    "face: action units, SVM": "svm-action-units-*",
    "face: action units, LDA": "lda-action-units-*",
    "both: encoders and action units, one LDA": "lda-both-*",
    "both: the thesis' audio network, an SVM on the action units": "equal-thesis-*",
    "audio: an LDA on each encoder and on both": "equal-audio-*",
    "both: an LDA on the encoders, one on the action units": "equal-fusion-2-*",
    "both: these two and the one LDA": "equal-fusion-3-*",
    "audio: functionals, LDA, per-speaker normalisation": "lda-audio-*-per-speaker",
    "face: action units, SVM, per-speaker normalisation": "svm-action-units-*-per-speaker",
}


def results(rows=HEADLINE):
    """The committed results on all 24 actors, both protocols side by side, in per cent; `rows` is as HEADLINE.

    Returns: DataFrame: accuracy over all clips, its 95 % interval, UAR, gain (see `gain`), folds; parameters.
    """
    table = {}
    for label, name in rows.items():
        table[label] = {}
        for protocol in ("luna2022", "random"):
            file, full = name.replace("*", protocol), f"ablation-{protocol}-full-model"
            try:
                summary = result(file)
            except FileNotFoundError:
                continue
            low, high = significance.interval(predictions(file), by="actor")
            row = {"accuracy": f"{100 * summary['accuracy']:.2f}", "95 %": f"{100 * low:.1f} to {100 * high:.1f}"}
            row |= {"UAR": f"{100 * summary['uar']:.2f}"}
            if file.startswith("ablation-") and file != full:
                row["gain"] = "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * x for x in gain(file, full)))
            row["folds"] = summary["folds"]
            table[label] |= {f"{protocol}, {column}": value for column, value in row.items()}
            if "parameters" in summary:
                table[label]["parameters"] = f"{summary['parameters']:,}"
    return pd.DataFrame.from_dict(table, orient="index").fillna("")
