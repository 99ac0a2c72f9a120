"""One clip in, one prediction out: models that answer, their files, the page (notebook 06)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["app", "exporting", "fold_ensemble", "live", "onnx_file", "playback", "pooled"]
    + ["prediction", "predictor", "recorder", "sharing", "uploads", "windows"],
    submod_attrs={
        "predictor": ["Predictor"],
        "prediction": ["Prediction"],
        "exporting": ["export"],
        "pooled": ["pretrained"],
        "app": ["serve"],
    },
)
