"""Everything that is drawn."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["background", "charts", "clips", "networks", "predictions"],
    submod_attrs={
        "charts": [
            "ablation",
            "best_fold",
            "by_actor",
            "confusion",
            "curves",
            "folds",
            "reliability",
            "save",
            "systems",
        ],
        "clips": [
            "attended_faces",
            "attended_sound",
            "bands",
            "contours",
            "face_strip",
            "frames_with_boxes",
            "gallery",
            "mel_bank",
            "mfcc",
            "over_time",
            "spectrogram",
            "waveform",
        ],
        "predictions": ["overview", "png", "timeline"],
        "networks": ["model"],
        "background": [
            "activation",
            "convolution",
            "global_pooling",
            "gru",
            "lstm",
            "multilayer",
            "padding",
            "paths",
            "pooling",
            "transfer",
        ],
    },
)
