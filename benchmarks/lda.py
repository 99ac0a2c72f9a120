"""An LDA on each modality, one on both, and small ensembles with equal weights, by five protocols. One JSON line a row.

    python benchmarks/lda.py RAVDESS_FOLDER ACTION_UNITS.csv [--protocols luna2022 emobox random repetition …]
                             [--cache FOLDER] [--published LUNA2022.csv] [--result docs/results]

The rows of the encoders are those of `benchmarks/pretrain_audio.py`, kept in CACHE. All that is fitted (mean, standard
deviation, ridge, temperature) is fitted on each fold's training clips: ridge and temperature by a cross-validation
within them, with other speakers in its test where the protocol is speaker-independent. LUNA2022.csv are the published
out-of-fold answers of Luna-Jiménez et al. 2022; their video joins our audio on the same folds.
"""

import argparse
import pathlib

import numpy as np
import pandas as pd
from pretrain_audio import clip_rows, discriminant, hash_of
from scipy.special import log_softmax, softmax
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold
from tables import keep

from helpers import runtime
from helpers.audio import embedding
from helpers.beyond import action_units, ensemble
from helpers.data import ravdess
from helpers.evaluation import significance
from helpers.training.cross_validation import CVResult

PROTOCOLS = ("luna2022", "emobox", "random", "repetition", "actor-emotion")
SPEAKER_INDEPENDENT = ("luna2022", "emobox")
# What each LDA reads; every part has the same weight, however many columns it has.
PARTS = {"lda-audio-encoders": ("speech", "speaker"), "lda-action-units": ("action units",)}
PARTS |= {"lda-speech": ("speech",), "lda-speaker-encoder": ("speaker",)}
PARTS |= {"lda-both": ("speech", "speaker", "action units")}
ENSEMBLES = {
    "equal-audio": ("lda-audio-encoders", "lda-speech", "lda-speaker-encoder"),
    "equal-fusion-2": ("lda-audio-encoders", "lda-action-units"),
    "equal-fusion-3": ("lda-audio-encoders", "lda-action-units", "lda-both"),
}
RIDGES = (1e-4, 4e-4, 2e-3, 1e-2)  # × the covariance's trace
INNER_FOLDS = 4


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("action_units")
    parser.add_argument("--protocols", nargs="+", default=PROTOCOLS, choices=PROTOCOLS)
    parser.add_argument("--cache", type=pathlib.Path, default=runtime.workspace() / "cache")
    parser.add_argument("--published", type=pathlib.Path, help="out-of-fold answers of Luna-Jiménez et al. 2022")
    parser.add_argument("--result", type=pathlib.Path, help="folder of the results to keep")
    options = parser.parse_args()
    table = ravdess.index(options.root)
    encoders = clip_rows(table, options.cache, hash_of(table))["encoders"]
    parts = dict(zip(("speech", "speaker"), np.split(encoders, [embedding.WIDTHS["speech"]], axis=1)))
    parts["action units"] = action_units.read(options.action_units, table)
    for protocol in options.protocols:
        steps = protocol in ("repetition", "actor-emotion")  # for two members alone
        names = ENSEMBLES["equal-fusion-2"] if steps else PARTS
        results = {name: cross_validate([parts[p] for p in PARTS[name]], table, protocol, name) for name in names}
        if options.published and protocol == "luna2022":
            results |= published(options.published, results["lda-audio-encoders"])
        for name, members in ENSEMBLES.items():
            if set(members) <= set(results):
                results[name] = ensemble.combine([results[member] for member in members], name, fit=False)
        for name, result in results.items():
            about = {}
            if name == "published-video-our-audio":
                theirs = results["published-fusion"].predictions
                about["against_published_fusion"] = significance.difference(theirs, result.predictions, "actor")
            elif name.startswith("published"):
                continue
            command = f"python benchmarks/lda.py ROOT ACTION_UNITS.csv --protocols {protocol} --result docs/results"
            command += " --published LUNA2022.csv" * name.startswith("published")
            keep(options.result, f"{name}-{protocol}", result, command=command, **about)


def folds(table, protocol, seed=0, n_folds=10):
    """Folds of `ravdess.folds`, and `n_folds` of two more protocols.

    "repetition": both repetitions of a sentence, spoken alike by one actor, are in one fold. "actor-emotion": all clips
    of an actor in one emotion are.
    """
    groups = {"repetition": table.clip_id.map(lambda name: name[3:15] + name[18:])}
    groups["actor-emotion"] = table.actor * len(ravdess.EMOTIONS) + table.label
    if protocol not in groups:
        return ravdess.folds(table, protocol, seed=seed)
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    return list(splitter.split(table.label, table.label, groups[protocol]))


def cross_validate(parts, table, protocol, name):
    """CVResult without files of an LDA on `parts`, a list of (N, D); `ridges` are those chosen in each fold."""
    label = table.label.to_numpy()
    groups = table.actor.to_numpy() if protocol in SPEAKER_INDEPENDENT else np.arange(len(table))
    fold_of, probabilities, ridges = np.zeros(len(table), int), np.zeros((len(table), len(ravdess.EMOTIONS))), []
    for number, (train, test) in enumerate(folds(table, protocol), start=1):
        rows, fold_of[test] = coordinates(parts, train), number
        ridge, temperature = choose(rows[train], label[train], groups[train])
        weights, offset = discriminant(rows[train], label[train], ridge, rows[train] @ rows[train].T)
        probabilities[test] = softmax((rows[test] @ weights + offset) / temperature, axis=1)
        ridges.append(ridge)
    predictions = table[["clip_id", "actor", "label"]].assign(prediction=probabilities.argmax(axis=1), fold=fold_of)
    predictions[[f"p_{emotion}" for emotion in ravdess.EMOTIONS]] = probabilities
    about = {"model": name, "protocol": protocol, "folds_planned": int(fold_of.max()), "seed": 0, "ridges": ridges}
    return CVResult(predictions, pd.DataFrame(), ravdess.EMOTIONS, about, pathlib.Path())


def coordinates(parts, train):
    """All clips' rows, standardised on the rows `train`, each part with the same weight: float64 (N, ≤ N).

    Where there are more columns than clips, others with the same products stand for them: an LDA tells no difference.
    """
    rows = []
    for values in parts:
        values = (values - values[train].mean(axis=0)) / (values[train].std(axis=0) + 1e-8)
        rows.append(values / np.sqrt(values.shape[1]))
    rows = np.hstack(rows)
    if rows.shape[1] <= len(rows):
        return rows.astype(float)
    products = (rows @ rows.T).astype(float)
    return np.linalg.cholesky(products + 1e-7 * np.trace(products) / len(rows) * np.eye(len(rows)))


def choose(rows, label, groups):
    """(ridge, temperature) under which LDAs fitted on some groups make the labels of the others most likely."""
    products, best = rows @ rows.T, (np.inf,)
    splits = list(GroupKFold(INNER_FOLDS).split(rows, label, groups))
    for ridge in RIDGES:
        scores = np.zeros((len(rows), len(ravdess.EMOTIONS)))
        for train, test in splits:
            weights, offset = discriminant(rows[train], label[train], ridge, products[np.ix_(train, train)])
            scores[test] = rows[test] @ weights + offset
        for temperature in scores.std() * np.geomspace(0.05, 20, 100):
            loss = -log_softmax(scores / temperature, axis=1)[np.arange(len(label)), label].mean()
            best = min(best, (loss, ridge, temperature))
    return best[1:]


def published(path, audio):
    """{name: CVResult}: the published video, audio and fusion, and our audio with the published video."""
    answers, results = pd.read_csv(path).set_index("clip_id"), {}  # without the modality
    rows = audio.predictions
    for name in ("video", "audio", "fusion"):
        p = answers.loc[rows.clip_id.str[3:], [f"{name}_{emotion}" for emotion in ravdess.EMOTIONS]].to_numpy()
        own = rows.assign(prediction=p.argmax(axis=1))
        own[[f"p_{emotion}" for emotion in ravdess.EMOTIONS]] = p
        about = audio.about | {"model": f"published-{name}", "ridges": None}
        results[f"published-{name}"] = CVResult(own, audio.history, audio.classes, about, audio.out)
    pair = ensemble.combine([audio, results["published-video"]], "published-video-our-audio", fit=False)
    return results | {"published-video-our-audio": pair}


if __name__ == "__main__":
    main()
