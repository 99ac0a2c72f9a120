"""Clips to a FeatureSet: one function for one clip, a cache, a parallel build, batches."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["batches", "building", "cache", "clip", "feature_set", "preprocess"],
    submod_attrs={
        "building": ["build", "cached_mfcc", "cached_track", "example"],
        "feature_set": ["FeatureSet", "OnDisk"],
        "clip": ["ClipFeatures", "Preprocessing", "whole_frames"],
    },
)
