"""What goes through a stream's steps one after another: the thesis' stacked RNN, and what has been tried in its place.

Each takes (B, T, D) and a mask, and gives (B, T, units) and a state (B, U): what the attention asks with.
"""

import keras
import numpy as np
from keras import ops

from helpers.config import HEADS


def rnn(x, mask, config, stream):
    """`layers` GRU or LSTM of `units`, both ways side by side where `bidirectional` (thesis 2.4).

    The state is the one after the last real step (LSTM: h before c); of both ways together, forwards first.
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
    """Self-attention in the place of the RNN, pre-norm (thesis 4.4; Vaswani et al. 2017, Xiong et al. 2020).

    `layers` blocks of `units`; sines and cosines say which step is which. The state is the mean step.
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
    """Dilated causal convolutions over both directions that gate what they came from, after TIM-Net (Ye et al. 2023).

    `layers` blocks of `units`, each looking twice as far as the one before; what they give is summed over
    blocks with learnt weights, a step at a time where TIM-Net averages over the clip first. The state is its mean.
    """
    found = []
    for way in ("forwards", "backwards"):
        y = keras.layers.Dense(config.units, name=f"{stream}_{way}_projection")(x)
        steps = []
        for number in range(config.layers):
            y = _gate(y, mask, 2**number, way == "backwards", config, f"{stream}_{way}{number + 1}")
            steps.append(y)
        found.append(steps)
    both = [keras.layers.Add(name=f"{stream}_scale{n + 1}")(list(pair)) for n, pair in enumerate(zip(*found))]
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
    open_by = keras.layers.Activation("sigmoid", name=f"{name}_sigmoid")(y)
    return keras.layers.Multiply(name=f"{name}_gate")([open_by, x])


def no_recurrence(x, mask, config, stream):
    """No memory at all: the steps as they are, and their mean."""
    return x, MaskedMean(name=f"{stream}_mean")(x, mask)


ENCODERS = {"gru": rnn, "lstm": rnn, "transformer": transformer, "tim": temporal_aware, "none": no_recurrence}


def _dropped(x, rate, name):
    return keras.layers.SpatialDropout1D(rate, name=name)(x) if rate else x


@keras.saving.register_keras_serializable(package="helpers", name="Stack")  # as in earlier files
class FrameStacking(keras.layers.Layer):
    """Puts `size` steps side by side as one; what is padding becomes 0.

    Args of the call:
        x: (B, T, D), padded on the right.
        length: int (B,).

    Returns:
        (x, length): (B, ⌈T / size⌉, size · D), int (B,).
    """

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

    def compute_output_spec(self, x, length):
        steps = None if x.shape[1] is None else -(-x.shape[1] // self.size)
        shape = (x.shape[0], steps, self.size * x.shape[2])
        return keras.KerasTensor(shape, dtype=self.compute_dtype), keras.KerasTensor(length.shape, dtype="int32")

    def get_config(self):
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="helpers", name="Blank")  # as in earlier files
class MaskPadding(keras.layers.Layer):
    """(B, T, D) and its mask (B, T) to the same with zeros for padding, which a convolution would see."""

    def call(self, x, mask):
        return x * ops.cast(mask, x.dtype)[..., None]

    def compute_mask(self, *args, **options):
        return None  # what follows is given its mask

    def compute_output_spec(self, x, mask):
        return keras.KerasTensor(x.shape, dtype=self.compute_dtype)


@keras.saving.register_keras_serializable(package="helpers", name="Pairs")  # as in earlier files
class AttentionMask(keras.layers.Layer):
    """Masks (B, Q) and (B, K) to bool (B, Q, K): which steps may look at which. Padding looks at all that is there."""

    def call(self, asking, asked):
        return ops.broadcast_to(
            ops.cast(asked, "bool")[:, None, :], (ops.shape(asked)[0], ops.shape(asking)[1], ops.shape(asked)[1])
        )

    def compute_output_spec(self, asking, asked):
        return keras.KerasTensor((asking.shape[0], asking.shape[1], asked.shape[1]), dtype="bool")


@keras.saving.register_keras_serializable(package="helpers")
class MaskedMean(keras.layers.Layer):
    """(B, T, D) and its mask (B, T) to the mean of the real steps, (B, D)."""

    def call(self, x, mask):
        there = ops.cast(mask, x.dtype)[..., None]
        return ops.sum(x * there, axis=1) / ops.maximum(ops.sum(there, axis=1), 1)

    def compute_output_spec(self, x, mask):
        return keras.KerasTensor((x.shape[0], x.shape[2]), dtype=self.compute_dtype)


@keras.saving.register_keras_serializable(package="helpers")
class Positions(keras.layers.Layer):
    """Adds sines and cosines of each step's number to (B, T, D) (Vaswani et al. 2017, 3.5)."""

    def call(self, x):
        width = x.shape[-1]
        step = ops.cast(ops.arange(ops.shape(x)[1]), "float32")[:, None]
        angle = step / ops.convert_to_tensor(10_000 ** (np.arange(0, width, 2) / width), dtype="float32")[None]
        waves = ops.concatenate([ops.sin(angle), ops.cos(angle)], axis=1)[:, :width]
        return x + ops.cast(waves, x.dtype)[None]

    def compute_mask(self, *args, **options):
        return None

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, dtype=self.compute_dtype)


@keras.saving.register_keras_serializable(package="helpers")
class WeightedSum(keras.layers.Layer):
    """Sum of a list of tensors of one shape, each times a learnt number; they start as a mean."""

    def build(self, shapes):
        start = keras.initializers.Constant(1 / len(shapes))
        self.share = self.add_weight(shape=(len(shapes),), initializer=start, name="share")

    def call(self, tensors):
        return sum(self.share[n] * tensor for n, tensor in enumerate(tensors))

    def compute_mask(self, *args, **options):
        return None

    def compute_output_spec(self, tensors):
        return keras.KerasTensor(tensors[0].shape, dtype=self.compute_dtype)


@keras.saving.register_keras_serializable(package="helpers")
class Dilated(keras.layers.Layer):
    """(B, T, D) → (B, T, units): a convolution over the steps t and t − reach; t and t + reach where `reverse`."""

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

    def compute_output_spec(self, x):
        return keras.KerasTensor((*x.shape[:2], self.units), dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "reach": self.reach, "reverse": self.reverse}
