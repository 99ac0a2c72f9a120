"""Predicts the emotion of one clip: how confident, where the attention lay, and what each modality alone predicts.

    python -m helpers.predict CLIP … [--model FILE_OR_DIR] [--fold N] [--json]

The pretrained model answers, unless --model names a run's folder or an exported file. Prints a line a clip; with --json
an object a line: clip, emotion, confident, probabilities, streams, timeline, warnings. A clip that cannot be answered
is named, and the rest go on.
"""

import argparse
import dataclasses
import json
import pathlib
import sys

import numpy as np

from helpers import runtime
from helpers.audio import descriptors
from helpers.data import mp4
from helpers.data.exclusions import ClipError
from helpers.features import clip as clip_features
from helpers.predict import exporting, fold_ensemble, pooled, sharing, windows
from helpers.predict.prediction import DRAWN_CLIP, DRAWN_FACES, Part, Prediction, warnings_about
from helpers.video import backbone, face_detector


class Predictor:
    """A trained model that answers clips.

    Attributes:
        models: {"video", "audio", "fusion": FoldEnsemble}, the one asked first; the others answer for one modality.
        preprocessing: Preprocessing.
        classes: the emotions' names.
        trained_on: "synthetic", "ravdess", a phrase for other clips, or "" where it was not recorded.
        threshold: probability above which an answer is confident; None takes the answering model's own.
        warnings: sentences that hold for every answer.
    """

    def __init__(self, models, preprocessing, warnings=(), *, threshold=None):
        self.models, self.preprocessing, self.threshold = models, preprocessing, threshold
        first = next(iter(models.values()))
        self.classes, self.trained_on = tuple(first.settings["classes"]), first.summary.get("trained_on", "")
        self.warnings, self._base = list(warnings), None
        if preprocessing.video and not preprocessing.pretrained:
            source, warning = clip_features.find_vgg16(preprocessing)
            self._base = backbone.vgg16(source, preprocessing.video.size)
            self.warnings += [warning] if warning else []
        for kind, model in models.items():
            if model.temperature is None:
                self.warnings.append(f"The {kind} model's probabilities are not calibrated: that takes two folds.")
        if not preprocessing.pretrained:
            self._warm_up()

    @classmethod
    def load(cls, path, fold=None, *, threshold=None):
        """A predictor from the folder of a finished cross-validation, or from a file that `export` made.

        Args:
            path: the folder or the file, or "hf://owner/name" (see `sharing.fetch`). A fusion's subsystems are looked
                for beside its folder, under its name with "video" and "audio" in the place of "fusion"; with them it
                also answers clips that lack a modality.
            fold: of a folder: number of the fold whose model answers. None takes the mean of all folds' answers.
            threshold: probability above which an answer is confident; by default the model's own.
        Raises FileNotFoundError, ValueError: no such file, no finished run, or VGG16's weights are missing; no such
        fold, or the file is no exported model or was tampered with.
        """
        path = sharing.fetch(path) if sharing.is_address(path) else pathlib.Path(path)
        if path.is_dir():
            return cls(*fold_ensemble.load_with_subsystems(path, fold), threshold=threshold)
        if fold is not None:
            raise ValueError("fold chooses from a folder; what is in a file was chosen when it was made")
        return cls(*exporting.read(path), threshold=threshold)

    def _warm_up(self):
        """Loads and compiles all that a short clip needs: the first clip takes no longer than the next."""
        import av  # noqa: F401

        if self.preprocessing.video:
            size = self.preprocessing.video.size
            whole = np.zeros((2 * clip_features.BLOCK, size, size, 3), "uint8")  # another number is compiled anew
            backbone.embed(whole, self._base, clip_features.BLOCK)
            face_detector.detect(np.zeros((96, 96), "uint8"), 1.0)
        if self.preprocessing.audio:
            rate = self.preprocessing.audio.rate
            descriptors.features(np.random.default_rng(0).normal(size=rate), rate, self.preprocessing.audio)
        lengths, dims = windows.sizes(self.preprocessing, whole=True), self.preprocessing.dims
        for model in self.models.values():
            inputs = {stream: np.zeros((1, lengths[stream], dims[stream]), "float32") for stream in model.streams}
            model.answer(inputs | {f"{stream}_length": np.ones(1, "int32") for stream in model.streams})

    def predict(self, path):
        """The Prediction of one clip, any file PyAV opens; of more than 5.5 s, window by window.

        Raises ClipError: the clip cannot be read, has neither face nor sound, or lacks a modality that is needed.
        """
        clip = clip_features.read(path, self.preprocessing, self._base)
        parts = windows.cut(clip)
        answers = {kind: self._answers(model, clip, parts) for kind, model in self.models.items()}
        chosen = [next((kind for kind in self.models if n in answers[kind][0]), None) for n in range(len(parts))]
        drawn, person = mp4.is_synthetic(path), self.trained_on not in ("", "synthetic")
        notes = [DRAWN_CLIP] * (drawn and person) + [DRAWN_FACES] * (self.trained_on == "synthetic" and not drawn)
        answered = [n for n, kind in enumerate(chosen) if kind]
        if not answered:
            why = "; ".join(clip.missing.values()) or "no window of it has both a face and a sound"
            alone = " or ".join(stream for stream in clip.features if stream not in self.models)
            raise ClipError(f"{clip.name}: {why}; and this fusion has no subsystem that answers from the {alone} alone")
        timeline = [answers[chosen[n]][0][n] for n in answered]
        mean = np.mean(timeline, axis=0)
        thresholds = [self.models[chosen[n]].threshold for n in answered]
        threshold = max(thresholds) if self.threshold is None else self.threshold
        streams = {s: np.mean(list(answers[s][0].values()), axis=0) for s in answers if s != "fusion" and answers[s][0]}
        return Prediction(
            emotion=self.classes[mean.argmax()],
            confident=bool(mean.max() > threshold),
            probabilities=self._named(mean),
            streams={stream: self._named(probabilities) for stream, probabilities in streams.items()},
            attention={stream: self._attention(clip, parts, answers, chosen, stream) for stream in clip.features},
            times=clip.times,
            faces=clip.faces,
            samples=clip.samples,
            rate=clip.rate,
            timeline=[Part(parts[n].start, parts[n].end, self._named(row)) for n, row in zip(answered, timeline)],
            warnings=notes + self.warnings + warnings_about(clip, chosen, next(iter(self.models))),
        )

    def _answers(self, model, clip, parts):
        """({window's number: (C,)}, {modality: {number: (T,)}}) of the windows that have the model's modalities."""
        able = [n for n, part in enumerate(parts) if all(stream in part.steps for stream in model.streams)]
        rows, attention = model.answers(clip, [parts[n] for n in able])
        if not np.isfinite(rows).all():
            raise ClipError(f"{clip.name}: the model's answer is no number; train or export it again")
        return dict(zip(able, rows)), {stream: dict(zip(able, curves)) for stream, curves in attention.items()}

    def _attention(self, clip, parts, answers, chosen, stream):
        rows = {n: answers[kind][1].get(stream, {}).get(n) for n, kind in enumerate(chosen) if kind}
        rows = {n: row for n, row in rows.items() if row is not None}
        return windows.merge(rows, parts, stream, len(clip.times[stream])) if rows else None

    def _named(self, probabilities):
        return dict(zip(self.classes, probabilities.tolist()))


def by_name(model, fold=None):
    """The Predictor of a folder or file, as of `Predictor.load`; the pretrained one where the name is empty."""
    return Predictor.load(model, fold) if model else pooled.pretrained()


def main(arguments=None):
    """The command line. Returns the number of clips without an answer."""
    parser = argparse.ArgumentParser("python -m helpers.predict", description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", metavar="clip")
    parser.add_argument("--model", help="a run's folder or an exported file; by default the pretrained model")
    parser.add_argument("--fold", type=int, help="of a folder: the fold whose model answers; by default all together")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    chosen = parser.parse_args(arguments)
    try:
        predictor = by_name(chosen.model, chosen.fold)
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(str(error)) from error
    failed = 0
    sys.stdout.reconfigure(errors="backslashreplace")  # a clip's name may be no UTF-8
    bar = runtime.bar(chosen.clips, "clips", progress=sys.stderr.isatty() and len(chosen.clips) > 1)
    for path in bar:
        try:
            answer = predictor.predict(path)
        except Exception as error:  # whatever it is, the rest go on
            failed += 1
            reason = error if isinstance(error, ClipError) else f"{path}: {type(error).__name__}: {error}"
            bar.clear()
            print(reason, file=sys.stderr)
            continue
        bar.clear()  # it is drawn again below what is printed
        if chosen.json:
            names = ("emotion", "confident", "probabilities", "streams", "warnings")
            timeline = [dataclasses.asdict(part) for part in answer.timeline]
            values = {name: getattr(answer, name) for name in names} | {"timeline": timeline}
            print(json.dumps({"clip": path, **values}), flush=True)
        else:
            print(f"{path}: {answer.sentence}", *(f"    {line}" for line in answer.warnings), sep="\n", flush=True)
    return failed
