"""How much of the thesis' training is done here: all of it, or what minutes allow."""

from helpers import config, runtime

FOLDS = {"GPU": 2, "TPU": 2, "CPU": 1}  # of ten, where the notebook does not say
SECONDS = {"synthetic": 30}  # that one fold may train on a CPU, by data set: a notebook trains about four
# Seconds that an epoch of the thesis' networks takes for each clip and time step: two cores, batches of 64.
STEP = {"video": {"tensorflow": 1e-4, "jax": 7e-5}, "audio": {"tensorflow": 6.5e-5, "jax": 4e-5}}


def extent(epochs, folds, features, model):
    """Decides how many epochs and folds to train, and prints what was shortened and how to have the whole.

    "auto" is all epochs and two folds on an accelerator; on a CPU one fold, and the epochs that end in 90 seconds with
    the thesis' networks. Their number depends neither on `folds`, so that finished folds are kept when more are asked
    for, nor on the speed of the moment.

    Args:
        epochs, folds: int, or "auto"; folds of None are all of them.
        features, model: FeatureSet; "video", "audio" or "fusion".
    Returns: (int, int or None): TrainConfig's epochs, and cross_validate's max_folds.
    """
    whole, device = config.TrainConfig.epochs, runtime.accelerator()
    if epochs == "auto":
        epochs = whole if device != "CPU" else max(1, min(whole, round(_epochs(features, model))))
    folds = FOLDS[device] if folds == "auto" else folds
    short = {f"EPOCHS = {whole}": f"{epochs} epochs of {whole}"} if epochs < whole else {}
    short |= {"RUN_FOLDS = None": f"{folds} of the folds"} if folds is not None else {}
    line = f"Shortened for this {device}: {' and '.join(short.values())}. For the whole set {' and '.join(short)}"
    print(line if short else f"Nothing is shortened: {epochs} epochs, all folds")
    return epochs, folds


def _epochs(features, model):
    """Epochs that end in time on this CPU."""
    backend, streams = runtime.choose_backend(), ("video", "audio") if model == "fusion" else (model,)
    steps = sum(STEP[s].get(backend, STEP[s]["tensorflow"]) * getattr(features, s).shape[1] for s in streams)
    return SECONDS.get(features.data, 90) / (len(features) * steps) * min(2, runtime.workers()) / 2
