"""Pictures to faces to embeddings (notebook 02)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["backbone", "decoding", "expression", "face_detector", "faces", "fine_tuning"]
    + ["landmark_classifier", "landmarks"],
    submod_attrs={
        "faces": ["FaceTrack", "kept_frames", "largest_face", "track"],
        "backbone": ["embed", "find_weights", "vgg16"],
    },
)
