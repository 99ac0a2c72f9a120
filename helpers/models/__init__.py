"""The thesis' three networks in Keras layers (notebooks 02 to 04), and a linear classifier."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["encoders", "layers", "linear", "subsystems"],
    submod_attrs={
        "subsystems": ["attention_of", "audio_subsystem", "fusion_model", "video_subsystem"],
        "layers": ["HardAttention", "SoftAttention"],
    },
)
