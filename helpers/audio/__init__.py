"""Sound to MFCC and richer descriptors, and its augmentation (notebook 03)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["augmentation", "descriptors", "speech"],
    submod_attrs={
        "speech": ["frame_times", "load", "mfcc"],
        "descriptors": ["columns", "features"],
        "augmentation": ["Augmentation"],
    },
)
