"""What must be known of a model that is passed on: data, protocol, accuracy, licence, limits."""

from helpers import ravdess

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


def text(models, made_with, warnings=(), data=""):
    """The model card.

    Args:
        models: {kind: Trained}, the one that is asked first.
        made_with: Preprocessing.
        warnings: sentences on what is lacking.
        data: "ravdess", "synthetic", a sentence, or "".

    Returns:
        str, Markdown.
    """
    kind, model = next(iter(models.items()))
    classes = model.settings["classes"]
    if not data and tuple(classes) != ravdess.EMOTIONS:
        data = _OWN
    lines = [
        f"# Emotion recognition: {kind}",
        f"Says which of {len(classes)} emotions a clip shows: {', '.join(classes)}.",
        "## Data",
        _DATA.get(data, data),
        "## Accuracy",
        *(_accuracy(name, each) for name, each in models.items()),
        "## How it is used",
        f"`helpers.predict.Predictor.load(FILE).predict(CLIP)`. Fold {', '.join(map(str, model.folds))} of the "
        f"cross-validation is in this file. {_preprocessing(made_with)}",
        *warnings,
        "## Limits",
        "Acted emotions say little about felt ones, and RAVDESS' are those of 24 North American actors who speak two "
        "sentences. On other people, languages, cameras and microphones the model is often wrong, and its confidence "
        "was only measured on clips like those it was trained on.",
        "Not for decisions about people.",
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
    warmth = "not calibrated" if model.temperature is None else f"temperature {model.temperature:.2f}"
    return f"{line} Chance: {100 * summary['chance']:.1f} %. Probabilities: {warmth}; sure above {model.threshold:.2f}."


def _preprocessing(made_with):
    said = []
    if made_with.video:
        said.append(
            f"Pictures: {made_with.video.fps} faces a second, {made_with.video.size} px, through VGG16 "
            f"({made_with.vgg16 or 'weights not noted'})."
        )
    if made_with.audio:
        audio = made_with.audio
        more = " and prosody" if audio.prosody else ""
        more += f", without what is {audio.trim:g} dB below the loudest at both ends" if audio.trim else ""
        deltas = ["", " with their deltas", " with their deltas and the deltas of these"][audio.deltas]
        said.append(f"Sound: {audio.n_mfcc} MFCC{deltas}{more}, of frames of {audio.frame} samples at {audio.rate} Hz.")
    return " ".join(said)
