"""Notebook 00: chapter 2's equations and figures are all there, all checked, and the checks can fail."""

import ast
import re
import sys

import matplotlib.pyplot as plt
import nbformat
import pytest

from helpers import notebooks, runtime

PATH = runtime.PROJECT / "notebooks" / "00_background.ipynb"
EQUATIONS = [f"2.{number}" for number in range(1, 51)]
FIGURES = [f"2.{number}" for number in range(1, 16)]


def slug(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def sections():
    """{heading: its cells}, in order; a section ends at the next heading of any level."""
    found, cells = {}, []
    for cell in nbformat.read(PATH, as_version=4).cells:
        heading = re.search(r"^#+ (.+)$", cell.source, re.M) if cell.cell_type == "markdown" else None
        if heading:
            assert heading[1] not in found, f"two headings {heading[1]!r}"
            cells = found[heading[1]] = []
        cells.append(cell)
    return found


def code(cells):
    return [cell.source for cell in cells if cell.cell_type == "code"]


def text(cells):
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def index(heading):
    """Rows of a table at the end: [(number, link)]."""
    return re.findall(r"^\| (2\.\d+)(?:\\\*)? \| .+ \| \[.+\]\(#(.+)\) \|$", text(sections()[heading]), re.M)


OF_EQUATIONS, OF_FIGURES = "Index of equations", "Index of figures"
SECTION = {slug(heading): heading for heading in sections()}


@pytest.mark.parametrize("heading, numbers", [(OF_EQUATIONS, EQUATIONS), (OF_FIGURES, FIGURES)])
def test_the_tables_at_the_end_name_every_equation_and_figure_once_and_in_order(heading, numbers):
    rows = index(heading)
    assert [number for number, _ in rows] == numbers
    for _, link in rows:
        assert link in SECTION and f'<a name="{link}"></a>' in text(sections()[SECTION[link]])


@pytest.mark.parametrize("number, link", index(OF_EQUATIONS))
def test_an_equation_is_where_the_table_says_as_formula_and_as_code(number, link):
    cells = sections()[SECTION[link]]
    assert rf"\tag{{{number}}}" in text(cells)
    assert re.search(rf"#.*\({re.escape(number)}\)", "\n".join(code(cells)))


@pytest.mark.parametrize("number, link", index(OF_FIGURES))
def test_a_figure_is_where_the_table_says_and_drawn_by_code(number, link):
    cells = sections()[SECTION[link]]
    assert re.search(rf"[Ff]igure {re.escape(number)}\b", text(cells))
    assert re.search(r"\b(plots|drawings)\.|\.plot\(", "\n".join(code(cells)))


LATER = re.findall(
    r"^\| ((?:Figure|Table) [34]\.\d) \| .+ \| \[.+\]\((.+)\) \|$", text(sections()["Chapters 3 and 4"]), re.M
)


def test_every_figure_and_table_of_chapters_3_and_4_has_its_notebook():
    names = [f"Figure 3.{n}" for n in range(1, 8)] + [f"Figure 4.{n}" for n in range(1, 5)]
    assert [name for name, _ in LATER] == names + [f"Table 4.{n}" for n in range(1, 7)]


@pytest.mark.parametrize("name, notebook", LATER)
def test_what_a_notebook_is_said_to_show_of_chapters_3_and_4_it_shows(name, notebook):
    kind, number = name.split()
    cells = nbformat.read(PATH.parent / notebook, as_version=4).cells
    said = rf"{kind}s? (?:[34]\.\d (?:and|to) )?{re.escape(number)}\b"
    for place, cell in enumerate(cells):
        # The cell that shows it follows, perhaps after the cell that trains what it shows.
        after = "\n".join(code(cells[place : place + 5]))
        shows = re.search(r"\b(plots|drawings)\.|evaluation\.table|published\.table|table_of_rows", after)
        if cell.cell_type == "markdown" and re.search(said, cell.source, re.I) and shows:
            return
    raise AssertionError(f"{notebook} does not show {name}")


@pytest.mark.parametrize("link", dict(map(reversed, index(OF_EQUATIONS))))
def test_every_section_with_an_equation_checks_something(link):
    tree = ast.parse("\n".join(code(sections()[SECTION[link]])))
    assert any(isinstance(node, ast.Assert) for node in ast.walk(tree))


@pytest.mark.slow
def test_the_notebook_runs_alone_in_an_empty_folder_and_leaves_nothing_there(tmp_path):
    executed = notebooks.run(PATH, cwd=tmp_path, tell=lambda line: None)
    assert not list(tmp_path.iterdir())
    drawn = sum("image/png" in out.get("data", {}) for cell in executed.cells for out in cell.get("outputs", []))
    assert drawn >= len(FIGURES)


@pytest.fixture(scope="module")
def in_process(tmp_path_factory):
    """The cells run here, from the set-up on: ({heading: the names that exist where it starts}, folder, figures)."""
    names, found, figures, folder = {"__name__": "__main__"}, {}, 0, tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [str(runtime.PROJECT), *sys.path])
        for heading, cells in sections().items():
            found[heading] = dict(names)
            exec("\n".join(code(cells)), names)
            figures += len(plt.get_fignums())
            plt.close("all")
    return found, folder, figures


@pytest.fixture
def before(in_process):
    return in_process[0]


def test_its_cells_check_sixty_things_draw_every_figure_and_leave_no_file(in_process):
    _, folder, figures = in_process
    assert not list(folder.iterdir()) and figures >= len(FIGURES)
    tree = ast.parse("\n".join(code(nbformat.read(PATH, as_version=4).cells)))
    assert sum(isinstance(node, ast.Assert) for node in ast.walk(tree)) >= 60


PRINTED = "as the thesis prints it"


@pytest.mark.parametrize(
    "heading, right, wrong, why",
    [
        ("Multilayer perceptron", "b_j @ W_k + b_k", "b_k", "a bias lost"),
        ("Multilayer perceptron", "np.tanh(H) @", "H @", "no activation"),
        ("Sigmoid", "np.exp(-x)", "np.exp(x)", "sign"),
        ("Sigmoid", "sigmoid(x) * (1 - sigmoid(x))", "sigmoid(x) * (1 + sigmoid(x))", "sign"),
        ("Tanh", "np.exp(-2 * x)", "np.exp(-x)", "scale"),
        ("Softmax", "e / e.sum", "e / e.max", "not normalised"),
        ("ReLU", "np.where(x < 0, 0, x)", "np.where(x < 0, x, 0)", PRINTED),
        ("Cross-entropy", "softmax(z[0]) - y[0]", "y[0] - softmax(z[0])", PRINTED),
        ("Convolution", "turned = K[::-1, ::-1]", "turned = K", "kernel not turned"),
        ("Padding", "np.pad(image, 1)", 'np.pad(image, 1, mode="edge")', "not zeros"),
        ("Max-pooling", ".max(axis=(2, 3))", ".max(axis=(0, 1))", "wrong axes"),
        ("LSTM", "f * c + i * c_hat", "i * c + f * c_hat", "gates swapped"),
        ("GRU", "(1 - z) * h + z * h_hat  # (2.20)", "z * h + (1 - z) * h_hat", "gate turned"),
        ("GRU", "(r * h) @", "h @", "no reset"),
        ("Pre-emphasis", "samples[1:] - a", "samples[1:] + a", "low-pass"),
        ("Hamming window", "np.arange(N + 1) / N)", "np.arange(N + 1) / (N + 1))", "period"),
        ("Mel filter bank", "(1 + f / 700)  # (2.26)", "(1 + f / 600)", "corner frequency"),
        ("Discrete cosine transform", "(m - 0.5)", "m", "half a band off"),
        ("Soft attention", "np.tanh((h @ W_c)[:, None] + x @ W_x)", "((h @ W_c)[:, None] + x @ W_x)", "no tanh"),
        ("Hard attention", "a.argmax(axis=1)", "a.argmin(axis=1)", "least likely"),
        ("Batch normalisation", "variance + epsilon", "variance", "no epsilon"),
        ("Batch normalisation", "0.99 * 1", "0.9 * 1", "momentum"),
        ("Dropout", "r * y_l / p", "r * y_l", "not inverted"),
        ("Gradient descent", "x = x - 0.1 * f_prime(x)", "x = f(x) - 0.1 * f_prime(x)", PRINTED),
        ("Gradient descent", "(moved <= f(points))", "(f(points) - alpha * f_prime(points) <= f(points))", PRINTED),
        ("Gradient descent", "/ len(X[i])", "", "sum, not mean"),
        ("Stochastic gradient descent", "theta - eta", "theta + eta", "uphill"),
        ("Adam", "beta_1 * m + (1 - beta_1) * g", "beta_1 * v + (1 - beta_2) * g", PRINTED),
        ("Adam", "v / (1 - beta_2**t)", "v", "not corrected"),
    ],
)
def test_a_wrong_formula_makes_its_section_stop(heading, right, wrong, why, before):
    source = "\n".join(code(sections()[heading]))
    assert right in source
    plt.close("all")
    exec(source, dict(before[heading]))
    with pytest.raises(AssertionError):
        exec(source.replace(right, wrong), dict(before[heading]))


def test_the_solutions_of_the_exercises_hold(before):
    solutions = re.findall(r"```python\n(.*?)```", text(sections()["Exercises"]), re.S)
    assert len(solutions) == 3 and all("assert" in solution for solution in solutions)
    for solution in solutions:
        exec(solution, dict(before["Exercises"]))
