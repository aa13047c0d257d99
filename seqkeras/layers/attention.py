"""Attention: a weighted look back at a sequence of vectors."""

import keras
from keras import initializers, ops, regularizers

from seqkeras.layers.cell import affine, check_units

LUONG_SCORES = ("dot", "general", "concat", "scaled_dot")


class Attention(keras.layers.Layer):
    """What every attention here shares; a subclass says how a query and a value are scored.

        a_j     = softmax_j score(s, h_j), over the values that the mask keeps
        context = sum_j a_j h_j

    A subclass has `build`, `project_keys`, what scores need of the values alone, and `scores`.

    Args:
        dropout: share of the weights to drop in training.
        kernel_initializer, kernel_regularizer: of all kernels.
        seed: seed of the dropout.

    Call arguments:
        query: `(batch, query_features)`, or `(batch, queries, query_features)` for many at once.
        values: `(batch, time, features)`.
        keys: what `project_keys(values)` gave, if the same values meet many queries one after the other; projected here
            if None.
        mask: bool `(batch, time)`; True keeps. If None, the mask that the values carry. Where it keeps nothing, weights
            and context are zeros.
        training: whether dropout is applied.

    Returns:
        The context `(batch, features)` and the weights `(batch, time)`; for many queries `(batch, queries, ...)`.

    Raises:
        ValueError: if the ranks of query and values do not fit.
    """

    def __init__(self, dropout=0.0, kernel_initializer="glorot_uniform", kernel_regularizer=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.dropout = dropout
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def _add_kernel(self, name, shape):
        return self.add_weight(
            name=name, shape=shape, initializer=self.kernel_initializer, regularizer=self.kernel_regularizer
        )

    def _tensor(self, weight):
        return ops.convert_to_tensor(weight, dtype=self.compute_dtype)

    def project_keys(self, values, mask=None):
        """What the scores need of all values `(batch, time, features)`, once for many queries: `(batch, time, n)`."""
        values = kept(ops.cast(values, self.compute_dtype), mask)
        return affine(values, self._tensor(self.key_kernel))

    def scores(self, query, keys):
        """The scores `(batch, queries, time)` of queries `(batch, queries, query_features)` and projected keys."""
        raise NotImplementedError

    def attend(self, query, values, keys, mask=None, keep=None):
        """Attention as such, where values and keys hold zeros in masked places.

        Args:
            query: `(batch, queries, query_features)`.
            values, keys: as in a call.
            mask: bool `(batch, time)` or None.
            keep: the dropout's multipliers of the weights, which broadcast with `(batch, queries, time)`, or None.

        Returns:
            The context `(batch, queries, features)`, and the weights before dropout `(batch, queries, time)`.
        """
        weights = masked_softmax(self.scores(query, keys), None if mask is None else ops.expand_dims(mask, 1))
        return ops.matmul(weights if keep is None else weights * keep, values), weights

    def dropout_mask(self, shape, training):
        """Draws the multipliers of weights of this shape, or None."""
        if not training or not self.dropout > 0:
            return None
        return keras.random.dropout(ops.ones(shape, dtype=self.compute_dtype), self.dropout, seed=self.seed_generator)

    def call(self, query, values, keys=None, mask=None, training=False, values_mask=None):
        if len(values.shape) != 3 or len(query.shape) not in (2, 3):
            raise ValueError(
                f"{type(self).__name__} wants a query of shape (batch, features) or (batch, queries, features), and "
                "values of shape (batch, time, features). "
                f"Received: query {query.shape}, values {values.shape}."
            )
        mask = values_mask if mask is None else mask  # Keras hands over the mask that the values carry by this name
        mask = None if mask is None else ops.cast(mask, "bool")
        one = len(query.shape) == 2
        query = ops.expand_dims(query, 1) if one else query
        values = kept(values, mask)
        keys = self.project_keys(values) if keys is None else kept(keys, mask)
        keep = self.dropout_mask((*ops.shape(query)[:2], ops.shape(values)[1]), training)
        context, weights = self.attend(query, values, keys, mask, keep)
        return (ops.squeeze(context, 1), ops.squeeze(weights, 1)) if one else (context, weights)

    def compute_mask(self, *args, **kwargs):
        return None, None  # neither the context nor the weights have the values' axis of time to mask

    def compute_output_shape(self, query_shape, values_shape, keys_shape=None):
        leading = query_shape[:-1]
        return (*leading, values_shape[-1]), (*leading, values_shape[1])

    def get_config(self):
        return {
            **super().get_config(),
            "dropout": self.dropout,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable("seqkeras")
class BahdanauAttention(Attention):
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

    Call arguments, results: those of `Attention`; keys are `(batch, time, units)`.

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
        super().__init__(dropout, kernel_initializer, kernel_regularizer, seed, **kwargs)
        self.units = units
        self.normalize = normalize

    def build(self, query_shape, values_shape, keys_shape=None):
        self.query_kernel = self._add_kernel("query_kernel", (query_shape[-1], self.units))
        self.key_kernel = self._add_kernel("key_kernel", (values_shape[-1], self.units))
        self.score_vector = self._add_kernel("score_vector", (self.units, 1))
        if self.normalize:
            # g begins at sqrt(1/units), so that scores begin with the spread of the plain form.
            scale = initializers.Constant(self.units**-0.5)
            self.score_scale = self.add_weight(name="score_scale", shape=(), initializer=scale)
            self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        self.built = True

    def scores(self, query, keys):
        query, vector = affine(query, self._tensor(self.query_kernel)), self._tensor(self.score_vector)
        if self.normalize:
            query = query + self._tensor(self.bias)
            vector = vector * self._tensor(self.score_scale) * ops.rsqrt(ops.sum(ops.square(vector)))
        return additive_scores(query, keys, vector)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "normalize": self.normalize}


@keras.saving.register_keras_serializable("seqkeras")
class LuongAttention(Attention):
    """Global attention with the scores of Luong, Pham and Manning (2015, equation 8), and their scaled form.

    For a query s (a decoder's state) and values h_1 .. h_T (an encoder's), score(s, h_j) is

        dot           s . h_j
        general       s . W_a h_j
        concat        v_a . tanh(W_a [s; h_j])
        scaled_dot    s . h_j / sqrt(n),  n the size of both (Vaswani et al. 2017)

    and weights and context are those of every attention:

        a_j     = softmax_j score(s, h_j), over the values that the mask keeps
        context = sum_j a_j h_j

    The two halves of W_a in "concat", that of the query and that of the values, are two kernels here: so the values'
    half is multiplied once for all queries.

    >>> context, weights = LuongAttention("general")(np.ones((2, 5)), np.ones((2, 10, 4)))
    >>> context.shape, weights.shape
    ((2, 4), (2, 10))

    Args:
        score: "dot", "general", "concat" or "scaled_dot".
        units: of "concat", size of the space that queries and keys are compared in; None for the query's size.
        dropout: share of the weights to drop in training.
        kernel_initializer, kernel_regularizer: of W_a and v_a.
        seed: seed of the dropout.

    Call arguments, results: those of `Attention`; keys are `(batch, time, n)` with n the units of "concat", else the
        query's size.

    Raises:
        ValueError: if `score` is none of the four, if `units` is given for another than "concat" or is not a positive
            integer, if the ranks of query and values do not fit, or, for the two dot products, their sizes.
    """

    def __init__(
        self,
        score="general",
        units=None,
        dropout=0.0,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        seed=None,
        **kwargs,
    ):
        if score not in LUONG_SCORES:
            raise ValueError(f"`score` should be one of {LUONG_SCORES}. Received: score={score!r}")
        if units is not None:
            check_units(units)
            if score != "concat":
                raise ValueError(f"`units` is for score='concat' only. Received: units={units} with score={score!r}")
        super().__init__(dropout, kernel_initializer, kernel_regularizer, seed, **kwargs)
        self.score = score
        self.units = units

    def build(self, query_shape, values_shape, keys_shape=None):
        query_size, size = query_shape[-1], values_shape[-1]
        if self.score == "general":
            self.key_kernel = self._add_kernel("key_kernel", (size, query_size))
        elif self.score == "concat":
            units = self.units or query_size
            self.query_kernel = self._add_kernel("query_kernel", (query_size, units))
            self.key_kernel = self._add_kernel("key_kernel", (size, units))
            self.score_vector = self._add_kernel("score_vector", (units, 1))
        elif query_size != size:
            raise ValueError(
                f"score={self.score!r} multiplies queries with values, so both need the same size. "
                f"Received: queries of size {query_size}, values of size {size}. Use score='general'."
            )
        self.built = True

    def project_keys(self, values, mask=None):
        if self.score in ("general", "concat"):
            return super().project_keys(values, mask)
        return kept(ops.cast(values, self.compute_dtype), mask)

    def scores(self, query, keys):
        if self.score == "concat":
            return additive_scores(
                affine(query, self._tensor(self.query_kernel)), keys, self._tensor(self.score_vector)
            )
        if self.score == "scaled_dot":
            query = query * query.shape[-1] ** -0.5
        return ops.matmul(query, ops.transpose(keys, (0, 2, 1)))

    def get_config(self):
        return {**super().get_config(), "score": self.score, "units": self.units}


def additive_scores(query, keys, vector):
    """`v . tanh(q + k)` for each of the projected queries `(batch, queries, units)` and keys `(batch, time, units)`.

    Args:
        vector: v `(units, 1)`.

    Returns:
        `(batch, queries, time)`.
    """
    both = ops.expand_dims(query, 2) + ops.expand_dims(keys, 1)
    return ops.squeeze(affine(ops.tanh(both), vector), -1)


def kept(x, mask):
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
