"""Finished cross-validations as models that answer: their networks, temperatures, and a fusion's subsystems."""

import json
import pathlib

from helpers import config
from helpers.config import AudioConfig, VideoConfig
from helpers.evaluation import calibration
from helpers.features.clip import Preprocessing
from helpers.predict.fold_ensemble import FoldEnsemble, network
from helpers.training import cross_validation

UNSURE = 0.5  # the threshold where there is nothing to take one from


def load_with_subsystems(folder, fold=None, given=None):
    """A run's model and, for a fusion, its subsystems'.

    Args:
        folder: of the run.
        fold: number of the one to take; None takes all.
        given: {"video": folder, "audio": folder} of a fusion's subsystems; those not named are looked for.

    Returns:
        (models, preprocessing, warnings): {kind: FoldEnsemble}, the run's own first; Preprocessing; list of sentences.

    Raises:
        FileNotFoundError, ValueError: as `of_run`; or a subsystem was named that does not go with the fusion.
    """
    folder, preprocessing, warnings = pathlib.Path(folder), preprocessing_of(folder), []
    model = of_run(folder, preprocessing, fold)
    kind, given = model.settings["model"], {s: path for s, path in (given or {}).items() if path}
    if preprocessing.assumed:
        warnings.append(f"{folder.name} does not say how its features were made: the thesis' preprocessing is assumed.")
    if kind != "fusion":
        if given:
            raise ValueError(f"{folder} is no fusion: it has no subsystems to be named")
        return {kind: model}, preprocessing, warnings
    models = {kind: model}
    for stream in model.streams:
        place = given.get(stream) or subsystem_folder(folder, stream)
        why = differs(folder, place, fold) if place else "is not beside it"
        if why and stream in given:
            raise ValueError(f"{place} {why}: it does not go with {folder}")
        if why:
            warnings.append(f"The fusion's {stream} subsystem {why}, so nothing is answered from that stream alone.")
        else:
            models[stream] = of_run(place, preprocessing, fold)
    return models, preprocessing, warnings


def of_run(folder, preprocessing, fold=None):
    """The model of a finished cross-validation.

    The temperature and the threshold come from test predictions of networks that had not seen the clips: those of all
    folds, or for one fold's model those of the others, which it was trained on but which answered as it would.

    Args:
        folder: as `training.cross_validate` leaves it.
        preprocessing: Preprocessing of its features.
        fold: number of the one to take; None takes all.

    Returns:
        FoldEnsemble.

    Raises:
        FileNotFoundError: no finished cross-validation.
        ValueError: no such fold, or the networks do not fit the preprocessing.
    """
    folder = pathlib.Path(folder)
    predictions = cross_validation.load(folder).predictions
    settings, summary = config.read(folder / "config.json"), json.loads((folder / "summary.json").read_text())
    there = sorted(predictions.fold.unique().tolist())
    if fold is not None and fold not in there:
        raise ValueError(f"{folder} has the folds {', '.join(map(str, there))}; there is no fold {fold}")
    folds = tuple(there) if fold is None else (fold,)
    model, weights = network(settings, preprocessing.dims), []
    for number in folds:
        try:
            model.load_weights(folder / f"fold_{number}" / "model.keras")
        except ValueError as error:
            raise ValueError(
                f"{folder} was trained on features that its preprocessing does not make, so that no clip can be put "
                f"to it: {' '.join(str(error).split())[:200]}"
            ) from error
        weights.append(model.get_weights())
    others = predictions if len(folds) > 1 else predictions[predictions.fold != folds[0]]
    temperature, threshold = None, UNSURE
    if len(others):
        temperature = calibration.temperature(others, settings["classes"])
        threshold = calibration.threshold(others, settings["classes"], temperature)
    return FoldEnsemble(settings, summary, folds, weights, model, temperature, threshold)


def preprocessing_of(folder):
    """How a run's features were made: Preprocessing, the thesis' where the run does not say.

    Raises:
        FileNotFoundError: no finished cross-validation.
    """
    folder = cross_validation.load(folder).out
    if (folder / "preprocessing.json").is_file():
        return Preprocessing.of(json.loads((folder / "preprocessing.json").read_text()))
    settings = config.read(folder / "config.json")
    kinds = {"video": VideoConfig(), "audio": AudioConfig()}
    return Preprocessing(
        **{stream: kinds[stream] for stream in cross_validation.MODELS[settings["model"]]}, assumed=True
    )


def subsystem_folder(folder, stream):
    """Where the subsystem of a fusion lies: in its folder, if its encoders came from there, else beside it.

    `runs/demo/fusion-actor` has its video subsystem in `runs/demo/video-actor`. Returns a path or None.
    """
    folder = pathlib.Path(folder).absolute()
    places = [folder / stream, folder.with_name(folder.name.replace("fusion", stream))]
    return next((place for place in places if place != folder and (place / "summary.json").is_file()), None)


def differs(fusion, subsystem, fold=None):
    """Why a subsystem does not go with a fusion, "" where it does.

    Args:
        fusion, subsystem: their folders.
        fold: number of the one that is wanted; None for all.
    """
    mine, other = cross_validation.load(fusion), cross_validation.load(subsystem)
    if mine.classes != other.classes:
        return "has other emotions"
    tables = [result.predictions[["clip_id", "label", "fold"]].sort_values("clip_id") for result in (mine, other)]
    a, b = (table[(table.fold == fold) | (fold is None)].to_numpy().tolist() for table in tables)
    if a != b:
        return "was trained on other folds"
    made, same = preprocessing_of(fusion).as_dict(), preprocessing_of(subsystem).as_dict()
    if any(same[name] and same[name] != made[name] for name in ("video", "vgg16", "audio")):
        return "was trained on features that were made in another way"
    return ""
