"""Sound to MFCC and richer descriptors, its augmentation (notebook 03), and pretrained encoders of speech."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["augmentation", "descriptors", "embedding", "functionals", "mel"]
    + ["speaker_encoder", "speech", "speech_encoder"],
    submod_attrs={
        "speech": ["frame_times", "load", "mfcc"],
        "descriptors": ["columns", "features"],
        "augmentation": ["Augmentation"],
    },
)
