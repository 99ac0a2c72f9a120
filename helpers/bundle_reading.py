"""An exported model read back, from whatever hand it comes.

Members are checked by name and size before one is opened, nothing is unpacked to the disk and nothing unpickled; the
network is rebuilt from the configuration, and the numbers must fill it exactly.
"""

import json
import pathlib
import re
import zipfile

import numpy as np

from helpers import archives, backbone, bundle, calibration, training
from helpers.clip_features import Preprocessing
from helpers.config import SubsystemConfig
from helpers.trained import Trained, network

_UNPACKED, _TEXT, _MEMBERS = 2 * bundle.LIMIT, 1 << 20, 64  # the most bytes of all, bytes of a JSON, members
_MEMBER = re.compile(
    r"bundle\.json|preprocessing\.json|MODEL_CARD\.md|vgg16\.weights"
    r"|(?:video|audio|fusion)/(?:config\.json|summary\.json|fold_[1-9][0-9]?\.weights)"
)
# What a configuration out of an unknown hand may ask of this machine.
_BOUNDS = {"fps": (0.1, 120), "size": (32, 512), "margin": (0.1, 10), "detect_sizes": (80, 4096)}
_BOUNDS |= {"rate": (4000, 192_000), "n_mfcc": (1, 256), "frame": (32, 1 << 16), "hop": (32, 1 << 16)}
_BOUNDS |= {"n_mels": (1, 256), "pre_emphasis": (0, 1), "min_seconds": (0, 60)}
_BOUNDS |= {"deltas": (0, 2), "prosody": (0, 1), "trim": (0, 200)}


def read(path):
    """Reads what `bundle.write` wrote, from whatever hand.

    Args:
        path: the file.

    Returns:
        (models, made_with, warnings, base): as `finished.family` gives them, and VGG16 or None.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no such file, was damaged or tampered with; says where.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no exported model and no run's folder at {path}")
    try:
        if path.stat().st_size > bundle.LIMIT:
            raise ValueError(f"it has more than {bundle.LIMIT / 1e6:.0f} MB")
        with zipfile.ZipFile(path) as archive:
            _check_members(archive.infolist())
            return _models(archive)
    except _TROUBLE as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path.name} is no exported model, or was changed since: {why}") from error


# What zipfile, json and Keras raise where something is not as it should be.
_TROUBLE = (*archives.DAMAGE, RuntimeError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
_TROUBLE += (EOFError, OSError)


def _check_members(members):
    """Asserts, before anything is read, that an archive holds what `bundle.write` puts there and not too much of it."""
    names = [info.filename for info in members]
    unknown = [name for name in names if not _MEMBER.fullmatch(name)]
    if unknown or len(set(names)) < len(names) or len(names) > _MEMBERS:
        raise ValueError(f"{unknown[0]!r} belongs in none" if unknown else f"it has {len(names)} members, some twice")
    for info in members:
        # zipfile reads no byte more of a member than its declared size.
        if info.file_size > (bundle.LIMIT if info.filename.endswith(".weights") else _TEXT):
            raise ValueError(f"{info.filename} would unpack to {info.file_size / 1e6:.0f} MB")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{info.filename} is compressed in another way than deflate")
    if sum(info.file_size for info in members) > _UNPACKED:
        raise ValueError(f"it would unpack to more than {_UNPACKED / 1e6:.0f} MB")


def _models(archive):
    about = json.loads(archive.read("bundle.json"))
    if about["format"] != 1:
        raise ValueError(f"its format is {about['format']!r}, and this version of the suite reads 1")
    stored = json.loads(archive.read("preprocessing.json"))
    for part in (stored.get("video") or {}, stored.get("audio") or {}):
        for name, value in part.items():
            low, high = _BOUNDS[name]
            if not all(low <= number <= high for number in (value if isinstance(value, list) else [value])):
                raise ValueError(f"preprocessing.json has {name} {value}, not between {low} and {high}")
    made_with = Preprocessing.of(stored)
    kinds = sorted(about["models"], key=lambda kind: kind != about["asked"])
    models = {kind: _model(archive, kind, about["models"][kind], made_with.dims, about["half"]) for kind in kinds}
    first = models[about["asked"]]
    if any(model.settings["classes"] != first.settings["classes"] for model in models.values()):
        raise ValueError("its models have different emotions")
    warnings = []
    if made_with.assumed:
        warnings.append("The run did not say how its features were made: the thesis' preprocessing is assumed.")
    lacking = [s for s in first.streams if s not in models] if about["asked"] == "fusion" else []
    warnings += [f"No {stream} subsystem was exported with the fusion: it needs both streams." for stream in lacking]
    base = None
    if made_with.video and "vgg16.weights" in archive.namelist():
        base = backbone.base(None, made_with.video.size)
        base.set_weights(bundle.arrays(archive.read("vgg16.weights"), [w.shape for w in base.weights], True))
    return models, made_with, warnings, base


def _model(archive, kind, about, dims, half):
    settings, summary = (json.loads(archive.read(f"{kind}/{name}.json")) for name in ("config", "summary"))
    classes, folds = settings["classes"], about["folds"]
    if settings["model"] != kind or len(classes) < 2 or not all(isinstance(name, str) for name in classes):
        raise ValueError(f"{kind}/config.json is not that of a {kind} model")
    if not folds or not 0 <= about["threshold"] <= 1:
        raise ValueError(f"the {kind} model has no fold, or a threshold of {about['threshold']}")
    low, high = calibration.RANGE
    if about["temperature"] is not None and not low <= about["temperature"] <= high:
        raise ValueError(f"the {kind} model's temperature is {about['temperature']}, not between {low} and {high}")
    shapes = [tuple(shape) for shape in about["shapes"]]
    count = sum(int(np.prod(shape)) for shape in shapes)
    for stream in training.MODELS[kind]:
        if _least(SubsystemConfig(**settings[stream]), dims[stream], len(classes)) > count:
            raise ValueError(f"{kind}/config.json describes a larger network than the weights fill")
    sizes = {archive.getinfo(f"{kind}/fold_{k}.weights").file_size for k in folds}
    if sizes != {sum(int(np.prod(s)) * np.dtype(bundle.kind_of(s, half)).itemsize for s in shapes)}:
        raise ValueError(f"the {kind} model's weights have another size than bundle.json says")
    model = network(settings, dims)
    if [tuple(array.shape) for array in model.weights] != shapes:
        raise ValueError(f"the {kind} model's weights have other shapes than its configuration")
    weights = [bundle.arrays(archive.read(f"{kind}/fold_{k}.weights"), shapes, half) for k in folds]
    return Trained(settings, summary, tuple(folds), weights, model, about["temperature"], about["threshold"])


def _least(part, dim, n_classes):
    """Some of the numbers such a subsystem has: it is not even built where these would not fit."""
    wide, least = part.stack * dim, part.fc_units * n_classes
    if part.convolution:
        wide, least = part.convolution, least + 3 * wide * part.convolution
    if part.cell != "none":
        wide, least = part.gru_units, least + wide * part.gru_units + part.gru_layers * part.gru_units**2
    return least + wide * part.fc_units
