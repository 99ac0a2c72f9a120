"""Clips: which there are, how they are fetched and how they are split (notebook 01)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["images", "manifest", "mirror", "own_clips", "packaged_weights", "ravdess", "synthetic"],
    submod_attrs={
        "datasets": ["clip", "load"],
        "exclusions": ["ClipError", "Exclusions"],
        "images": ["fer2013", "jaffe"],
        "ravdess": ["Clip", "EMOTIONS", "folds", "index", "parse"],
    },
)
