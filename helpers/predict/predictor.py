"""One clip in, one answer out: which emotion, how sure, where the networks looked, and what each stream alone says.

    python -m helpers.predict MODEL CLIP … [--fold N] [--json]

MODEL is a run's folder or an exported file. Prints a line a clip; with --json an object a line: clip, emotion, sure,
probabilities, streams, timeline, warnings. A clip that cannot be answered is named, and the rest go on.
"""

import argparse
import json
import pathlib
import sys

import numpy as np

from helpers.audio import descriptors
from helpers.data.exclusions import ClipError
from helpers.features import clip as clip_features
from helpers.predict import exporting, finished_runs, windows
from helpers.predict.exporting import export
from helpers.predict.prediction import WORDS, Part, Prediction, remarks
from helpers.video import backbone, face_detector

__all__ = ["Part", "Prediction", "Predictor", "export"]


class Predictor:
    """A trained model that answers clips.

    Attributes:
        models: {"video", "audio", "fusion": FoldEnsemble}; the first is the one asked, the others answer for one stream.
        preprocessing: Preprocessing.
        classes: the emotions' names.
        threshold: that `sure` is judged by; None takes the answering model's own.
        warnings: sentences that hold for every answer.
    """

    def __init__(self, models, preprocessing, warnings=(), base=None, *, threshold=None):
        self.models, self.preprocessing, self.threshold = models, preprocessing, threshold
        self.classes = tuple(next(iter(models.values())).settings["classes"])
        self.warnings = list(warnings)
        self._base = base
        if preprocessing.video and base is None:
            source, warning = clip_features.find_vgg16(preprocessing)
            self._base = backbone.vgg16(source, preprocessing.video.size)
            self.warnings += [warning] if warning else []
        for model in models.values():
            if model.temperature is None:
                kind = model.settings["model"]
                self.warnings.append(f"The {kind} model's probabilities are not calibrated: that takes two folds.")
        self._warm_up()

    @classmethod
    def load(cls, path, fold=None, *, video=None, audio=None, threshold=None):
        """A predictor out of a run's folder, or of a file that `export` made.

        Args:
            path: folder of a finished `training.cross_validate`, or the file.
            fold: of a folder: the number of the fold whose model answers. None takes all folds' models and the mean
                of their answers.
            video, audio: of a fusion's folder: those of its subsystems, trained on the same folds. By default they
                are looked for beside it, under its name with "video" and "audio" in the place of "fusion". With them
                a fusion also answers clips that lack a stream.
            threshold: probability above which an answer is `sure`; by default the model's own.

        Returns:
            Predictor, warm: the first clip takes no longer than the next.

        Raises:
            FileNotFoundError: no such file, no finished run, or VGG16's weights are lacking.
            ValueError: the file is no exported model or was tampered with, no such fold, or a subsystem that does not
                go with the fusion.
        """
        path = pathlib.Path(path)
        if path.is_dir():
            return cls(
                *finished_runs.load_with_subsystems(path, fold, {"video": video, "audio": audio}), threshold=threshold
            )
        if fold is not None or video or audio:
            raise ValueError("fold, video and audio choose from folders; what is in a file was chosen when it was made")
        return cls(*exporting.read(path), threshold=threshold)

    def _warm_up(self):
        """Loads and compiles all that a short clip needs."""
        import av  # noqa: F401
        import soundfile  # noqa: F401

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
        """Answers one clip.

        Args:
            path: any file PyAV or soundfile opens. Longer than 5.5 s, it is answered window by window.

        Returns:
            Prediction.

        Raises:
            ClipError: the clip cannot be read, or shows no face and holds no sound, or lacks a stream that no model
                here can do without; the message says which.
        """
        clip = clip_features.read(path, self.preprocessing, self._base)
        parts = windows.cut(clip)
        answers = {kind: self._answers(model, clip, parts) for kind, model in self.models.items()}
        chosen = [next((kind for kind in self.models if n in answers[kind][0]), None) for n in range(len(parts))]
        told = [n for n, kind in enumerate(chosen) if kind]
        if not told:
            raise ClipError(self._refusal(clip))
        timeline = [answers[chosen[n]][0][n] for n in told]
        mean = np.mean(timeline, axis=0)
        asked = [self.models[kind] for kind in set(chosen) - {None}]
        threshold = max(model.threshold for model in asked) if self.threshold is None else self.threshold
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
            timeline=[Part(parts[n].start, parts[n].end, self._named(c)) for n, c in zip(told, timeline)],
            warnings=self.warnings + remarks(clip, chosen, next(iter(self.models))),
        )

    def _answers(self, model, clip, parts):
        """({number of the window: (C,)}, {stream: {number: (T,)}}) of the windows that have the model's streams."""
        able = [n for n, part in enumerate(parts) if all(stream in part.steps for stream in model.streams)]
        probabilities, looks, at = {}, {}, 0
        for inputs, count in windows.batches(clip, [parts[n] for n in able], model.streams) if able else ():
            found, attention = model.answer(inputs)
            numbers, at = able[at : at + count], at + count
            probabilities |= dict(zip(numbers, found))
            for stream, rows in attention.items():
                looks.setdefault(stream, {}).update(zip(numbers, rows))
        return probabilities, looks

    def _attention(self, clip, parts, answers, chosen, stream):
        rows = {n: answers[kind][1].get(stream, {}).get(n) for n, kind in enumerate(chosen) if kind}
        rows = {n: row for n, row in rows.items() if row is not None}
        if not rows:
            return None
        return windows.merge(rows.values(), [parts[n] for n in rows], stream, len(clip.times[stream]))

    def _named(self, probabilities):
        return {name: float(chance) for name, chance in zip(self.classes, probabilities)}

    def _refusal(self, clip):
        why = "; ".join(clip.missing.values()) or "no window of it has both a face and a sound"
        alone = " or ".join(WORDS[stream] for stream in clip.features if stream not in self.models)
        return f"{clip.name}: {why}; and this fusion has no subsystem beside it that answers from the {alone} alone"


def main(arguments=None):
    """The command line. Returns the number of clips without an answer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a run's folder, such as runs/demo/fusion, or an exported file")
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--fold", type=int, help="of a folder: the fold whose model answers; by default all together")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    try:
        predictor = Predictor.load(chosen.model, chosen.fold)
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(str(error)) from error
    failed = 0
    for path in chosen.clips:
        try:
            found = predictor.predict(path)
        except Exception as error:  # whatever it is, the rest go on
            failed += 1
            told = error if isinstance(error, ClipError) else f"{path}: {type(error).__name__}: {error}"
            print(told, file=sys.stderr)
            continue
        if chosen.json:
            kept = {
                name: getattr(found, name) for name in ("emotion", "confident", "probabilities", "streams", "warnings")
            }
            parts = [{"start": p.start, "end": p.end, "probabilities": p.probabilities} for p in found.timeline]
            print(json.dumps({"clip": path, **kept, "timeline": parts}), flush=True)
        else:
            print(f"{path}: {found.sentence}", *(f"    {remark}" for remark in found.warnings), sep="\n", flush=True)
    return failed
