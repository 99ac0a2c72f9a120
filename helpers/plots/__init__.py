"""Figures: results, clips, networks and predictions."""

import lazy_loader

_CHARTS = "ablation best_fold by_actor confusion curves folds reliability save systems"
_CLIPS = "attended_faces attended_sound bands contours face_strip frames_with_boxes gallery mel_bank mfcc over_time"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    ["charts", "clips", "markup", "networks", "predictions"],
    {
        "charts": _CHARTS.split(),
        "clips": [*_CLIPS.split(), "spectrogram", "waveform"],
        "predictions": ["overview", "png", "timeline"],
        "networks": ["model"],
    },
)
