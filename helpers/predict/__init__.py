"""One clip in, one prediction out: models that answer, their files, the page (notebook 06)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    [
        "app",
        "exporting",
        "fold_ensemble",
        "live",
        "playback",
        "prediction",
        "predictor",
        "recorder",
        "uploads",
        "windows",
    ],
    {"predictor": ["Predictor"], "prediction": ["Prediction"], "exporting": ["export"], "app": ["serve"]},
)
