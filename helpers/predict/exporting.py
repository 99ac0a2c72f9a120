"""A trained model as one file: a zip of NumPy arrays and JSON, in which nothing is pickled.

    bundle.json                format, kinds of models, their folds, temperatures and thresholds
    preprocessing.json         how clips become features
    MODEL_CARD.md
    <kind>/config.json         the run's, with the emotions' names
    <kind>/summary.json        the run's
    <kind>/fold_<k>/<n>.npy    the network's arrays, float32; "half": those of two or more dimensions in float16
    vgg16/<n>.npy              likewise, where it was asked for

Read back, from whatever hand it comes, it is checked by names and sizes before anything is opened; nothing is unpacked
to the disk; the network is rebuilt from the configuration, and the arrays must fill it exactly.
"""

import dataclasses
import io
import json
import math
import os
import pathlib
import re
import zipfile

import numpy as np

from helpers import config
from helpers.config import SubsystemConfig
from helpers.data import ravdess, zip_members
from helpers.evaluation import calibration
from helpers.features import clip
from helpers.predict import finished_runs
from helpers.predict.fold_ensemble import FoldEnsemble, network
from helpers.training import cross_validation
from helpers.video import backbone

LIMIT = 80 << 20  # bytes of the file
_UNPACKED, _TEXT, _MEMBERS = 2 * LIMIT, 1 << 20, 5000  # the most bytes of all, bytes of a JSON, members
_MEMBER = re.compile(
    r"bundle\.json|preprocessing\.json|MODEL_CARD\.md|vgg16/\d{1,3}\.npy|vgg16\.weights"
    r"|(?:video|audio|fusion)/(?:config\.json|summary\.json|fold_[1-9]\d?(?:/\d{1,3}\.npy|\.weights))"
)
# What a configuration out of an unknown hand may ask of this machine.
_BOUNDS = {"fps": (0.1, 120), "size": (32, 512), "margin": (0.1, 10), "detect_sizes": (80, 4096)}
_BOUNDS |= {"rate": (4000, 192_000), "n_mfcc": (1, 256), "n_fft": (32, 1 << 16), "hop_length": (32, 1 << 16)}
_BOUNDS |= {"n_mels": (1, 256), "pre_emphasis": (0, 1), "min_seconds": (0, 60)}
_BOUNDS |= {"deltas": (0, 2), "prosody": (0, 1), "trim_db": (0, 200)}
# What zipfile, json, NumPy and Keras raise where something is not as it should be.
_TROUBLE = (*zip_members.DAMAGE, RuntimeError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
_TROUBLE += (EOFError, OSError)


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
    path, (models, preprocessing, warnings) = (
        pathlib.Path(path),
        finished_runs.load_with_subsystems(run, fold, {"video": video, "audio": audio}),
    )
    if half:
        _check_half(models, check)
    about = {"format": 2, "asked": next(iter(models)), "models": {}}
    members = {"MODEL_CARD.md": card(models, preprocessing, warnings, data).encode()}
    members |= {"preprocessing.json": _json(preprocessing.as_dict())}
    for kind, model in models.items():
        about["models"][kind] = {name: getattr(model, name) for name in ("folds", "temperature", "threshold")}
        members |= {f"{kind}/config.json": _json(model.settings), f"{kind}/summary.json": _json(model.summary)}
        for number, weights in zip(model.folds, model.weights):
            members |= _packed(f"{kind}/fold_{number}", weights, half)
    if vgg16:
        source, warning = clip.find_vgg16(preprocessing)
        if warning:
            raise ValueError(f"{warning} They are not packed")
        members |= _packed("vgg16", backbone.vgg16(source).get_weights(), True)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w") as archive:
            for name, content in {"bundle.json": _json(about), **members}.items():
                info = zipfile.ZipInfo(name)  # its date is 1980: the time of packing changes no byte
                archive.writestr(info, content, zipfile.ZIP_DEFLATED, compresslevel=1)
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


def _json(value):
    return json.dumps(value, indent=1).encode()


def _packed(folder, weights, half):
    """Arrays as members: {<folder>/<n>.npy: bytes}."""
    members = {}
    for number, array in enumerate(_halved(weights) if half else weights):
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        members[f"{folder}/{number}.npy"] = buffer.getvalue()
    return members


def _halved(weights):
    # A vector may hold the variance of MFCC, which is beyond float16; and vectors are small.
    return [w.astype(np.float16) if w.ndim > 1 else w for w in weights]


def _check_half(models, features):
    """Raises ValueError where weights of half precision change an answer to the FeatureSet, or there is none."""
    if features is None or {*features.streams} < {stream for model in models.values() for stream in model.streams}:
        raise ValueError("half precision must be tried on a FeatureSet with the model's streams: name one as `check`")
    for kind, model in models.items():
        other = dataclasses.replace(model, weights=[[w.astype(np.float32) for w in _halved(f)] for f in model.weights])
        for at in range(0, len(features), 256):
            inputs = features.inputs(slice(at, at + 256), model.streams)
            mine, halved = model.answer(inputs)[0], other.answer(inputs)[0]
            changed = np.flatnonzero((mine.argmax(axis=1) != halved.argmax(axis=1)) | ~np.isfinite(halved).all(axis=1))
            if len(changed):
                name = features.clip_id[at + changed[0]]
                raise ValueError(f"half precision changes the {kind} model's answer to {name}: export it whole")


def read(path):
    """Reads what `export` wrote, from whatever hand.

    Args:
        path: the file.

    Returns:
        (models, preprocessing, warnings, base): as `finished.load_with_subsystems` gives them, and VGG16 or None.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no such file, was damaged or tampered with; says where.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no exported model and no run's folder at {path}")
    try:
        if path.stat().st_size > LIMIT:
            raise ValueError(f"it has more than {LIMIT / 1e6:.0f} MB")
        with zipfile.ZipFile(path) as archive:
            _check_members(archive.infolist())
            return _models(archive)
    except _TROUBLE as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path.name} is no exported model, or was changed since: {why}") from error


def _check_members(members):
    """Asserts, before anything is read, that an archive holds what `export` puts there and not too much of it."""
    names = [info.filename for info in members]
    unknown = [name for name in names if not _MEMBER.fullmatch(name)]
    if unknown or len(set(names)) < len(names) or len(names) > _MEMBERS:
        raise ValueError(f"{unknown[0]!r} belongs in none" if unknown else f"it has {len(names)} members, some twice")
    for info in members:
        # zipfile reads no byte more of a member than its declared size.
        if info.file_size > (LIMIT if info.filename.endswith((".npy", ".weights")) else _TEXT):
            raise ValueError(f"{info.filename} would unpack to {info.file_size / 1e6:.0f} MB")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{info.filename} is compressed in another way than deflate")
    if sum(info.file_size for info in members) > _UNPACKED:
        raise ValueError(f"it would unpack to more than {_UNPACKED / 1e6:.0f} MB")


def _models(archive):
    about = json.loads(archive.read("bundle.json"))
    if about["format"] not in (1, 2):
        raise ValueError(f"its format is {about['format']!r}, and this version of the suite reads 1 and 2")
    stored = config.renamed(json.loads(archive.read("preprocessing.json")))
    for part in (stored.get("video") or {}, stored.get("audio") or {}):
        for name, value in part.items():
            low, high = _BOUNDS[name]
            if not all(low <= number <= high for number in (value if isinstance(value, list) else [value])):
                raise ValueError(f"preprocessing.json has {name} {value}, not between {low} and {high}")
    preprocessing = clip.Preprocessing.of(stored)
    kinds = sorted(about["models"], key=lambda kind: kind != about["asked"])
    models = {kind: _model(archive, kind, about, preprocessing.dims) for kind in kinds}
    first = models[about["asked"]]
    if any(model.settings["classes"] != first.settings["classes"] for model in models.values()):
        raise ValueError("its models have different emotions")
    warnings = []
    if preprocessing.assumed:
        warnings.append("The run did not say how its features were made: the thesis' preprocessing is assumed.")
    lacking = [s for s in first.streams if s not in models] if about["asked"] == "fusion" else []
    warnings += [f"No {stream} subsystem was exported with the fusion: it needs both streams." for stream in lacking]
    base = None
    if preprocessing.video and any(name.startswith("vgg16") for name in archive.namelist()):
        base = backbone.base(None, preprocessing.video.size)
        base.set_weights(_arrays(archive, "vgg16", [w.shape for w in base.weights], True))
    return models, preprocessing, warnings, base


def _model(archive, kind, about, dims):
    half, about = about.get("half"), about["models"][kind]
    settings, summary = (json.loads(archive.read(f"{kind}/{name}.json")) for name in ("config", "summary"))
    settings = config.completed(settings)
    classes, folds = settings["classes"], about["folds"]
    if settings["model"] != kind or len(classes) < 2 or not all(isinstance(name, str) for name in classes):
        raise ValueError(f"{kind}/config.json is not that of a {kind} model")
    if not folds or not 0 <= about["threshold"] <= 1:
        raise ValueError(f"the {kind} model has no fold, or a threshold of {about['threshold']}")
    low, high = calibration.RANGE
    if about["temperature"] is not None and not low <= about["temperature"] <= high:
        raise ValueError(f"the {kind} model's temperature is {about['temperature']}, not between {low} and {high}")
    weights = [_arrays(archive, f"{kind}/fold_{k}", about.get("shapes"), half) for k in folds]
    for stream in cross_validation.MODELS[kind]:
        if _least(SubsystemConfig(**settings[stream]), dims[stream], len(classes)) > sum(w.size for w in weights[0]):
            raise ValueError(f"{kind}/config.json describes a larger network than the weights fill")
    model = network(settings, dims)
    if any([array.shape for array in fold] != [array.shape for array in model.weights] for fold in weights):
        raise ValueError(f"the {kind} model's weights have other shapes than its configuration")
    return FoldEnsemble(settings, summary, tuple(folds), weights, model, about["temperature"], about["threshold"])


def _arrays(archive, folder, shapes, half):
    """The float32 arrays of a folder's members; `shapes` and `half` are of format 1, one member of all numbers."""
    found, names = [], [name for name in archive.namelist() if name.startswith(f"{folder}/")]
    if not names:
        data, at = archive.read(f"{folder}.weights"), 0
        for shape in shapes:
            kind, count = np.dtype("<f2" if half and len(shape) > 1 else "<f4"), math.prod(shape)
            found.append(np.frombuffer(data, kind, count, at).reshape(shape))
            at += count * kind.itemsize
        if at != len(data):
            raise ValueError(f"{folder}.weights has another size than bundle.json says")
    for number in range(len(names)):
        name = f"{folder}/{number}.npy"
        data = io.BytesIO(archive.read(name))
        np.lib.format.read_magic(data)
        shape, _, kind = np.lib.format.read_array_header_1_0(data)
        # NumPy makes room for what the header says before it reads.
        if kind not in ("<f2", "<f4") or math.prod(shape) * kind.itemsize != len(data.getbuffer()) - data.tell():
            raise ValueError(f"{name} has other numbers, or another size, than its header says")
        data.seek(0)
        found.append(np.load(data, allow_pickle=False))
    found = [array.astype(np.float32) for array in found]
    if not all(np.isfinite(array).all() for array in found):
        raise ValueError(f"{folder}: its weights are not all numbers")
    return found


def _least(part, dim, n_classes):
    """Some of the numbers such a subsystem has: it is not even built where these would not fit."""
    wide, least = part.frame_stacking * dim, part.fc_units * n_classes
    if part.convolution:
        wide, least = part.convolution, least + 3 * wide * part.convolution
    if part.cell != "none":
        wide, least = part.units, least + wide * part.units + part.layers * part.units**2
    return least + wide * part.fc_units


_DATA = {
    "ravdess": (
        "RAVDESS (Livingstone & Russo 2018, doi 10.1371/journal.pone.0196391), speech: 24 North American actors speak "
        "two sentences.\n\nLicence of the data: CC BY-NC-SA 4.0. It is not for commercial use, and models trained on "
        "it inherit that."
    ),
    "synthetic": "Synthetic clips, a drawn face and a made-up voice. The model knows nothing about people.",
    "": (
        "The exporter did not say. The emotions are RAVDESS'; if the clips are its recordings (24 North American "
        "actors, two sentences), their licence holds for the model too: CC BY-NC-SA 4.0, not for commercial use."
    ),
}
_OWN = "The exporter's own clips; their licence is for them to name."
_LIMITS = """Acted emotions say little about felt ones, and RAVDESS' are those of 24 North American actors who speak \
two sentences. On other people, languages, cameras and microphones the model is often wrong, and its confidence was \
only measured on clips like those it was trained on.

Not for decisions about people."""


def card(models, preprocessing, warnings=(), data=""):
    """The model card, Markdown: what must be known of a model that is passed on. Args as `finished.load_with_subsystems` gives."""
    kind, model = next(iter(models.items()))
    classes = model.settings["classes"]
    own = not data and tuple(classes) != ravdess.EMOTIONS
    lines = [
        f"# Emotion recognition: {kind}",
        f"Says which of {len(classes)} emotions a clip shows: {', '.join(classes)}.",
        "## Data",
        _OWN if own else _DATA.get(data, data),
        "## Accuracy",
        *(_accuracy(name, each) for name, each in models.items()),
        "## How it is used",
        f"`helpers.predict.Predictor.load(FILE).predict(CLIP)`. Fold {', '.join(map(str, model.folds))} of the "
        f"cross-validation is in this file. {_preprocessing(preprocessing)}",
        *warnings,
        "## Limits",
        _LIMITS,
    ]
    return "\n\n".join(lines) + "\n"


def _accuracy(kind, model):
    summary = model.summary
    line = f"{kind}: {100 * summary['accuracy']:.2f} % of {summary['n']} test clips"
    if "accuracy_interval" in summary:
        low, high = summary["accuracy_interval"]
        by = "people" if summary.get("interval_by") == "actor" else "clips"
        line += f" (95 % interval over {by} {100 * low:.1f} to {100 * high:.1f})"
    met = "the test's people are in the training too" if summary["protocol"] == "random" else "on people never met"
    line += f", {summary['folds']} folds of the protocol `{summary['protocol']}`: {met}."
    temperature = "not calibrated" if model.temperature is None else f"temperature {model.temperature:.2f}"
    return f"{line} Chance: {100 * summary['chance']:.1f} %. Probabilities: {temperature}; sure above {model.threshold:.2f}."


def _preprocessing(preprocessing):
    said = []
    if preprocessing.video:
        said.append(
            f"Pictures: {preprocessing.video.fps} faces a second, {preprocessing.video.size} px, through VGG16 "
            f"({preprocessing.vgg16 or 'weights not noted'})."
        )
    if preprocessing.audio:
        audio = preprocessing.audio
        more = " and prosody" if audio.prosody else ""
        more += f", without what is {audio.trim_db:g} dB below the loudest at both ends" if audio.trim_db else ""
        deltas = ["", " with their deltas", " with their deltas and the deltas of these"][audio.deltas]
        said.append(f"Sound: {audio.n_mfcc} MFCC{deltas}{more}, of frames of {audio.n_fft} samples at {audio.rate} Hz.")
    return " ".join(said)
