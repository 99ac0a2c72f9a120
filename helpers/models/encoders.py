"""Sequence encoders of one modality: the thesis' stacked RNN, and alternatives to it.

Each takes (B, T, D) and a mask and returns the time steps (B, T, units) and a state (B, U), the attention's query.
"""

import keras
import numpy as np
from keras import ops

from helpers.config import HEADS


def rnn(x, mask, config, stream):
    """Stacked GRU or LSTM, `layers` of `units`, bidirectional where asked for (thesis 2.4).

    The state is the hidden state after the last real step, forward before backward.
    """
    kind = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[config.cell]
    for number in range(1, config.layers + 1):
        name = f"{stream}_{config.cell}{number}"
        layer = kind(config.units, return_sequences=True, return_state=True, name=name)
        if config.bidirectional:
            layer = keras.layers.Bidirectional(layer, name=f"{name}_both")
        x, *states = layer(x, mask=mask)
        state = states[0]
        if config.bidirectional:
            state = keras.layers.Concatenate(name=f"{name}_state")([states[0], states[len(states) // 2]])
        x = _dropped(x, config.rnn_dropout, f"{stream}_dropout{number}")
    return x, state


def transformer(x, mask, config, stream):
    """Transformer encoder, pre-norm, `layers` blocks of `units` (thesis 4.4; Vaswani et al. 2017, Xiong et al. 2020).

    Positions are encoded by sines and cosines. The state is the mean over time.
    """
    units = config.units
    x = keras.layers.Dense(units, name=f"{stream}_projection")(x)
    x = Positions(name=f"{stream}_positions")(x)
    for number in range(1, config.layers + 1):
        name = f"{stream}_transformer{number}"
        y = keras.layers.LayerNormalization(name=f"{name}_norm1")(x)
        attention = keras.layers.MultiHeadAttention(HEADS, units // HEADS, name=f"{name}_attention")
        y = attention(y, y, attention_mask=AttentionMask(name=f"{name}_mask")(mask, mask))
        x = keras.layers.Add(name=f"{name}_add1")([x, _dropped(y, config.rnn_dropout, f"{name}_dropout1")])
        y = keras.layers.LayerNormalization(name=f"{name}_norm2")(x)
        y = keras.layers.Dense(2 * units, activation="gelu", name=f"{name}_wide")(y)
        y = keras.layers.Dense(units, name=f"{name}_narrow")(y)
        x = keras.layers.Add(name=f"{name}_add2")([x, _dropped(y, config.rnn_dropout, f"{name}_dropout2")])
    x = keras.layers.LayerNormalization(name=f"{stream}_transformer_norm")(x)
    return x, MaskedMean(name=f"{stream}_mean")(x, mask)


def temporal_aware(x, mask, config, stream):
    """Temporal-aware blocks: gated dilated convolutions in both directions, after TIM-Net (Ye et al. 2023).

    `layers` blocks of `units`, the dilation doubling from block to block; their outputs are summed with learnt weights,
    per time step where TIM-Net averages over the clip first. The state is the mean over time.
    """
    outputs = []
    for way in ("forwards", "backwards"):
        y = keras.layers.Dense(config.units, name=f"{stream}_{way}_projection")(x)
        steps = []
        for number in range(config.layers):
            y = _gate(y, mask, 2**number, way == "backwards", config, f"{stream}_{way}{number + 1}")
            steps.append(y)
        outputs.append(steps)
    both = [keras.layers.Add(name=f"{stream}_scale{n + 1}")(list(pair)) for n, pair in enumerate(zip(*outputs))]
    x = WeightedSum(name=f"{stream}_scales")(both)
    return x, MaskedMean(name=f"{stream}_mean")(x, mask)


def _gate(x, mask, reach, reverse, config, name):
    """σ(two dilated convolutions of x) ⊙ x."""
    y = x
    for number in (1, 2):
        y = MaskPadding(name=f"{name}_blank{number}")(y, mask)
        y = Dilated(config.units, reach, reverse, name=f"{name}_conv{number}")(y)
        y = keras.layers.BatchNormalization(name=f"{name}_norm{number}")(y, mask=mask)
        y = keras.layers.Activation("relu", name=f"{name}_relu{number}")(y)
        y = _dropped(y, config.rnn_dropout, f"{name}_dropout{number}")
    gate = keras.layers.Activation("sigmoid", name=f"{name}_sigmoid")(y)
    return keras.layers.Multiply(name=f"{name}_gate")([gate, x])


def no_recurrence(x, mask, config, stream):
    """No recurrent layer: the time steps as they are, and their mean."""
    return x, MaskedMean(name=f"{stream}_mean")(x, mask)


ENCODERS = {"gru": rnn, "lstm": rnn, "transformer": transformer, "tim": temporal_aware, "none": no_recurrence}


def _dropped(x, rate, name):
    return keras.layers.SpatialDropout1D(rate, name=name)(x) if rate else x


@keras.saving.register_keras_serializable(package="helpers", name="Stack")  # as in earlier files
class FrameStacking(keras.layers.Layer):
    """Joins `size` neighbouring frames into one vector: (B, T, D) and int lengths (B,) to (B, ⌈T / size⌉, size · D) and
    the new lengths; padding becomes 0."""

    def __init__(self, size, **options):
        super().__init__(**options)
        self.size = size

    def call(self, x, length):
        length, steps = ops.cast(length, "int32"), ops.arange(ops.shape(x)[1], dtype="int32")
        x = x * ops.cast(steps[None] < length[:, None], x.dtype)[..., None]
        lacking = -ops.shape(x)[1] % self.size
        x = ops.pad(x, [[0, 0], [0, lacking], [0, 0]])
        x = ops.reshape(x, (ops.shape(x)[0], ops.shape(x)[1] // self.size, self.size * x.shape[-1]))
        return x, (length + self.size - 1) // self.size

    def compute_output_spec(self, x, length):  # JAX cannot infer the number of steps
        steps = None if x.shape[1] is None else -(-x.shape[1] // self.size)
        shape = (x.shape[0], steps, self.size * x.shape[2])
        return keras.KerasTensor(shape, dtype=self.compute_dtype), keras.KerasTensor(length.shape, dtype="int32")

    def get_config(self):
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="helpers", name="Blank")  # as in earlier files
class MaskPadding(keras.layers.Layer):
    """Sets padding to zero, since a convolution would see it: (B, T, D) and mask (B, T) to (B, T, D)."""

    def call(self, x, mask):
        return x * ops.cast(mask, x.dtype)[..., None]

    def compute_mask(self, *args, **options):
        return None  # the next layer is given its mask explicitly


@keras.saving.register_keras_serializable(package="helpers", name="Pairs")  # as in earlier files
class AttentionMask(keras.layers.Layer):
    """The mask of queries (B, Q) and keys (B, K) as attention takes it: bool (B, Q, K), True at real keys."""

    def call(self, query, key):
        shape = (ops.shape(key)[0], ops.shape(query)[1], ops.shape(key)[1])
        return ops.broadcast_to(ops.cast(key, "bool")[:, None, :], shape)


@keras.saving.register_keras_serializable(package="helpers")
class MaskedMean(keras.layers.Layer):
    """Mean over the real time steps: (B, T, D) and mask (B, T) to (B, D)."""

    def call(self, x, mask):
        there = ops.cast(mask, x.dtype)[..., None]
        return ops.sum(x * there, axis=1) / ops.maximum(ops.sum(there, axis=1), 1)

    def compute_mask(self, *args, **options):
        return None


@keras.saving.register_keras_serializable(package="helpers")
class Positions(keras.layers.Layer):
    """Adds the sinusoidal positional encoding to (B, T, D) (Vaswani et al. 2017, 3.5)."""

    def call(self, x):
        width = x.shape[-1]
        step = ops.cast(ops.arange(ops.shape(x)[1]), "float32")[:, None]
        angle = step / ops.convert_to_tensor(10_000 ** (np.arange(0, width, 2) / width), dtype="float32")[None]
        waves = ops.concatenate([ops.sin(angle), ops.cos(angle)], axis=1)[:, :width]
        return x + ops.cast(waves, x.dtype)[None]

    def compute_mask(self, *args, **options):
        return None


@keras.saving.register_keras_serializable(package="helpers")
class WeightedSum(keras.layers.Layer):
    """Weighted sum of a list of tensors of one shape, the weights learnt and initially equal."""

    def build(self, shapes):
        start = keras.initializers.Constant(1 / len(shapes))
        self.share = self.add_weight(shape=(len(shapes),), initializer=start, name="share")

    def call(self, tensors):
        return sum(self.share[n] * tensor for n, tensor in enumerate(tensors))

    def compute_mask(self, *args, **options):
        return None


@keras.saving.register_keras_serializable(package="helpers")
class Dilated(keras.layers.Layer):
    """Dilated convolution over t and t − reach, or t + reach where `reverse`: (B, T, D) to (B, T, units)."""

    def __init__(self, units, reach, reverse=False, **options):
        super().__init__(**options)
        self.units, self.reach, self.reverse = units, reach, reverse
        self.dense = keras.layers.Dense(units, use_bias=False, kernel_initializer="he_normal", name="kernel")

    def build(self, shape):
        self.dense.build((*shape[:2], 2 * shape[2]))

    def call(self, x):
        steps = ops.shape(x)[1]
        pad = [0, self.reach] if self.reverse else [self.reach, 0]
        padded = ops.pad(x, [[0, 0], pad, [0, 0]])
        other = padded[:, self.reach :] if self.reverse else padded[:, :steps]
        return self.dense(ops.concatenate([x, other], axis=-1))

    def get_config(self):
        return {**super().get_config(), "units": self.units, "reach": self.reach, "reverse": self.reverse}
