"""A trained model as one file: a zip of NumPy arrays and JSON, in which nothing is pickled.

    bundle.json                format, training data, kinds of models, their folds, temperatures and thresholds
    preprocessing.json         how clips become features
    MODEL_CARD.md
    <kind>/config.json         the run's, with the emotions' names
    <kind>/summary.json        the run's
    <kind>/fold_<k>/<n>.npy    the network's arrays, float32

The file may come from anyone: names and sizes are checked before anything is opened, nothing is unpacked to the disk,
the network is rebuilt from the configuration, and the arrays must fill it exactly.
"""

import io
import json
import math
import pathlib
import re
import zipfile

import numpy as np

from helpers import config, runtime
from helpers.config import SubsystemConfig
from helpers.data import ravdess, zip_members
from helpers.evaluation import calibration
from helpers.features import clip
from helpers.predict import fold_ensemble, onnx_file, pooled
from helpers.training import cross_validation

LIMIT = 80 << 20  # bytes of the file
_UNPACKED, _TEXT, _MEMBERS = 2 * LIMIT, 1 << 20, 5000  # at most: bytes of all members, bytes of a JSON, members
_MEMBER = re.compile(  # earlier versions could pack VGG16, which is not read
    r"bundle\.json|preprocessing\.json|MODEL_CARD\.md|vgg16/\d{1,3}\.npy|vgg16\.weights"
    r"|(?:face|audio/[a-z]{1,20}|expression/[a-z\d_]{1,30})/[a-z_]{1,20}\.npy"  # the pretrained model's
    r"|(?:video|audio|fusion)/(?:config\.json|summary\.json|fold_[1-9]\d?(?:/\d{1,3}\.npy|\.weights))"
)
# What a configuration from an unknown source may ask of this machine: from, to; of whole numbers, where these are.
_BOUNDS = {"fps": (0.1, 120.0), "size": (32, 224), "margin": (0.1, 10.0), "detect_sizes": (80, 4096)}
_BOUNDS |= {"rate": (4000, 192_000), "n_mfcc": (1, 256), "n_fft": (32, 1 << 16), "hop_length": (32, 1 << 16)}
_BOUNDS |= {"n_mels": (1, 256), "pre_emphasis": (0.0, 1.0), "min_seconds": (0.0, 60.0), "deltas": (0, 2)}
_BOUNDS |= {"prosody": (0, 1), "trim_db": (0.0, 200.0)}
_NETWORK = {"layers": (1, 16), "units": (1, 4096), "fc_units": (1, 4096), "frame_stacking": (1, 64)}
_NETWORK |= {"convolution": (0, 4096)}
_MOST_SIZES = 8  # of detect_sizes
# What a second of a clip may cost, ten and more times what the thesis' preprocessing does.
_WORK = (
    ("video", "pixels through VGG16", 30 * 224**2, lambda video: video.fps * video.size**2),
    ("video", "pixels to search for a face", 5e8, lambda video: video.fps * sum(s**2 for s in video.detect_sizes)),
    ("audio", "frames", 1000, lambda audio: audio.rate / audio.hop_length),
    ("audio", "samples to transform", 5e6, lambda audio: audio.rate / audio.hop_length * audio.n_fft),
)
_LARGEST = 1e9  # of a weight: no trained one comes near
# What zipfile, json, NumPy and Keras raise where something is not as it should be.
_TROUBLE = (*zip_members.DAMAGE, RuntimeError, LookupError, TypeError, AttributeError, ArithmeticError, OSError)


def export(run, path, fold=1, *, data="", format="zip"):
    """Packs a trained model into one file, which `Predictor.load` reads anywhere: without data, with either backend.

    Args:
        run: folder of a finished `training.cross_validate`; a fusion's subsystems are packed with it.
        path: the file to make, .zip or .onnx; replaced whole or not at all. Returned as a pathlib.Path.
        fold: number of the fold whose model is packed; None packs all folds'.
        data: what the model was trained on, where the run does not say so or not enough: "ravdess" or a sentence.
        format: "zip"; or "onnx" for other programs: the run's own network as `onnx_file.write` describes it, with
            classes and preprocessing (JSON), trained_on, threshold and model_card as its metadata.
    Raises FileNotFoundError, ValueError: no finished run; no such fold or format, the file would be larger than 80 MB,
    or `data` hides that the run was trained on synthetic clips.
    """
    if format not in _USE:
        raise ValueError(f"format is {format!r}; one of {', '.join(_USE)}")
    path = pathlib.Path(path)
    models, preprocessing, warnings = fold_ensemble.load_with_subsystems(run, fold)
    asked, model = next(iter(models.items()))
    trained_on = data or model.summary.get("trained_on", "")
    for each in models.values():
        _check_settings(each.settings)
    _check_work(preprocessing)
    if model.summary.get("trained_on") == "synthetic" != trained_on:
        raise ValueError(f"the run was trained on synthetic clips, and its export must say so, not {data!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if format == "onnx":
        about = {"classes": json.dumps(model.settings["classes"]), "trained_on": trained_on}
        about |= {"preprocessing": json.dumps(preprocessing.as_dict()), "threshold": str(model.threshold)}
        about["model_card"] = _card({asked: model}, preprocessing, [], trained_on, format)
        return onnx_file.write(path, model, preprocessing.dims, about)
    about = {"format": 2, "asked": asked, "trained_on": trained_on, "models": {}}
    members = {"MODEL_CARD.md": _card(models, preprocessing, warnings, trained_on, format).encode()}
    members["preprocessing.json"] = _json(preprocessing.as_dict())
    for kind, model in models.items():
        about["models"][kind] = {name: getattr(model, name) for name in ("folds", "temperature", "threshold")}
        members |= {f"{kind}/config.json": _json(model.settings), f"{kind}/summary.json": _json(model.summary)}
        for number, weights in zip(model.folds, model.weights):
            members |= _packed(f"{kind}/fold_{number}", weights)
    with runtime.replacing(path) as file:
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in {"bundle.json": _json(about), **members}.items():
                info = zipfile.ZipInfo(name)  # its date is 1980: the time of packing changes no byte
                archive.writestr(info, content, zipfile.ZIP_DEFLATED, compresslevel=1)
        if file.tell() > LIMIT:
            size, limit = file.tell() / 1e6, LIMIT / 1e6
            raise ValueError(f"{path.name} would be {size:.0f} MB, more than {limit:.0f}: export fewer folds")
    return path


def _json(value):
    return json.dumps(value, indent=1).encode()


def _packed(folder, weights):
    """Arrays as members: {<folder>/<n>.npy: bytes}."""
    members = {}
    for number, array in enumerate(weights):
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        members[f"{folder}/{number}.npy"] = buffer.getvalue()
    return members


def read(path):
    """Reads what `export` wrote; the file may come from anyone.

    Returns: (models, preprocessing, warnings), as `fold_ensemble.load_with_subsystems`.
    Raises FileNotFoundError, ValueError: no such file; no exported model, damaged or tampered with; says where.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"no exported model and no run's folder at {path}: leave the name out for the pretrained one"
        )
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
    """Raises ValueError, before anything is read, where an archive holds what `export` does not write, or too much."""
    names = [info.filename for info in members]
    unknown = [name for name in names if not _MEMBER.fullmatch(name)]
    if unknown:
        raise ValueError(f"{unknown[0]!r} does not belong in it")
    if len(set(names)) < len(names) or len(names) > _MEMBERS:
        raise ValueError(f"it has {len(names)} members, some twice or too many")
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
    if about["format"] not in (1, 2, 3):
        raise ValueError(
            f"its format is {about['format']!r}, and this version of the suite reads 1 to 3: update the suite"
        )
    if about["format"] == 3:
        members = [name for name in archive.namelist() if name.endswith(".npy")]
        return pooled.models(about, {name[:-4]: _finite(_array(archive.read(name), name), name) for name in members})
    preprocessing = clip.Preprocessing.of(json.loads(archive.read("preprocessing.json")))
    for part in filter(None, (preprocessing.video, preprocessing.audio)):
        _check_numbers(vars(part), _BOUNDS, "preprocessing.json")
    _check_work(preprocessing)
    kinds = sorted(about["models"], key=lambda kind: kind != about["asked"])
    models = {kind: _model(archive, kind, about, preprocessing.dims) for kind in kinds}
    first = models[about["asked"]]
    if any(model.settings["classes"] != first.settings["classes"] for model in models.values()):
        raise ValueError("its models have different emotions")
    warnings = []
    if preprocessing.assumed:
        warnings.append("The run did not say how its features were made: the thesis' preprocessing is assumed.")
    missing = [stream for stream in first.streams if stream not in models and about["asked"] == "fusion"]
    warnings += [f"No {s} subsystem was exported with the fusion: it needs both video and audio." for s in missing]
    return models, preprocessing, warnings


def _check_numbers(part, bounds, where):
    """Raises ValueError where a number of a configuration, {name: number}, lies outside the bounds of its name."""
    for name, value in part.items():
        (low, high), numbers = bounds[name], value if name == "detect_sizes" else [value]
        whole = (int,) if isinstance(low, int) else (int, float)
        if not all(isinstance(number, whole) and low <= number <= high for number in numbers):
            raise ValueError(f"{where} has {name} {str(value)[:80]}, not between {low} and {high}")
        if len(numbers) > _MOST_SIZES:
            raise ValueError(f"{where} has {len(numbers)} {name}, more than {_MOST_SIZES}")


def _check_work(preprocessing):
    """Raises ValueError where the features of a clip would take too long to make."""
    for stream, what, most, work in _WORK:
        part = getattr(preprocessing, stream)
        if part and work(part) > most:
            raise ValueError(f"preprocessing.json asks for {work(part):.0f} {what} a second, more than {most:.0f}")


def _check_settings(settings):
    """Raises ValueError where config.json's content describes no network that this suite makes."""
    config.check_classes(settings["classes"])
    for stream in cross_validation.MODELS[settings["model"]]:
        sizes = {name: value for name, value in settings[stream].items() if name in _NETWORK}
        _check_numbers(sizes, _NETWORK, "config.json")


def _model(archive, kind, about, dims):
    stored, summary = (json.loads(archive.read(f"{kind}/{name}.json")) for name in ("config", "summary"))
    summary["trained_on"] = str(about.get("trained_on", ""))[:1000]
    half, about = about.get("half"), about["models"][kind]
    settings = config.completed(stored)
    classes, folds = settings["classes"], about["folds"]
    if settings["model"] != kind:
        raise ValueError(f"{kind}/config.json is not that of a {kind} model")
    _check_settings(settings)
    if not all(isinstance(fold, int) for fold in folds) or len(set(folds)) < len(folds):
        raise ValueError(f"the {kind} model names a fold twice, or something else than a number")
    if not folds or not 0 <= about["threshold"] <= 1:
        raise ValueError(f"the {kind} model has no fold, or a threshold of {about['threshold']}")
    (low, high), temperature = calibration.RANGE, about["temperature"]
    if temperature is not None and not low <= temperature <= high:
        raise ValueError(f"the {kind} model's temperature is {temperature}, not between {low} and {high}")
    weights = [_arrays(archive, f"{kind}/fold_{k}", about.get("shapes"), half) for k in folds]
    size = sum(array.size for array in weights[0])
    for stream in cross_validation.MODELS[kind]:
        if _fewest_weights(SubsystemConfig(**settings[stream]), dims[stream], len(classes)) > size:
            raise ValueError(f"{kind}/config.json describes a larger network than the weights fill")
    model = fold_ensemble.network(settings, dims)
    if any([array.shape for array in fold] != [array.shape for array in model.weights] for fold in weights):
        raise ValueError(f"the {kind} model's weights have other shapes than its configuration")
    variances = [n for n, weight in enumerate(model.weights) if weight.name.endswith("variance")]
    if any((fold[n] < 0).any() for fold in weights for n in variances):
        raise ValueError(f"the {kind} model has a variance below 0")
    return fold_ensemble.FoldEnsemble(settings, summary, tuple(folds), weights, model, temperature, about["threshold"])


def _arrays(archive, folder, shapes, half):
    """The float32 arrays of a folder's members; `shapes` and `half` are of format 1, one member of all numbers."""
    count = sum(name.startswith(f"{folder}/") for name in archive.namelist())
    arrays = [_array(archive.read(f"{folder}/{n}.npy"), f"{folder}/{n}.npy") for n in range(count)]
    if not count:
        data, at = archive.read(f"{folder}.weights"), 0
        for shape in shapes:
            kind, size = np.dtype("<f2" if half and len(shape) > 1 else "<f4"), math.prod(shape)
            arrays.append(np.frombuffer(data, kind, size, at).reshape(shape))
            at += size * kind.itemsize
        if at != len(data):
            raise ValueError(f"{folder}.weights has another size than bundle.json says")
    return [_finite(array, folder) for array in arrays]


def _finite(array, name):
    """As float32. Raises ValueError: some of it is no number, or none that a training ends with."""
    array = array.astype(np.float32)
    if not (np.abs(array) <= _LARGEST).all():  # NaN is not
        raise ValueError(f"{name}: its weights are not all numbers, or far too large")
    return array


def _array(content, name):
    """A .npy file's array; its header is checked first, since NumPy makes room for what the header says."""
    data = io.BytesIO(content)
    np.lib.format.read_magic(data)
    shape, _, kind = np.lib.format.read_array_header_1_0(data)
    if kind not in ("<f2", "<f4") or math.prod(shape) * kind.itemsize != len(content) - data.tell():
        raise ValueError(f"{name} has other numbers, or another size, than its header says")
    data.seek(0)
    return np.load(data, allow_pickle=False)


def _fewest_weights(part, dim, n_classes):
    """A lower bound of a subsystem's weights: it is not even built where the file holds fewer."""
    wide, least = part.frame_stacking * dim, part.fc_units * n_classes
    if part.convolution:
        wide, least = part.convolution, least + 3 * wide * part.convolution
    if part.cell != "none":
        ways = 2 if part.bidirectional or part.cell == "tim" else 1
        first, each = {"gru": (3, 3), "lstm": (4, 4), "transformer": (1, 8), "tim": (1, 4)}[part.cell]
        least += ways * (first * wide + each * part.layers * part.units) * part.units
        wide = part.units
    return least + wide * part.fc_units


_DATA = {
    "ravdess": (
        "RAVDESS (Livingstone & Russo 2018, doi 10.1371/journal.pone.0196391), speech: 24 North American actors speak "
        "two sentences.\n\nLicence of the data: CC BY-NC-SA 4.0. It is not for commercial use, and models trained on "
        "it inherit that."
    ),
    "synthetic": "Synthetic clips, a drawn face and a synthesised voice. The model knows nothing about people.",
    "": (
        "Not recorded. The emotions are RAVDESS'; if the clips are its recordings (24 North American "
        "actors, two sentences), their licence holds for the model too: CC BY-NC-SA 4.0, not for commercial use."
    ),
}
_USE = {
    "zip": "`helpers.predict.Predictor.load(FILE).predict(CLIP)`",
    "onnx": "With ONNX Runtime, on features of clips; the probabilities are calibrated already",
}
_CARD = """# Emotion recognition: {kind}

Predicts which of {count} emotions a clip shows: {emotions}.

## Data

{data}

## Accuracy

{accuracy}

## Use

{use}. Fold {folds} of the cross-validation is in this file. Features:
{features}

{warnings}## Limits

Acted emotions say little about felt ones, and RAVDESS' are those of 24 North American actors who speak two \
sentences. On other speakers, languages, cameras and microphones the model is often wrong, and its confidence was only \
measured on clips like those it was trained on.

Not for decisions about people.
"""


def _card(models, preprocessing, warnings, trained_on, format):
    """The model card in Markdown: what whoever gets the model must know."""
    kind, model = next(iter(models.items()))
    classes = model.settings["classes"]
    made, data = preprocessing.as_dict(), trained_on or ("" if tuple(classes) == ravdess.EMOTIONS else "own clips")
    if data.startswith("own clips"):
        data = f"The exporter's {data}; their licence is for them to name."
    features = [(s, ", ".join(f"{n} = {v}" for n, v in made[s].items())) for s in ("video", "audio") if made[s]]
    return _CARD.format(
        kind=kind,
        count=len(classes),
        emotions=", ".join(classes),
        data=_DATA.get(data, data),
        accuracy="\n\n".join(_accuracy(name, each) for name, each in models.items()),
        use=_USE[format],
        folds=", ".join(map(str, model.folds)),
        features="".join(f"\n- {stream}: `{values}`" for stream, values in features),
        warnings="".join(f"{sentence}\n\n" for sentence in warnings),
    )


def _accuracy(kind, model):
    summary = model.summary
    line = f"{kind}: {100 * summary['accuracy']:.2f} % of {summary['n']} test clips"
    if "accuracy_interval" in summary:
        low, high = (100 * edge for edge in summary["accuracy_interval"])
        by = "actors" if summary.get("interval_by") == "actor" else "clips"
        line += f" (95 % interval over {by} {low:.1f} to {high:.1f})"
    dependent = "dependent" if summary["protocol"] == "random" else "independent"
    temperature = "not calibrated" if model.temperature is None else f"temperature {model.temperature:.2f}"
    return (
        f"{line}, {summary['folds']} folds of the protocol `{summary['protocol']}`, speaker-{dependent}. "
        f"Majority-class baseline: {100 * summary['chance']:.1f} %. Probabilities: {temperature}; the model abstains "
        f"below {model.threshold:.2f}."
    )
