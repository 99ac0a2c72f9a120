"""A trained model as one file: a zip of plain numbers and JSON, in which nothing is pickled.

    bundle.json                format, kinds of models, their folds, temperatures and thresholds, shapes of the weights
    preprocessing.json         how clips become features
    MODEL_CARD.md
    <kind>/config.json         the run's, with the emotions' names
    <kind>/summary.json        the run's
    <kind>/fold_<k>.weights    the arrays one after the other, little-endian float32; "half": those of two or more
                               dimensions in float16
    vgg16.weights              likewise, where it was asked for

`bundle_reading` reads it.
"""

import dataclasses
import json
import os
import pathlib
import zipfile

import numpy as np

from helpers import backbone, clip_features, finished, model_card

LIMIT = 80 << 20  # bytes of the file


def export(run, path, fold=1, *, video=None, audio=None, half=False, check=None, vgg16=False, data=""):
    """Makes one file of a trained model, which `Predictor.load` reads anywhere: without data, with either backend.

    Args:
        run: folder of a finished `training.cross_validate`.
        path: the file to make, .zip; replaced whole or not at all.
        fold: number of the fold whose model is packed; None packs all folds', which take turns.
        video, audio: folders of a fusion's subsystems, as in `Predictor.load`; they are packed too.
        half: store the matrices in half the bytes; only if that changes none of the answers to `check`.
        check: FeatureSet that `half` is tried on, such as the one the model was trained with.
        vgg16: pack VGG16 too, 29 MB, for machines that cannot fetch it.
        data: what the model was trained on, for the model card: "ravdess", "synthetic" or a sentence.

    Returns:
        The path, as a pathlib.Path.

    Raises:
        FileNotFoundError: no finished run; or VGG16's weights are to be packed and lacking.
        ValueError: no such fold; it would be larger than 80 MB; `half` changes an answer or has nothing to be tried
            on; the VGG16 weights here are not those of the training.
    """
    models, made_with, warnings = finished.family(run, fold, {"video": video, "audio": audio})
    base = None
    if vgg16:
        source, warning = clip_features.find_vgg16(made_with)
        if warning:
            raise ValueError(f"{warning} They are not packed")
        base = backbone.vgg16(source)
    if half:
        check_half(models, check)
    card = model_card.text(models, made_with, warnings, data)
    return write(path, models, made_with, card, base, half)


def write(path, models, made_with, card, base=None, half=False):
    """Makes the file.

    Args:
        path: .zip; replaced whole or not at all.
        models: {kind: Trained}, the one that is asked first.
        made_with: Preprocessing.
        card: text of MODEL_CARD.md.
        base: VGG16, to be packed, or None.
        half: matrices in float16; VGG16's always are.

    Returns:
        The path.

    Raises:
        ValueError: it would be larger than LIMIT; nothing is left behind.
    """
    path = pathlib.Path(path)
    about = {"format": 1, "asked": next(iter(models)), "half": bool(half), "models": {}}
    members = {"MODEL_CARD.md": card.encode(), "preprocessing.json": _bytes(made_with.as_dict())}
    for kind, model in models.items():
        shapes = [list(array.shape) for array in model.weights[0]]
        numbers = {"folds": list(model.folds), "temperature": model.temperature, "threshold": model.threshold}
        about["models"][kind] = numbers | {"shapes": shapes}
        members |= {f"{kind}/config.json": _bytes(model.settings), f"{kind}/summary.json": _bytes(model.summary)}
        for number, weights in zip(model.folds, model.weights):
            members[f"{kind}/fold_{number}.weights"] = flat(weights, half)
    if base is not None:
        members["vgg16.weights"] = flat(base.get_weights(), True)
    members = {"bundle.json": _bytes(about)} | members
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, content in members.items():
                info = zipfile.ZipInfo(name)  # its date is 1980: the time of packing changes no byte
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, content)
        size = temporary.stat().st_size
        if size > LIMIT:
            raise ValueError(
                f"{path.name} would be {size / 1e6:.0f} MB, more than {LIMIT / 1e6:.0f}: export fewer folds, half=True "
                "with a set to check it on, or leave VGG16 out"
            )
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _bytes(value):
    return json.dumps(value, indent=1).encode()


def flat(weights, half):
    """Arrays as bytes, one after the other; with `half` those of two or more dimensions in float16."""
    return b"".join(np.ascontiguousarray(w, dtype=kind_of(np.shape(w), half)).tobytes() for w in weights)


def kind_of(shape, half):
    """NumPy's name of the numbers that an array of this shape is stored in."""
    # A vector may hold the variance of MFCC, which is beyond float16; and vectors are small.
    return "<f2" if half and len(shape) > 1 else "<f4"


def check_half(models, features):
    """Asserts that weights of half precision change no answer.

    Args:
        models: {kind: Trained}.
        features: FeatureSet to answer; or None.

    Raises:
        ValueError: there is nothing to try it on, or an answer changes; names the clip.
    """
    if features is None or {*features.streams} < {stream for model in models.values() for stream in model.streams}:
        raise ValueError("half precision must be tried on a FeatureSet with the model's streams: name one as `check`")
    for kind, model in models.items():
        halved = [arrays(flat(w, True), [a.shape for a in w], True) for w in model.weights]
        other = dataclasses.replace(model, weights=halved)
        for at in range(0, len(features), 256):
            inputs = features.inputs(slice(at, at + 256), model.streams)
            changed = np.flatnonzero(model.answer(inputs)[0].argmax(axis=1) != other.answer(inputs)[0].argmax(axis=1))
            if len(changed):
                name = features.clip_id[at + changed[0]]
                raise ValueError(f"half precision changes the {kind} model's answer to {name}: export it whole")


def arrays(data, shapes, half):
    """The arrays, float32, that `flat` put into `data`."""
    found, at = [], 0
    for shape in shapes:
        kind = np.dtype(kind_of(shape, half))
        count = int(np.prod(shape))
        found.append(np.frombuffer(data, kind, count, at).reshape(shape).astype(np.float32))
        at += count * kind.itemsize
    if at != len(data) or not all(np.isfinite(array).all() for array in found):
        raise ValueError("its weights are too many, or not all numbers")
    return found
