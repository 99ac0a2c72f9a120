"""Cross-validation, fold by fold, and the ablations (notebooks 02 to 04)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["ablation", "checks", "cross_validation", "extents", "fold", "folder", "parallel_folds"],
    submod_attrs={
        "cross_validation": ["cross_validate", "CVResult", "load", "MODELS"],
        "extents": ["extent"],
    },
)
