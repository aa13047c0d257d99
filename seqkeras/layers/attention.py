"""Attention: a weighted look back at a sequence of vectors."""

import keras
from keras import initializers, ops, regularizers

from seqkeras.layers.cell import affine, check_units


@keras.saving.register_keras_serializable("seqkeras")
class BahdanauAttention(keras.layers.Layer):
    """Additive attention with learnt projections (Bahdanau, Cho and Bengio 2015, equations of its appendix A.1.2).

    For a query s (a decoder's state) and values h_1 .. h_T (an encoder's):

        score(s, h_j) = v . tanh(W_q s + W_k h_j)
        a_j           = softmax_j score(s, h_j), over the values that the mask keeps
        context       = sum_j a_j h_j

    and, if `normalize`, with v replaced by g v / |v| and a bias b inside the tanh (Luong's NMT system, after Salimans
    and Kingma 2016). `keras.layers.AdditiveAttention` has no W_q and W_k.

    >>> context, weights = BahdanauAttention(8)(np.ones((2, 5)), np.ones((2, 10, 4)))
    >>> context.shape, weights.shape
    ((2, 4), (2, 10))

    Args:
        units: size of the space that queries and keys are compared in.
        normalize: use the normalised form.
        dropout: share of the weights to drop in training.
        kernel_initializer, kernel_regularizer: of W_q, W_k and v.
        seed: seed of the dropout.

    Call arguments:
        query: `(batch, query_features)`, or `(batch, queries, query_features)` for many at once.
        values: `(batch, time, features)`.
        keys: `(batch, time, units)`, what `project_keys(values)` gave, if the same values meet many queries one after
            the other; projected here if None.
        mask: bool `(batch, time)`; True keeps. If None, the mask that the values carry. Where it keeps nothing, weights
            and context are zeros.
        training: whether dropout is applied.

    Returns:
        The context `(batch, features)` and the weights `(batch, time)`; for many queries `(batch, queries, ...)`.

    Raises:
        ValueError: if `units` is not a positive integer or the ranks of query and values do not fit.
    """

    def __init__(
        self,
        units,
        normalize=False,
        dropout=0.0,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        seed=None,
        **kwargs,
    ):
        check_units(units)
        super().__init__(**kwargs)
        self.units = units
        self.normalize = normalize
        self.dropout = dropout
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, query_shape, values_shape, keys_shape=None):
        def add(name, shape):
            return self.add_weight(
                name=name, shape=shape, initializer=self.kernel_initializer, regularizer=self.kernel_regularizer
            )

        self.query_kernel = add("query_kernel", (query_shape[-1], self.units))
        self.key_kernel = add("key_kernel", (values_shape[-1], self.units))
        self.score_vector = add("score_vector", (self.units, 1))
        if self.normalize:
            # g begins at sqrt(1/units), so that scores begin with the spread of the plain form.
            scale = initializers.Constant(self.units**-0.5)
            self.score_scale = self.add_weight(name="score_scale", shape=(), initializer=scale)
            self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        self.built = True

    def project_keys(self, values, mask=None):
        """W_k h_j of all values `(batch, time, features)`, once for many queries: `(batch, time, units)`."""
        values = _kept(ops.cast(values, self.compute_dtype), mask)
        return affine(values, ops.convert_to_tensor(self.key_kernel, dtype=self.compute_dtype))

    def score(self, query, keys):
        """The scores `(batch, queries, time)` of queries `(batch, queries, query_features)` and projected keys."""
        query = affine(query, ops.convert_to_tensor(self.query_kernel, dtype=self.compute_dtype))
        both = ops.expand_dims(query, 2) + ops.expand_dims(keys, 1)
        vector = ops.convert_to_tensor(self.score_vector, dtype=self.compute_dtype)
        if self.normalize:
            both = both + ops.convert_to_tensor(self.bias, dtype=self.compute_dtype)
            scale = ops.convert_to_tensor(self.score_scale, dtype=self.compute_dtype)
            vector = vector * scale * ops.rsqrt(ops.sum(ops.square(vector)))
        return ops.squeeze(affine(ops.tanh(both), vector), -1)

    def call(self, query, values, keys=None, mask=None, training=False, values_mask=None):
        if len(values.shape) != 3 or len(query.shape) not in (2, 3):
            raise ValueError(
                "BahdanauAttention wants a query of shape (batch, features) or (batch, queries, features), and values "
                f"of shape (batch, time, features). Received: query {query.shape}, values {values.shape}."
            )
        mask = values_mask if mask is None else mask  # Keras hands over the mask that the values carry by this name
        mask = None if mask is None else ops.cast(mask, "bool")
        one = len(query.shape) == 2
        values = _kept(values, mask)
        keys = self.project_keys(values) if keys is None else _kept(keys, mask)
        scores = self.score(ops.expand_dims(query, 1) if one else query, keys)
        weights = masked_softmax(scores, None if mask is None else ops.expand_dims(mask, 1))
        kept = weights
        if training and self.dropout > 0:
            kept = keras.random.dropout(weights, self.dropout, seed=self.seed_generator)
        context = ops.matmul(kept, values)
        return (ops.squeeze(context, 1), ops.squeeze(weights, 1)) if one else (context, weights)

    def compute_mask(self, *args, **kwargs):
        return None, None  # neither the context nor the weights have the values' axis of time to mask

    def compute_output_shape(self, query_shape, values_shape, keys_shape=None):
        leading = query_shape[:-1]
        return (*leading, values_shape[-1]), (*leading, values_shape[1])

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "normalize": self.normalize,
            "dropout": self.dropout,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "seed": self.seed,
        }


def _kept(x, mask):
    """Zeros where x `(batch, time, ...)` is masked: zero times what padding holds is zero only if that is finite."""
    return x if mask is None else ops.where(ops.expand_dims(ops.cast(mask, "bool"), -1), x, ops.zeros_like(x))


def masked_softmax(scores, mask=None):
    """Softmax over the last axis where the mask keeps; zeros elsewhere, and throughout where it keeps nothing.

    Args:
        scores: float `(..., n)`.
        mask: bool that broadcasts with it, True keeps; or None.
    """
    if mask is None:
        return ops.softmax(scores, axis=-1)
    # A number below all others, not -inf: the softmax of nothing but -inf is NaN, and so is its gradient.
    low = ops.cast(-65504 if keras.backend.standardize_dtype(scores.dtype) == "float16" else -1e30, scores.dtype)
    weights = ops.softmax(ops.where(mask, scores, low), axis=-1)
    return ops.where(mask, weights, ops.zeros_like(weights))
