"""Layers that Keras lacks: masking by length, soft and hard attention (2.6.1, 2.6.2), attentive statistics pooling,
a standardisation whose values are weights, and modality dropout."""

import keras
from keras import ops

# Masked scores. Finite, and the softmax is taken in float32: −1e9 would overflow float16.
_FAR_BELOW = -1e9


@keras.saving.register_keras_serializable(package="helpers")
class LengthMask(keras.layers.Layer):
    """Masks padding: a right-padded sequence (B, T, D) and int lengths (B,) to bool (B, T), True for real time steps.

    Length 0, a modality that is missing, counts as 1: a recurrent layer needs a step.
    """

    def call(self, sequence, length):
        steps = ops.arange(ops.shape(sequence)[1], dtype="int32")  # (T,)
        return steps[None, :] < ops.maximum(ops.cast(length, "int32"), 1)[:, None]  # (B, T)


@keras.saving.register_keras_serializable(package="helpers")
class Standardisation(keras.layers.Layer):
    """Standardises (…, D) with the training rows' mean and variance.

    They are weights that are not trained, so that one compiled model serves every fold; `keras.layers.Normalization`
    makes them constants.
    """

    def build(self, shape):
        self.mean = self.add_weight(shape=shape[-1:], initializer="zeros", trainable=False, name="mean")
        self.variance = self.add_weight(shape=shape[-1:], initializer="ones", trainable=False, name="variance")

    def call(self, x):
        return (x - self.mean) / ops.sqrt(self.variance)


@keras.saving.register_keras_serializable(package="helpers")
class SoftAttention(keras.layers.Layer):
    """Soft attention: a weighted mean over time whose weights depend on the last hidden state (thesis 2.28–2.30).

        s_i = vᵀ tanh(W_c h + W_x x_i)      a = softmax(s)      Z = Σ a_i x_i

    (2.28) lacks v, without which s_i is a vector and (2.29) has no scalar; additive attention (Bahdanau et al. 2015)
    has it. The state is the query, the time steps are keys and values; `units` is the width of W_c and W_x.

    Call: sequence x (B, T, D), state h (B, U), mask bool (B, T) with a real step in each row. Returns (Z, a): (B, D)
    and float32 (B, T); a is 0 on padding and sums to 1.
    """

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units
        self.project_state = keras.layers.Dense(units, use_bias=False, name="W_c")
        self.project_step = keras.layers.Dense(units, use_bias=False, name="W_x")
        self.score = keras.layers.Dense(1, use_bias=False, name="v")

    def build(self, sequence_shape, state_shape):
        self.project_state.build(state_shape)
        self.project_step.build(sequence_shape)
        self.score.build((*sequence_shape[:2], self.units))

    def call(self, sequence, state, mask=None, training=False):
        weights = self._weigh(self._scores(sequence, state, mask), training)  # float32 (B, T)
        context = ops.sum(ops.cast(weights, sequence.dtype)[..., None] * sequence, axis=1)  # (B, D)
        return context, weights

    def _weigh(self, scores, training):
        return ops.softmax(scores, axis=-1)

    def _scores(self, sequence, state, mask):
        hidden = ops.tanh(self.project_state(state)[:, None, :] + self.project_step(sequence))  # (B, T, units)
        scores = ops.cast(self.score(hidden)[..., 0], "float32")  # (B, T)
        return scores if mask is None else ops.where(mask, scores, _FAR_BELOW)

    def compute_mask(self, *args, **options):
        return None, None

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="helpers")
class HardAttention(SoftAttention):
    """Hard attention: one time step instead of a weighted mean of all (thesis 2.6.2; Xu et al. 2015).

    In training the step is sampled from soft attention's weights, with the straight-through Gumbel-softmax gradient
    (Jang et al. 2017, temperature 1); at test the most likely step is taken. Called as SoftAttention; a is one-hot.
    """

    def __init__(self, units, seed=None, **options):
        super().__init__(units, **options)
        self.seed = seed
        self.random = keras.random.SeedGenerator(seed)

    def _weigh(self, scores, training):
        if training:
            # Masked scores stay far below: the noise is a few units at most.
            uniform = keras.random.uniform(ops.shape(scores), 1e-6, 1 - 1e-6, dtype="float32", seed=self.random)
            scores = scores - ops.log(-ops.log(uniform))
        soft = ops.softmax(scores, axis=-1)
        one = ops.one_hot(ops.argmax(scores, axis=-1), ops.shape(scores)[-1], dtype="float32")
        return soft + ops.stop_gradient(one - soft) if training else one

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(package="helpers", name="StatisticsPooling")  # as in earlier files
class AttentiveStatisticsPooling(SoftAttention):
    """Weighted mean and standard deviation over time (Okabe et al. 2018), and the maximum.

    Called as SoftAttention. Returns ((B, 3·D), float32 (B, T)).
    """

    def call(self, sequence, state, mask=None, training=False):
        weights = self._weigh(self._scores(sequence, state, mask), training)  # float32 (B, T)
        share = ops.cast(weights, sequence.dtype)[..., None]
        mean = ops.sum(share * sequence, axis=1)
        variance = ops.sum(share * ops.square(sequence), axis=1) - ops.square(mean)
        deviation = ops.sqrt(ops.maximum(variance, 1e-4))  # the root's gradient is infinite at 0
        there = sequence if mask is None else ops.where(mask[..., None], sequence, ops.cast(-1e4, sequence.dtype))
        return ops.concatenate([mean, deviation, ops.max(there, axis=1)], axis=-1), weights


@keras.saving.register_keras_serializable(package="helpers", name="StreamDropout")  # as in earlier files
class ModalityDropout(keras.layers.Layer):
    """Modality dropout: in training a share `rate` of the clips lose one modality (ModDrop, Neverova et al. 2016).

    Which one is drawn at random; a clip's only modality is never dropped. One of length 0 is missing at any time.

    Call: list of int (B,), the modalities' lengths. Returns a list of (B, 1), 1 where the modality is present and 0
    where not, which its output is multiplied by.
    """

    def __init__(self, rate, seed=None, **options):
        super().__init__(**options)
        self.rate, self.seed = rate, seed
        self.random = keras.random.SeedGenerator(seed)

    def call(self, lengths, training=False):
        kept = [ops.cast(length, "int32") > 0 for length in lengths]
        if training and self.rate:
            count, shape = len(lengths), ops.shape(lengths[0])
            whole = ops.all(ops.stack(kept), axis=0)  # only a clip that has them all loses one
            draw = keras.random.uniform(shape, dtype="float32", seed=self.random)
            # A draw below the rate also says which modality: equal parts of [0, rate).
            parts = [(draw >= self.rate * n / count) & (draw < self.rate * (n + 1) / count) for n in range(count)]
            kept = [there & ~(whole & part) for there, part in zip(kept, parts)]
        return [ops.cast(there, self.compute_dtype)[:, None] for there in kept]

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
