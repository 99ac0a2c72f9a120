"""One clip in, one answer out: models that answer, their files, the page (notebook 06)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "app",
        "exporting",
        "finished_runs",
        "fold_ensemble",
        "playback",
        "prediction",
        "predictor",
        "recorder",
        "uploads",
        "windows",
    ],
    submod_attrs={"predictor": ["Predictor"], "prediction": ["Prediction"], "exporting": ["export"], "app": ["serve"]},
)
