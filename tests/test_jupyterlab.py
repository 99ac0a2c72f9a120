"""The notebooks as a reader sees them: a real JupyterLab, driven by a headless Chromium.

`make browser` runs them on the smallest training; LAB_FULL=1 leaves the notebooks their own values, SCREENSHOTS=DIR
keeps a screenshot of every figure in its place on the page.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import sys

import chromium
import nbformat
import pytest
import requests
from test_notebooks import BACKGROUND, NOTEBOOKS, QUICK

from helpers import notebooks, runtime

pytestmark = chromium.marks("jupyterlab")

MINUTES = 120 if os.environ.get("LAB_FULL") else 30  # a notebook may take, on a busy machine
TOKEN = "a-reader"
# Every cell stays in the page however far it is scrolled away, and nothing is asked of the reader or of the network.
SETTINGS = {
    "notebook-extension/tracker": '{"windowingMode": "none"}',
    "apputils-extension/notification": '{"fetchNews": "false", "checkForUpdates": false}',
}
POPUPS = ".jp-Dialog, .Toastify__toast"
# All that was asked for has been computed (after an error: been dropped), or a dialog is in the way.
DONE = """popups => {
    const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].map(e => e.textContent);
    const idle = document.querySelector(".jp-Notebook-ExecutionIndicator[data-status=idle]");
    return document.querySelector(popups) ||
        (idle && prompts.some(text => /\\d/.test(text)) && !prompts.some(text => text.includes("*")));
}"""
PLAYABLE = "[...document.querySelectorAll('.jp-OutputArea-output :is(audio, video)')].every(e => e.duration > 0)"
# In the middle of the page, loaded, and with nothing in front of it.
VISIBLE = """img => {
    img.scrollIntoView({block: "center"});
    const box = img.getBoundingClientRect();
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return img.complete && img.naturalWidth > 0 && box.width > 0 && top === img;
}"""


@pytest.fixture(scope="module")
def folder(clips, cache, feature_set, tmp_path_factory):
    """A copy of the suite, with clips and cache lent, since making them is tested elsewhere; and what is only read."""
    folder = tmp_path_factory.mktemp("lab")
    for name in ("notebooks", "helpers"):
        shutil.copytree(runtime.PROJECT / name, folder / name, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    for name in ("README.md", "data_manifest.csv", "docs", "pretrained", "samples"):
        (folder / name).symlink_to(runtime.PROJECT / name)
    (folder / "data").mkdir()
    (folder / "data" / "synthetic").symlink_to(clips)
    (folder / "cache").symlink_to(cache)
    return folder


@pytest.fixture(scope="module")
def server(folder):
    """The address of a JupyterLab of its own, with nobody's settings but ours; it and its kernels end with it."""
    jupyter = folder / "jupyter"
    for name, text in SETTINGS.items():
        path = jupyter / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    own = {f"JUPYTER_{name}_DIR": str(jupyter / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {f"JUPYTERLAB_{name}_DIR": str(jupyter / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [f"--port={port}", "--ServerApp.port_retries=0", "--no-browser", "--allow-root"]
    options += [f"--IdentityProvider.token={TOKEN}", "--LabApp.extension_manager=readonly"]
    words = [sys.executable, "-m", "jupyterlab", "notebooks", *options]
    url = f"http://127.0.0.1:{port}"
    log = folder / "jupyterlab.log"
    with log.open("w") as file:
        env = {**os.environ, **own, "IPYTHONDIR": str(jupyter / "ipython")}
        process = subprocess.Popen(words, cwd=folder, env=env, stdout=file, stderr=file)
    try:
        chromium.wait_for(lambda: process.poll() is not None or answers(f"{url}/api"), 120)
        assert process.poll() is None, log.read_text()
        yield url
    finally:
        process.terminate()  # JupyterLab ends its kernels before itself
        try:
            process.wait(300)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def browser(server):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = chromium.start(driver)
        yield browser
        browser.close()


@pytest.fixture
def screenshots(request, tmp_path):
    """A folder for what the page looked like."""
    name = request.node.name.split("[")[-1].rstrip("]")
    folder = pathlib.Path(os.environ.get("SCREENSHOTS", tmp_path)) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def page(browser, server, screenshots):
    """An empty page that sees this server only; kernels it starts end with it."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(120_000)
    page.route(lambda url: not url.startswith((server, "data:", "blob:")), lambda route: route.abort())
    yield page
    page.screenshot(path=screenshots / "end.png")
    page.close()
    kernels = f"{server}/api/kernels"
    for kernel in requests.get(kernels, params={"token": TOKEN}).json():
        requests.delete(f"{kernels}/{kernel['id']}", params={"token": TOKEN}).raise_for_status()


def answers(url):
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def run_all(page, server, path):
    """Opens a notebook, runs all its cells and saves it, all with the menus; the saved notebook is returned."""
    page.goto(f"{server}/lab/tree/{path.name}?reset&token={TOKEN}")
    page.get_by_text("| Idle").wait_for()  # in the status bar; what is run while it says Initializing is dropped
    choose(page, "Run", "Run All Cells")
    page.wait_for_function(DONE, arg=POPUPS, polling=1000, timeout=MINUTES * 60_000)
    assert not page.locator(POPUPS).all_inner_texts()
    choose(page, "File", "Save Notebook")
    page.locator(".lm-TabBar-tab.jp-mod-current:not(.jp-mod-dirty)").wait_for()
    return nbformat.read(path, as_version=4)


def choose(page, menu, entry):
    page.locator(".lm-MenuBar-item", has_text=menu).click()
    page.locator(".lm-Menu-item", has=page.get_by_text(entry, exact=True)).click()


def outputs(stored, kind):
    return [output for cell in stored.cells for output in cell.get("outputs", []) if output.output_type == kind]


def check(page, stored, screenshots):
    """No error, every cell computed, every figure to be seen and every clip to be played; the number of figures."""
    assert [f"{error.ename}: {error.evalue}" for error in outputs(stored, "error")] == []
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    figures = page.locator(".jp-OutputArea-output img").all()
    for number, figure in enumerate(figures):
        assert figure.evaluate(VISIBLE), f"figure {number}"
        page.screenshot(path=screenshots / f"{number:02}.png")
    page.wait_for_function(PLAYABLE)
    assert not page.locator(POPUPS).all_inner_texts()
    return len(figures)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebook_runs_in_jupyterlab_and_shows_its_figures(path, folder, server, page, screenshots):
    copy = folder / "notebooks" / path.name
    if not os.environ.get("LAB_FULL"):
        small = nbformat.read(copy, as_version=4)
        notebooks.put_in(small, QUICK)
        nbformat.write(small, copy)
    stored = run_all(page, server, copy)
    shown = check(page, stored, screenshots)
    drawn = [o for kind in ("display_data", "execute_result") for o in outputs(stored, kind) if "image/png" in o.data]
    assert shown == len(drawn) > 0


def test_a_cell_that_raises_is_found(folder, server, page, screenshots):
    path = folder / "notebooks" / "raises.ipynb"
    cells = [nbformat.v4.new_code_cell(source) for source in ("1 + 1", "1 / 0", "2 + 2")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=nbformat.read(BACKGROUND, 4).metadata), path)
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        check(page, run_all(page, server, path), screenshots)
