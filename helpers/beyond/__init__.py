"""What notebook 07 and the benchmarks alone use."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "action_units",
        "baselines",
        "cross_corpus",
        "ensemble",
        "functionals",
        "recipe",
        "robustness",
        "speaker_normalisation",
    ],
)
