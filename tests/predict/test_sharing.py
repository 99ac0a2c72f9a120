"""A model in the layouts of Hugging Face and Kaggle, and one fetched from a stand-in for the Hugging Face Hub."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading

import pytest
import yaml

from helpers import runtime
from helpers.predict import pooled, sharing

MODEL = pooled.FILE


def test_hugging_face_gets_the_file_and_a_card_with_a_header(tmp_path):
    folder = sharing.layout(MODEL, tmp_path / "hub", "ada/emotions")
    assert {path.name for path in folder.iterdir()} == {"model.zip", "README.md"}
    assert (folder / "model.zip").read_bytes() == MODEL.read_bytes()
    _, header, card = (folder / "README.md").read_text().split("---\n", 2)
    about = yaml.safe_load(header)
    assert about["license"] == "cc-by-nc-sa-4.0" and about["datasets"] == ["ravdess"]
    assert card.lstrip().startswith("# The pretrained model")


def test_kaggle_gets_the_file_and_two_descriptions(tmp_path):
    folder = sharing.layout(MODEL, tmp_path / "hub", "ada/emotions", hub="kaggle")
    model, variation = (json.loads((folder / f"model-{name}metadata.json").read_text()) for name in ("", "instance-"))
    assert (model["ownerSlug"], model["slug"]) == ("ada", "emotions")
    assert variation["licenseName"] == "CC BY-NC-SA 4.0" and (folder / "model.zip").is_file()


@pytest.mark.parametrize(
    "options, words",
    [({"name": "emotions"}, "owner/name"), ({"name": "a/b", "hub": "elsewhere"}, "huggingface"),
     ({"name": "../b"}, "owner/name")],
)  # fmt: skip
def test_a_wrong_name_or_hub_is_refused(options, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        sharing.layout(MODEL, tmp_path / "hub", **options)
    assert not (tmp_path / "hub").exists()


@pytest.mark.parametrize("address", ["hf://ada", "hf:/ada/emotions", "hf://ada/emotions/../x", "hf://ada/emotions@"])
def test_what_is_no_address_is_refused(address):
    assert sharing.is_address(address)
    with pytest.raises(ValueError, match="is not hf://owner/name"):
        sharing.fetch(address)


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers for /ada/emotions/resolve/<revision>/model.zip as the hub does for a large file."""

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        known = self.path.startswith("/ada/emotions/resolve/") and self.path.endswith("/model.zip")
        self.send_response(200 if known else 404)
        if known:
            self.send_header("X-Repo-Commit", 40 * "a")
            self.send_header("X-Linked-Etag", f'"{self.server.announced}"')
            self.send_header("X-Linked-Size", str(len(self.server.data)))
            self.send_header("Content-Length", str(len(self.server.data)))
        else:
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
        self.end_headers()
        return known

    def do_GET(self):
        if self.do_HEAD():
            self.wfile.write(self.server.data)


@pytest.fixture
def hub(tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.data = MODEL.read_bytes()
    server.announced = hashlib.sha256(server.data).hexdigest()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def loaded(hub, folder, address):
    """What `Predictor.load` of an address does in a process of its own: (exit status, what it printed)."""
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed: pip install huggingface_hub")
    script = "import sys; from helpers import predict; print(predict.Predictor.load(sys.argv[1]).classes[0])"
    environment = {**os.environ, "PYTHONPATH": str(runtime.PROJECT), "HF_HOME": str(folder), "HF_HUB_DISABLE_XET": "1"}
    environment["HF_ENDPOINT"] = f"http://127.0.0.1:{hub.server_address[1]}"
    done = subprocess.run([sys.executable, "-c", script, address], env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_a_model_is_loaded_from_the_hub(hub, tmp_path):
    assert loaded(hub, tmp_path, "hf://ada/emotions") == (0, "neutral\n")
    assert loaded(hub, tmp_path, f"hf://ada/emotions@{40 * 'a'}") == (0, "neutral\n")


def test_a_file_that_is_not_what_the_hub_announced_is_refused_and_deleted(hub, tmp_path):
    hub.announced = 64 * "0"
    status, said = loaded(hub, tmp_path, "hf://ada/emotions")
    assert status == 1 and "is not what the hub announced" in said
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size == len(hub.data)]


def test_a_model_that_the_hub_does_not_have_is_named(hub, tmp_path):
    status, said = loaded(hub, tmp_path, "hf://ada/nothing")
    assert status == 1 and "hf://ada/nothing cannot be had" in said
