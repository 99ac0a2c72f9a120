import pytest
import tensorflow as tf


@pytest.fixture(scope="module", autouse=True)
def eagerly():
    """Trains without compiling, which takes longer than to train networks as small as these."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
