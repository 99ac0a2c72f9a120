"""Clips: what there are, how they come and how they are split (notebook 01)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "content",
        "datasets",
        "download",
        "exclusions",
        "images",
        "manifest",
        "mirror",
        "mp4",
        "own_clips",
        "partial_file",
        "ravdess",
        "ravdess_zenodo",
        "synthetic",
        "synthetic_face",
        "zip_members",
    ],
    submod_attrs={
        "datasets": ["clip", "load"],
        "exclusions": ["ClipError", "Exclusions"],
        "images": ["fer2013", "jaffe"],
        "ravdess": ["Clip", "EMOTIONS", "folds", "index", "parse"],
    },
)
