"""The site that `make site` builds, and the workflows that publish it and run the tests."""

import importlib.util

import nbformat
import pytest
import yaml

from helpers.runtime import PROJECT


@pytest.fixture
def conf(tmp_path):
    spec = importlib.util.spec_from_file_location("conf", PROJECT / "docs" / "conf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.EXECUTED = tmp_path
    return module


def executed(folder, name, printed):
    outputs = [nbformat.v4.new_output("stream", name="stdout", text=printed)] if printed else []
    cells = [nbformat.v4.new_markdown_cell("# Title\n\nText."), nbformat.v4.new_code_cell("load()", outputs=outputs)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{name}.ipynb")


AUTO = 'DATASET "auto" is {}: no clips at /a/b. DATASET = "ravdess" fetches them\n'
DRAWN = "A drawn face and a synthesised voice: it says nothing."


@pytest.mark.parametrize(
    "printed, line",
    [
        (AUTO.format("RAVDESS, real people, AUDIO ALONE"), "*It ran on RAVDESS, real people, AUDIO ALONE.*"),
        (AUTO.format("SYNTHETIC, drawn faces"), "*It ran on SYNTHETIC, drawn faces.*"),
        (f"{DRAWN}\n", f"*{DRAWN}*"),
        ("", "*It ran without clips.*"),
    ],
)
def test_a_notebooks_page_begins_with_what_it_ran_on(conf, tmp_path, printed, line):
    executed(tmp_path, "03_audio_subsystem", printed)
    source = ["the stored notebook"]
    conf.with_outputs(None, "notebooks/03_audio_subsystem", source)
    first = nbformat.reads(source[0], 4).cells[0].source
    assert first.startswith(f"# Title\n\n{line}\n") and first.endswith("Text.")


def test_a_notebook_that_was_not_run_is_an_error_that_says_what_to_do(conf):
    with pytest.raises(FileNotFoundError, match="make site"):
        conf.with_outputs(None, "notebooks/03_audio_subsystem", [""])


def test_every_page_of_the_repository_is_in_the_site(conf):
    pages = {page for pattern in conf.include_patterns for page in PROJECT.glob(pattern)}
    shown = [PROJECT / "README.md", *PROJECT.glob("docs/*.md"), *PROJECT.glob("notebooks/*.ipynb")]
    assert pages >= {*shown, PROJECT / "pretrained" / "README.md"}


def test_the_workflows_run_make_test_on_every_python_and_publish_the_site():
    folder = PROJECT / ".github" / "workflows"
    tests, site = (yaml.safe_load((folder / name).read_text()) for name in ("tests.yml", "site.yml"))
    assert tests["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.10", "3.11", "3.12", "3.13"]
    assert {"run": "make test"} in tests["jobs"]["test"]["steps"]
    upload = [step["with"]["path"] for step in site["jobs"]["publish"]["steps"] if "upload" in step.get("uses", "")]
    assert upload == ["runs/site/html"] and {"run": "make site"} in site["jobs"]["publish"]["steps"]
