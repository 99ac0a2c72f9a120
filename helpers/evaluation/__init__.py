"""Metrics, significance, calibration and published results (notebook 05)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["calibration", "metrics", "published", "significance"],
    submod_attrs={
        "metrics": ["best_fold", "confusion", "most_confident_wrong", "summarise", "table"],
        "significance": ["by_group", "confused", "difference", "interval", "mcnemar", "report"],
        "published": ["TABLE_4_1", "TABLE_4_3", "THESIS"],
    },
)
