import keras
import numpy as np

from helpers.models.layers import HardAttention, LengthMask, ModalityDropout, SoftAttention


def test_the_mask_is_true_for_the_real_steps():
    mask = np.asarray(LengthMask()(np.zeros((3, 4, 2), "float32"), np.array([1, 4, 2])))
    assert mask.astype(int).tolist() == [[1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0]]


def test_a_stream_that_is_not_there_has_one_step_since_an_rnn_wants_one():
    mask = np.asarray(LengthMask()(np.zeros((2, 3, 2), "float32"), np.array([0, 2])))
    assert mask.astype(int).tolist() == [[1, 0, 0], [1, 1, 0]]


def test_a_share_of_the_clips_loses_one_stream_in_training_and_never_both():
    lengths, layer = [np.full(4000, 3, "int32")] * 2, ModalityDropout(0.4, seed=1)
    lost = [np.asarray(there)[:, 0] == 0 for there in layer(lengths, training=True)]
    assert not (lost[0] & lost[1]).any() and all(abs(part.mean() - 0.2) < 0.03 for part in lost)
    assert all((np.asarray(there) == 1).all() for there in layer(lengths, training=False))
    assert ModalityDropout.from_config(layer.get_config()).rate == 0.4


def test_a_stream_of_length_0_is_not_there_at_any_time_and_the_other_is_then_kept():
    lengths = [np.zeros(500, "int32"), np.ones(500, "int32")]
    for training in (True, False):
        video, audio = ModalityDropout(1.0)(lengths, training=training)
        assert not np.asarray(video).any() and np.asarray(audio).all()


def test_attention_is_equations_2_28_to_2_30():
    rng = np.random.default_rng(0)
    x, h = rng.normal(size=(2, 5, 3)).astype("float32"), rng.normal(size=(2, 4)).astype("float32")
    layer = SoftAttention(6)
    context, weights = layer(x, h)
    w_c, w_x, v = (part.get_weights()[0] for part in (layer.project_state, layer.project_step, layer.score))
    s = np.tanh((h @ w_c)[:, None] + x @ w_x) @ v[:, 0]  # (2.28)
    a = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)  # (2.29)
    z = (a[..., None] * x).sum(axis=1)  # (2.30)
    assert np.allclose(weights, a, atol=1e-6) and np.allclose(context, z, atol=1e-5)


def test_padding_gets_no_weight_and_changes_nothing():
    rng = np.random.default_rng(1)
    x, h = rng.normal(size=(2, 5, 3)).astype("float32"), rng.normal(size=(2, 4)).astype("float32")
    layer = SoftAttention(6)
    short, _ = layer(x[:, :3], h)
    mask = np.array([[True] * 3 + [False] * 2] * 2)
    long, weights = layer(x, h, mask=mask)
    assert np.allclose(long, short, atol=1e-6) and not np.asarray(weights)[:, 3:].any()


def test_in_half_precision_the_weights_are_still_float32_and_finite():
    layer = SoftAttention(4, dtype="mixed_float16")
    x, h = np.ones((1, 3, 2), "float16"), np.ones((1, 2), "float16")
    context, weights = layer(x, h, mask=np.array([[True, False, False]]))
    assert keras.backend.standardize_dtype(weights.dtype) == "float32"
    assert np.asarray(weights).tolist() == [[1, 0, 0]] and np.isfinite(np.asarray(context)).all()


def test_hard_attention_takes_one_real_step_and_a_gradient_reaches_its_scores():
    layer = HardAttention(4)
    sequence = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")
    state, mask = np.ones((3, 2), "float32"), np.arange(5) < np.array([[1], [3], [5]])
    context, weights = (np.asarray(x) for x in layer(sequence, state, mask=mask))
    assert (np.sort(weights, axis=1) == [0, 0, 0, 0, 1]).all() and (weights[~mask] == 0).all()
    assert np.allclose(context, sequence[np.arange(3), weights.argmax(axis=1)])
    drawn = {tuple(np.asarray(layer(sequence, state, mask=mask, training=True)[1]).argmax(axis=1)) for _ in range(30)}
    assert len(drawn) > 1 and {steps[0] for steps in drawn} == {0}, "drawn at random, never from the padding"
    inputs = keras.Input((5, 2)), keras.Input((2,))
    model = keras.Model(inputs, HardAttention(4)(*inputs)[0])
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.fit((sequence, state), np.zeros((3, 2)), epochs=3, verbose=0)
    assert all(np.abs(v - b).max() > 0 for v, b in zip(model.get_weights(), before))
