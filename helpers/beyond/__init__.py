"""Beyond the thesis (notebook 07 and the benchmarks)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["action_units", "baselines", "cross_corpus", "ensemble", "recipe", "robustness"]
    + ["speaker_normalisation"],
)
