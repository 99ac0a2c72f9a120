"""The runner, and the notebooks from top to bottom on synthetic clips."""

import ast
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import types

import nbformat
import no_tensorflow
import numpy as np
import pytest

from helpers import config, notebooks, runtime, training
from helpers.data import mirror

NOTEBOOKS = sorted((runtime.PROJECT / "notebooks").glob("*.ipynb"))
BACKGROUND, FIRST, *WITH_CLIPS = NOTEBOOKS  # 00 needs no clips, 01 makes the features, the others train or answer
IN_ORDER = NOTEBOOKS[1:7]
ON_JAX, EVALUATION = NOTEBOOKS[3], NOTEBOOKS[5]
# The smallest training that still goes through every cell.
QUICK = {
    "N_ACTORS": 4,
    "TAKES": 1,
    "RUN": "demo",
    "N_FOLDS": 2,
    "RUN_FOLDS": None,
    "EPOCHS": 1,
    "GRU_LAYERS": 1,
    "GRU_UNITS": 8,
    "VIDEO_GRU_UNITS": 8,
    "AUDIO_GRU_UNITS": 8,
    "AUDIO_GRU_LAYERS": 1,
    "TABLE_ROWS": 1,
    "UNITS": 8,
    "ROWS": ("full model", "no augmentation"),
    "FUSIONS": ("cross",),
    "FUSION_EPOCHS": 1,
    "VIT_EPOCHS": 1,
}


def notebook(tmp_path, *sources, tags=("parameters",)):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[0].metadata["tags"] = list(tags)
    path = tmp_path / "small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def with_solutions(path, folder):
    """A copy of a notebook in which each gap is filled in, and the solution of each exercise follows as a cell."""
    stored = nbformat.read(path, as_version=4)
    for answer in folded(stored, "Answer"):
        gap = f"{answer.split(' = ')[0]} = None"
        cell = next(cell for cell in stored.cells if cell.cell_type == "code" and gap in cell.source)
        cell.source = cell.source.replace(gap, answer.strip(), 1)
    for answer in solutions(stored):
        stored.cells.append(nbformat.v4.new_code_cell(answer))
    nbformat.write(stored, folder / path.name)
    return folder / path.name


def folded(stored, title):
    """The code of each folded text with this title."""
    text = "\n".join(cell.source for cell in stored.cells if cell.cell_type == "markdown")
    found = re.findall(rf"<details>\n<summary>{title}</summary>\n(.*?)</details>", text, re.S)
    return [re.search(r"```python\n(.*?)```", answer, re.S)[1] for answer in found]


def solutions(stored):
    return folded(stored, "Solution")


def printed(notebook):
    """All that an executed notebook printed, without terminal colours."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "\n".join(each.get("text", "") or each.get("data", {}).get("text/plain", "") for each in outputs)
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def command(*arguments, cwd, **env):
    environment = {**os.environ, "PYTHONPATH": str(runtime.PROJECT), **env}
    words = [sys.executable, "-m", "helpers.notebooks", "run", *map(str, arguments)]
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True)


def test_settings_take_effect_after_the_parameters_cell(tmp_path):
    path = notebook(tmp_path, "N = 1\nNAME = 'a'", "print(N, NAME)")
    executed = notebooks.run(path, {"N": 7, "OTHER": 1}, cwd=tmp_path, tell=lambda line: None)
    assert "7 a" in printed(executed)
    assert "N = 7" not in path.read_text(), "the notebook itself is left as it is"


def test_the_first_error_stops_the_run_and_shows_cell_and_traceback(tmp_path):
    path = notebook(tmp_path, "N = 1", "print('before')\n1 / 0", "print('never')")
    done = command(path, "--out", "executed", cwd=tmp_path)
    assert done.returncode == 1
    assert "1 / 0" in done.stderr and "ZeroDivisionError" in done.stderr and "small.ipynb stopped" in done.stderr
    assert "before" in (tmp_path / "executed" / "small.ipynb").read_text(), "what was done is kept"


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--set", "M=1", "small.ipynb"], "no parameters cell sets M; known: N"),
        (["nowhere.ipynb"], "no notebook at nowhere.ipynb"),
        (["--set", "N", "small.ipynb"], "not NAME=VALUE"),
    ],
)
def test_a_wrong_command_says_what_is_wrong(tmp_path, arguments, words):
    notebook(tmp_path, "N = 1")
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode != 0 and words in done.stderr


def test_a_notebook_without_a_parameters_cell_is_refused(tmp_path):
    path = notebook(tmp_path, "N = 1", tags=())
    with pytest.raises(notebooks.NotebookError, match="no cell is tagged `parameters`"):
        notebooks.run(path, cwd=tmp_path)


def test_a_setting_stands_after_the_cell_that_assigns_it(tmp_path):
    path = notebook(tmp_path, "A = 1", "seen = A", "B = 2", "print(seen, A, B)")
    stored = nbformat.read(path, as_version=4)
    stored.cells[2].metadata["tags"] = ["parameters"]
    notebooks.put_in(stored, {"B": 20, "A": 10, "C": 0})
    sources = ["A = 1", "A = 10", "seen = A", "B = 2", "B = 20", "print(seen, A, B)"]
    assert [cell.source for cell in stored.cells] == sources
    assert notebooks.parameters(stored) == {"A": "1", "B": "2"}


def test_values_are_read_as_python_or_else_as_text(tmp_path):
    path = notebook(tmp_path, "A = B = None\nA = 0\nB = 0", "print(repr(A), repr(B))")
    done = command(path, "--set", 'A=("x", 1.5)', "--set", "B=/some/where", "--out", ".", cwd=tmp_path)
    assert done.returncode == 0
    assert "('x', 1.5) '/some/where'" in printed(nbformat.read(path, 4))


def run_quietly(path, settings, folder):
    return notebooks.run(path, settings, cwd=folder, tell=lambda line: None)


def run_in_turn(path, clips, folder):
    """Runs one of the notebooks that go in order: 03 on JAX where TensorFlow cannot be imported, 05 on its own values.

    Returns: the executed notebook.
    """
    settings = {"RUN": "demo", "ROOT": str(clips)}
    if path.name != EVALUATION.name:
        settings |= {**QUICK, "DATASET": "synthetic"}
    with pytest.MonkeyPatch.context() as patch:
        if path.name == ON_JAX.name:
            patch.setenv("PYTHONPATH", str(no_tensorflow.hide(folder / "no_tensorflow")))
            patch.setenv("KERAS_BACKEND", "jax")
        return run_quietly(path, settings, folder)


def trained(folder):
    """When the files of each trained fold were written: {path: ns}."""
    return {path: path.stat().st_mtime_ns for path in folder.glob("runs/demo/*/fold_*/*")}


@pytest.fixture(scope="module")
def in_order(clips, cache, feature_set, tmp_path_factory):
    """Notebooks 01 to 06 with their exercises solved, one after the other in one folder: {name: executed notebook}."""
    folder, copies = tmp_path_factory.mktemp("in_order"), tmp_path_factory.mktemp("copies")
    (folder / "cache").symlink_to(cache)
    executed = {}
    for path in IN_ORDER:
        (folder / path.name).touch()  # says when it began
        executed[path.name] = run_in_turn(with_solutions(path, copies), clips, folder)
    return folder, executed


def test_notebooks_01_to_05_run_in_order_and_leave_results_and_figures(in_order):
    folder, _ = in_order
    demo = folder / "runs" / "demo"
    for model in ("video", "audio", "fusion"):
        for name in (model, f"{model}-actor"):
            summary = json.loads((demo / name / "summary.json").read_text())
            assert summary["n"] == 32 and summary["model"] == model
    pictures = {path.name for path in demo.glob("*.png")}
    assert {"faces.png", "mfcc.png", "confusion_video.png", "confusion_audio.png", "confusion_fusion.png"} <= pictures
    assert {"curves_fusion.png", "systems_random.png", "systems_actor.png", "confusions.png"} <= pictures
    table = (demo / "table.csv").read_text()
    assert "fusion (actor)" in table and "thesis: fusion (random)" in table and "91.25" in table


def test_every_table_and_figure_of_chapter_4_is_there(in_order):
    folder, executed = in_order
    demo = folder / "runs" / "demo"
    for number in ("4.1", "4.3"):
        table = (demo / f"table-{number}" / "table.csv").read_text().splitlines()
        assert len(table) == 2 and "thesis" in table[0] and "parameters" in table[0]
    for name, average in (
        ("02_video_subsystem", "78.19"),
        ("03_audio_subsystem", "76.52"),
        ("04_feature_fusion", "91.25"),
    ):
        said = printed(executed[f"{name}.ipynb"])
        assert average in said and "right only with attention" in said and "one device" in said
    compared = printed(executed["05_evaluation.ipynb"])
    assert "86.70" in compared and "speaker-independent" in compared and "here: fusion, synthetic (actor)" in compared
    pictures = {path.name for path in demo.glob("*.png")}
    assert {"table-4.1.png", "table-4.3.png", "curves_fusion.png"} <= pictures
    assert {f"attention_{model}.png" for model in ("video", "audio", "fusion")} <= pictures


def solved(path, executed):
    """Asserts that a notebook has two or three exercises, and that each solution was run."""
    stored = nbformat.read(path, as_version=4)
    asked = re.findall(r"^\*\*\d\.\*\* ", stored.cells[-1].source, re.M)
    assert stored.cells[-1].source.startswith("## Exercises") and 2 <= len(asked) == len(solutions(stored)) <= 3
    last = [cell for cell in executed.cells if cell.cell_type == "code"][-len(asked) :]
    assert [cell.source for cell in last] == solutions(stored)
    assert all(cell.execution_count for cell in last)


def test_every_exercise_has_a_solution_that_runs(in_order):
    for path in IN_ORDER:
        solved(path, in_order[1][path.name])


@pytest.mark.slow
def test_notebook_07_goes_on_with_the_models_of_the_others_and_its_exercises_are_solved(in_order, clips, tmp_path):
    path = NOTEBOOKS[7]
    executed = run_in_turn(with_solutions(path, tmp_path), clips, in_order[0])
    solved(path, executed)
    said = printed(executed)
    assert re.search(r"VGG16 \+ GRU, faces +[01]\.", said) and re.search(r"ViT, whole frames +[01]\.", said)
    assert "the colour of the wall alone tells the speaker of" in said


def test_the_surest_wrong_answers_can_be_watched_and_heard(in_order):
    for name, player in (
        ("02_video_subsystem", "<video"),
        ("03_audio_subsystem", "<audio"),
        ("05_evaluation", "<video"),
    ):
        cell = next(c for c in in_order[1][f"{name}.ipynb"].cells if "worst.itertuples()" in c.source)
        shown = [output.data.get("text/html", "") for output in cell.outputs if output.output_type == "display_data"]
        assert shown and all(player in html for html in shown)


NETWORKS = {
    "02_video_subsystem.ipynb": "video",
    "03_audio_subsystem.ipynb": "audio",
    "04_feature_fusion.ipynb": "fusion",
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_values_of_a_training_notebook_are_the_thesis(name):
    written = notebooks.parameters(nbformat.read(runtime.PROJECT / "notebooks" / name, 4))
    values = {each: ast.literal_eval(value) for each, value in written.items()}
    subsystem, train = config.SubsystemConfig(), config.TrainConfig()
    thesis = {"N_FOLDS": config.N_FOLDS, "BATCH_SIZE": train.batch_size, "LEARNING_RATE": train.learning_rate}
    thesis |= {each.upper(): getattr(subsystem, each) for each in ("fc_units", "dropout", "attention", "batch_norm")}
    for stream in ("video", "audio") if name.startswith("04") else (NETWORKS[name],):
        prefix = f"{stream.upper()}_GRU" if name.startswith("04") else "GRU"
        network = getattr(config.SubsystemConfig, stream)()
        thesis |= {f"{prefix}_LAYERS": network.layers, f"{prefix}_UNITS": network.units}
    assert thesis.items() <= values.items()


def test_a_training_notebook_shows_its_network_in_layers_one_fold_and_its_curves(in_order):
    folder, executed = in_order
    for name, model in NETWORKS.items():
        code = "\n".join(cell.source for cell in executed[name].cells if cell.cell_type == "code")
        for word in ("keras.layers.GRU(", "SoftAttention(", "keras.Model(", ".compile(", ".fit(", "GroupShuffleSplit"):
            assert word in code, (name, word)
        assert "packaged.predict(four" in code and "Right: " in printed(executed[name])
        assert (folder / "runs" / "demo" / f"watched_{model}.png").is_file()


def test_a_reader_is_told_what_is_shorter_than_the_whole_experiment(in_order):
    for name in NETWORKS:
        assert "1 epochs of 60" in printed(in_order[1][name])


def test_a_wrong_answer_in_a_gap_is_told():
    stored = nbformat.read(runtime.PROJECT / "notebooks" / "03_audio_subsystem.ipynb", 4)
    cell = next(cell for cell in stored.cells if cell.source.startswith("uar = None"))
    first = types.SimpleNamespace(summary=lambda: {"uar": 0.5})
    with pytest.raises(AssertionError, match=r"0\.250 it is not"):
        exec(cell.source.replace("uar = None", "uar = 0.25", 1), {"np": np, "first": first})


def test_evaluation_takes_the_earlier_results_and_trains_nothing(in_order):
    stamps, begun = trained(in_order[0]), (in_order[0] / EVALUATION.name).stat().st_mtime_ns
    assert len(stamps) > 36 and max(stamps.values()) < begun


@pytest.mark.slow
def test_evaluation_refuses_the_results_of_other_clips(in_order):
    with pytest.raises(notebooks.NotebookError, match="has results on synthetic, not on ravdess: set DATASET or RUN"):
        run_quietly(EVALUATION, {"RUN": "demo"}, in_order[0])


def test_the_cell_of_evaluation_that_takes_results_refuses_those_of_other_clips(small_runs):
    cells = [cell.source for cell in nbformat.read(EVALUATION, 4).cells if cell.cell_type == "code"]
    names = {"RUNS": small_runs[0], "DATA": "ravdess", "training": training}
    exec(next(source for source in cells if source.startswith("def result_of")), names)
    with pytest.raises(ValueError, match="has results on synthetic, not on ravdess: set DATASET or RUN"):
        names["result_of"]("audio", "random")


def test_evaluation_alone_trains_the_audio_subsystem_on_the_real_features_that_are_carried(tmp_path):
    settings = {"EPOCHS": 1, "RUN_FOLDS": 1, "ACTORS": 4, "AUDIO_GRU_UNITS": 8, "AUDIO_GRU_LAYERS": 1}
    said = printed(run_quietly(EVALUATION, settings, tmp_path))
    assert "RAVDESS, real people, AUDIO ALONE" in said and "Shortened for this CPU: 1 epochs of 60" in said
    assert {path.parent.name for path in tmp_path.glob("runs/ravdess/*/summary.json")} == {"audio", "audio-actor"}


def shown(executed):
    """{a cell's source: what it printed, and the data of what it displayed}; a slow kernel sends a line in pieces."""
    found = {}
    for cell in executed.cells:
        if cell.cell_type == "code":
            printed = "".join(output.text for output in cell.outputs if output.get("name") == "stdout")
            found[cell.source] = [printed, *(output.data for output in cell.outputs if "data" in output)]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("path", IN_ORDER, ids=lambda path: path.stem)
def test_run_twice_in_a_row_a_notebook_shows_the_same_and_trains_nothing(path, in_order, clips):
    folder, executed = in_order
    stamps = trained(folder)
    once_more = run_in_turn(path, clips, folder)
    gaps = folded(nbformat.read(path, as_version=4), "Answer")
    told = re.search("Replace (the last )?None by your", printed(once_more))
    assert bool(told) == bool(gaps), "a gap left open says so"
    before = shown(executed[path.name])
    for source, outputs in shown(once_more).items():
        assert outputs == before.get(source, outputs), source  # the gaps were filled in before
    assert trained(folder) == stamps


@pytest.mark.slow
def test_changing_gru_units_keeps_the_mfcc_and_trains_anew(in_order, clips):
    folder, _ = in_order
    shutil.copytree(folder / "runs" / "demo", folder / "runs" / "other")
    mfcc = {path: path.stat().st_mtime_ns for path in folder.glob("cache/mfcc-*/*")}
    settings = {**QUICK, "ROOT": str(clips), "RUN": "other", "PROTOCOLS": ("random",), "GRU_UNITS": 6}
    notebooks.run(WITH_CLIPS[1], settings, cwd=folder, tell=lambda line: None)
    assert len(mfcc) >= 32 and {path: path.stat().st_mtime_ns for path in folder.glob("cache/mfcc-*/*")} == mfcc
    units = {
        path.parent.name.partition(".")[2] == "": json.loads(path.read_text())["audio"]["units"]
        for path in folder.glob("runs/other/audio*/config.json")
        if path.parent.name.partition(".")[0] == "audio"
    }
    assert units == {True: 6, False: 8}, "the new folds in place, the old ones kept beside them"


@pytest.mark.slow
def test_notebook_01_runs_alone_in_an_empty_folder(clips, cache, feature_set, tmp_path):
    """Clips and cache are lent, since making them is tested elsewhere."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "synthetic").symlink_to(clips)
    (tmp_path / "cache").symlink_to(cache)
    settings = {"BACKUP": str(tmp_path), "N_ACTORS": 4, "TAKES": 1}
    executed = notebooks.run(FIRST, settings, cwd=tmp_path, tell=lambda line: None)
    assert {path.name for path in tmp_path.glob("runs/synthetic/*.png")} == {"faces.png", "mfcc.png", "gallery.png"}
    assert 'DATASET "auto" is SYNTHETIC, drawn faces, no people' in printed(executed)
    assert "FER2013 needs a Kaggle sign-in" in printed(executed), "what needs the reader is said"
    assert len(mirror.zipfile.ZipFile(tmp_path / "emotion-cache.zip").namelist()) > 3 * 32


@pytest.fixture(scope="module")
def three_classes(clips):
    """A csv of one's own: three emotions of the synthetic clips under other names, four speakers."""
    names = {"01": "flat", "05": "cross", "03": "glad"}
    rows = [(path, names.get(path.name[6:8])) for path in sorted(clips.glob("Actor_*/*.mp4"))]
    lines = [f"{path.relative_to(clips)},{name},{path.parent.name}" for path, name in rows if name]
    (clips / "three.csv").write_text("\n".join(["path,emotion,speaker", *lines]))
    return clips / "three.csv"


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [path for path in WITH_CLIPS if not path.stem.startswith("06")],
    ids=lambda path: path.stem,
)
def test_each_notebook_runs_alone_on_three_classes_of_ones_own(path, three_classes, cache, feature_set, tmp_path):
    (tmp_path / "cache").symlink_to(cache)
    settings = {**QUICK, "PROTOCOLS": ("actor",), "DATASET": str(three_classes)}
    notebooks.run(path, settings, cwd=tmp_path, tell=lambda line: None)
    assert list(tmp_path.glob("runs/demo/**/*.png"))
    for summary in tmp_path.glob("runs/demo/**/summary.json"):
        result = json.loads(summary.read_text())
        assert list(result["per_class"]) == ["flat", "glad", "cross"] and result["n"] == 12


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebook_runs_alone_with_nothing_lent_and_its_own_values(path, tmp_path):
    notebooks.run(path, {"DATASET": "synthetic"}, cwd=tmp_path, tell=lambda line: None)


@pytest.mark.slow
def test_bad_clips_are_named_in_the_notebook_and_stop_nothing(bad_clips, tmp_path):
    root, _, expected = bad_clips
    executed = notebooks.run(FIRST, {"ROOT": str(root), "DATASET": "ravdess"}, cwd=tmp_path, tell=lambda line: None)
    said = printed(executed)
    assert f"left out: {len(expected)}" in said and "digital silence" in said and "no face in any" in said


def on_jax(executed, summary):
    """Asserts that a notebook and a run it left were made on JAX, with every clip tested."""
    assert "on jax" in printed(executed)
    stored = json.loads(summary.read_text())
    assert stored["backend"] == "jax" and stored["n"] == 32


def test_a_training_notebook_runs_on_jax_where_tensorflow_cannot_be_imported(in_order):
    folder, executed = in_order
    on_jax(executed[ON_JAX.name], folder / "runs" / "demo" / "audio" / "summary.json")
    other = json.loads((folder / "runs" / "demo" / "video" / "summary.json").read_text())
    assert other["backend"] == "tensorflow", "notebook 05 compares what two backends trained"


@pytest.mark.slow
def test_the_chain_runs_on_jax_where_tensorflow_cannot_be_imported(clips, cache, feature_set, tmp_path):
    blocker = no_tensorflow.hide(tmp_path / "no_tensorflow")
    (tmp_path / "cache").symlink_to(cache)
    settings = {**QUICK, "PROTOCOLS": ("random",), "ROOT": str(clips)}
    known = {name for path in NOTEBOOKS for name in notebooks.parameters(nbformat.read(path, 4))}
    words = [word for name in known & settings.keys() for word in ("--set", f"{name}={settings[name]!r}")]
    path = os.pathsep.join([str(blocker), str(runtime.PROJECT)])
    done = command(*words, "--out", "executed", *NOTEBOOKS, cwd=tmp_path, PYTHONPATH=path, KERAS_BACKEND="jax")
    assert done.returncode == 0, done.stderr
    on_jax(
        nbformat.read(tmp_path / "executed" / ON_JAX.name, 4), tmp_path / "runs" / "demo" / "fusion" / "summary.json"
    )


def test_in_a_folder_without_the_suite_the_set_up_cell_says_what_to_set(tmp_path):
    source = next(cell.source for cell in nbformat.read(FIRST, 4).cells if cell.cell_type == "code")
    script = tmp_path / "set_up.py"
    script.write_text(source)
    elsewhere = {**os.environ, "PYTHONPATH": "", "PYTHONNOUSERSITE": "1"}
    # -S keeps the environment's site-packages, and with them the installed suite, out of sight.
    done = subprocess.run([sys.executable, "-S", script], cwd=tmp_path, env=elsewhere, capture_output=True, text=True)
    assert done.returncode != 0 and "set PROJECT above" in done.stderr


@pytest.mark.parametrize("place", ["copy", "copy/notebooks", "."])
def test_the_set_up_cell_finds_a_copy_of_the_suite_here_above_or_below(place, tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "helpers").symlink_to(runtime.PROJECT / "helpers")
    (tmp_path / "copy" / "notebooks").mkdir()
    source = next(cell.source for cell in nbformat.read(FIRST, 4).cells if cell.cell_type == "code")
    finding = source.split("from helpers import")[0] + "\nprint(sys.path[0])"
    done = subprocess.run([sys.executable, "-c", finding], cwd=tmp_path / place, capture_output=True, text=True)
    assert done.stdout.strip() == str(tmp_path / "copy"), done.stderr


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_clean_small_and_with_their_language(path):
    stored = nbformat.read(path, as_version=4)
    nbformat.validate(stored)
    assert stored.metadata.kernelspec.language == "python" and stored.metadata.language_info.name == "python"
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    lengths = sorted(len(cell.source.splitlines()) for cell in code)
    assert lengths[-1] <= 40 and lengths[len(lengths) // 2] <= 6
    tagged = "\n".join(cell.source for cell in code if "parameters" in cell.metadata.get("tags", []))
    names = re.findall(r"^([A-Z0-9_]+) = ", tagged, re.M)
    assert names and len(names) == len(set(names)), "each is assigned by one cell alone"
    assert stored.cells[0].source.startswith("# ")
    for before, cell in zip(stored.cells, stored.cells[1:]):
        assert cell.cell_type == "markdown" or before.cell_type == "markdown", f"no sentence before:\n{cell.source}"


def test_every_set_up_cell_is_the_same():
    cells = {next(c.source for c in nbformat.read(path, 4).cells if c.cell_type == "code") for path in NOTEBOOKS}
    assert len(cells) == 1 and len(cells.pop().splitlines()) <= 12


def test_every_parameter_is_upper_case_and_used():
    for path in NOTEBOOKS:
        stored = nbformat.read(path, as_version=4)
        code = "\n".join(
            c.source for c in stored.cells if c.cell_type == "code" and "parameters" not in c.metadata.get("tags", [])
        )
        used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
        for name in notebooks.parameters(stored):
            assert name.isupper() and name in used, f"{path.name}: {name}"


def test_links_between_notebooks_lead_somewhere():
    for path in NOTEBOOKS:
        for target in re.findall(
            r"\]\((?!https?:)([^)#]+)\)", "\n".join(c.source for c in nbformat.read(path, 4).cells)
        ):
            assert (path.parent / pathlib.Path(target)).exists(), f"{path.name}: {target}"
