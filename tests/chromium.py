"""What the tests with a headless Chromium share."""

import importlib.util
import shutil
import time

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
QUIET += " --disable-component-update --disable-sync"


def marks(*modules):
    """The pytestmark of a file that needs a Chromium, playwright and these modules."""
    missing = [name for name in (*modules, "playwright") if importlib.util.find_spec(name) is None]
    missing += [] if CHROMIUM else ["a Chromium on the PATH"]
    why = f"needs {', '.join(missing)}; see `make browser`"
    return [pytest.mark.browser, pytest.mark.slow, pytest.mark.skipif(bool(missing), reason=why)]


def start(driver, *options):
    """A headless Chromium of playwright's driver."""
    return driver.chromium.launch(executable_path=CHROMIUM, args=[*QUIET.split(), *options])


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"nothing in {seconds} s"
        time.sleep(0.2)
