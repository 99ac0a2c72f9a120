"""A slice of `make fuzz`."""

import pytest

from tests.fuzz import __main__ as fuzz

FEW = {"clips": 6, "bundles": 4, "caches": 6, "servers": 12}


@pytest.mark.parametrize("kind", fuzz.cases())
def test_damaged_files_are_refused_by_name_or_read(kind, monkeypatch):
    monkeypatch.setenv("EMOTION_VGG16_WEIGHTS", "random")
    tried, failed = fuzz.run(kind, fuzz.cases()[kind], range(FEW.get(kind, 20)))
    assert tried == FEW.get(kind, 20) and not failed
