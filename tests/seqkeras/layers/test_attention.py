import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras.layers import LSTM, BahdanauAttention, Bidirectional, LuongAttention
from seqkeras.layers.attention import LUONG_SCORES, masked_softmax
from tests.seqkeras.layers import peers
from tests.seqkeras.layers.peers import (
    BATCH,
    MASK,
    TIME,
    UNITS,
    assert_gradient,
    assert_same,
    inputs,
    normal,
    randomize,
)

QUERIES = 3


def query(many=False, dtype="float32"):
    return normal(BATCH, QUERIES, 7, seed=9, dtype=dtype) if many else normal(BATCH, 7, seed=9, dtype=dtype)


def attention(many=False, dtype="float32", **options):
    layer = BahdanauAttention(UNITS, dtype=dtype, **options)
    layer(query(many, dtype), inputs(dtype))
    randomize(layer)
    return layer


def results(layer, queries, values, **call):
    return peers.results(layer, [queries, values], **call)


def expected(layer, queries, values, mask=None):
    """Context and weights from the formula, one query and one value after the other."""
    score = luong_score(layer) if isinstance(layer, LuongAttention) else bahdanau_score(layer)
    contexts, weights = np.zeros((BATCH, QUERIES, values.shape[-1])), np.zeros((BATCH, QUERIES, TIME))
    for b in range(BATCH):
        for q in range(QUERIES):
            kept = [j for j in range(TIME) if mask is None or mask[b, j]]
            scores = {j: score(queries[b, q].astype("float64"), values[b, j].astype("float64")) for j in kept}
            total = sum(np.exp(score) for score in scores.values())
            for j in kept:
                weights[b, q, j] = np.exp(scores[j]) / total
                contexts[b, q] += weights[b, q, j] * values[b, j]
    return contexts, weights


def bahdanau_score(layer):
    w = {v.name: v.numpy().astype("float64") for v in layer.weights}
    v, bias = w["score_vector"][:, 0], 0
    if layer.normalize:
        v, bias = w["score_scale"] * v / np.sqrt(np.sum(v**2)), w["bias"]
    return lambda s, h: np.sum(v * np.tanh(s @ w["query_kernel"] + h @ w["key_kernel"] + bias))


def luong_score(layer):
    w = {v.name: v.numpy().astype("float64") for v in layer.weights}
    if layer.score == "concat":
        whole = np.concatenate([w["query_kernel"], w["key_kernel"]])  # W_a of [s; h]
        return lambda s, h: w["score_vector"][:, 0] @ np.tanh(np.concatenate([s, h]) @ whole)
    return {
        "dot": lambda s, h: s @ h,
        "general": lambda s, h: s @ w.get("key_kernel", np.zeros(0)).T @ h,
        "scaled_dot": lambda s, h: s @ h / np.sqrt(len(s)),
    }[layer.score]


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("mask", [None, MASK], ids=["unmasked", "masked"])
def test_formula(normalize, mask):
    layer = attention(many=True, normalize=normalize)
    contexts, weights = expected(layer, query(many=True), inputs(), mask)
    assert_same(layer(query(many=True), inputs(), mask=mask), [contexts, weights])
    # One query alone, and keys projected once for all queries, say the same.
    keys = layer.project_keys(inputs())
    for q in range(QUERIES):
        alone = query(many=True)[:, q]
        for given in (None, keys):
            context, weight = layer(alone, inputs(), keys=given, mask=mask)
            assert_same([context, weight], [contexts[:, q], weights[:, q]])


def test_weights_begin_as_documented():
    layer = BahdanauAttention(UNITS, normalize=True)
    layer(query(), inputs())
    assert [(w.name, w.shape) for w in layer.weights] == [
        ("query_kernel", (7, UNITS)),
        ("key_kernel", (4, UNITS)),
        ("score_vector", (UNITS, 1)),
        ("score_scale", ()),
        ("bias", (UNITS,)),
    ]
    assert abs(float(layer.score_scale) - UNITS**-0.5) < 1e-6
    assert len(attention().weights) == 3


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("many", [False, True])
def test_gradient(normalize, many):
    layer = attention(many, "float64", normalize=normalize)
    assert_gradient(layer, [query(many, "float64"), inputs("float64")], mask=MASK)


def test_a_row_masked_throughout():
    context, weights = attention()(query(), inputs(), mask=MASK)
    assert np.all(context[4] == 0) and np.all(weights[4] == 0)
    assert np.allclose(np.sum(weights[:4], axis=-1), 1, atol=1e-6)
    assert np.all(weights.numpy()[~MASK] == 0)
    nothing = np.zeros_like(MASK)
    assert all(np.all(a == 0) for a in results(attention(), query(), inputs(), mask=nothing))


def test_what_stands_in_padding_reaches_nothing():
    layer = attention(normalize=True)
    clean = results(layer, query(), inputs(), mask=MASK)
    for rubbish in (np.nan, np.inf, 1e30):
        values = inputs()
        values[~MASK] = rubbish
        assert_same(results(layer, query(), values, mask=MASK), clean, 0)
        keys = layer.project_keys(values, mask=MASK)
        assert_same(layer(query(), values, keys=keys, mask=MASK), clean[:2], 0)


def test_padding_never_changes_a_result():
    layer = attention()
    context, weights = layer(query(), inputs(), mask=MASK)
    for row in range(BATCH - 1):
        alone, shares = layer(query()[row : row + 1], inputs()[row : row + 1, MASK[row]])
        assert_same([context[row], weights[row].numpy()[MASK[row]]], [alone[0], shares[0]], 1e-6)


def test_takes_the_mask_that_values_carry():
    words = np.array([[1, 2, 0], [0, 0, 0], [0, 3, 4]])
    values = keras.layers.Embedding(6, 4, mask_zero=True)(words)
    layer = BahdanauAttention(UNITS)
    context, weights = layer(normal(3, 7), values)
    assert np.all((weights.numpy() > 0) == (words > 0))
    assert getattr(context, "_keras_mask", None) is None
    assert_same([context, weights], layer(normal(3, 7), values, mask=words > 0), 0)


def test_dropout():
    layer = attention(dropout=0.5, seed=1)
    quiet, weights = layer(query(), inputs())
    again, same = layer(query(), inputs(), training=True)
    assert np.abs(again.numpy() - quiet.numpy()).max() > 1e-3
    assert_same([same], [weights], 0)  # the weights returned are those before dropout
    assert_same(layer(query(), inputs(), training=False), [quiet, weights], 0)


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-5), ("mixed_float16", 1e-2), ("mixed_bfloat16", 6e-2)])
def test_same_under_xla_and_in_half_precision(dtype, tolerance):
    exact, layer = attention(many=True), BahdanauAttention(UNITS, dtype=dtype)
    layer(query(many=True), inputs())
    layer.set_weights(exact.get_weights())
    xla = results(layer, query(many=True), inputs(), mask=MASK, compiled=True)
    assert layer.supports_jit is True
    assert layer(query(), inputs())[0].dtype == layer.compute_dtype
    assert_same(xla, results(layer, query(many=True), inputs(), mask=MASK), tolerance)
    assert_same(xla, results(exact, query(many=True), inputs(), mask=MASK), tolerance)
    keys = layer.project_keys(inputs())
    assert keys.dtype == layer.compute_dtype


def test_functional_model_round_trips(tmp_path):
    """An encoder, a decoder that begins with its states, attention between them, all of unknown length."""
    words, target = keras.Input((None,), dtype="int32"), keras.Input((None, 3))
    embedded = keras.layers.Embedding(6, 4, mask_zero=True)(words)
    encoder = Bidirectional(LSTM(UNITS, return_sequences=True, return_state=True), merge_mode="sum")
    encoded, h, c, _, _ = encoder(embedded)
    decoded = LSTM(UNITS, return_sequences=True)(keras.layers.Masking()(target), initial_state=[h, c])
    context, weights = BahdanauAttention(8, normalize=True)(decoded, encoded)
    assert context.shape == (None, None, UNITS) and weights.shape == (None, None, None)
    model = keras.Model([words, target], [context, weights])
    data = [np.array([[1, 2, 3, 0], [0, 4, 5, 0]], "int32"), normal(2, 5, 3)]
    data[1][0, 2:] = 0
    found = model.predict(data, verbose=0)
    assert np.all(found[1][0, 2:] == found[1][0, 1]), "masked steps repeat the decoder's output"
    assert np.all(found[1][:, :, 0][1] == 0) and np.all(found[1][:, :, 3] == 0)
    model.save(tmp_path / "model.keras")
    assert_same(keras.saving.load_model(tmp_path / "model.keras").predict(data, verbose=0), found, 1e-6)
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    assert_same([a.numpy() for a in exported.serve(data)], found, 1e-6)
    alone = exported.serve([data[0][:1, :3], data[1][:1, :2]])
    assert_same([a.numpy() for a in alone], model.predict([data[0][:1, :3], data[1][:1, :2]], verbose=0), 1e-6)


def test_round_trip_of_configuration():
    layer = BahdanauAttention(
        8, normalize=True, dropout=0.1, kernel_initializer="he_normal", kernel_regularizer="l2", seed=3
    )
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert isinstance(again, BahdanauAttention) and again.get_config() == layer.get_config()
    again(query(), inputs())
    assert len(again.losses) == 3


def test_errors():
    for units in (-3, 0, 2.5):
        with pytest.raises(ValueError, match=f"positive integer.*{units}"):
            BahdanauAttention(units)
    layer = attention()
    with pytest.raises(ValueError, match=r"(?s)values of shape \(batch, time, features\).*\(5, 4\)"):
        layer(query(), inputs()[:, 0])
    with pytest.raises(ValueError, match=r"(?s)query of shape.*\(5, 3, 7, 1\)"):
        layer(query(many=True)[..., None], inputs())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_masked_softmax(dtype):
    scores = keras.ops.cast(np.array([[-6e4, -6e4, 3.0], [1.0, 2.0, 3.0], [6e4, 0.0, 0.0]]), dtype)
    mask = np.array([[True, True, False], [False, False, False], [False, True, True]])
    weights = keras.ops.convert_to_numpy(keras.ops.cast(masked_softmax(scores, mask), "float32"))
    assert_same([weights], [[[0.5, 0.5, 0], [0, 0, 0], [0, 0.5, 0.5]]], 1e-3)
    assert_same([keras.ops.sum(masked_softmax(scores), axis=-1)], [np.ones(3)], 1e-2)


# Luong's attention


def luong_query(score, many=False, dtype="float32"):
    """Queries of the values' size for the dot products, and of another for those that learn to compare."""
    size = 4 if "dot" in score else 7
    return normal(BATCH, QUERIES, size, seed=9, dtype=dtype)[:, slice(None) if many else 0]


def luong(score, dtype="float32", **options):
    layer = LuongAttention(score, dtype=dtype, **options)
    layer(luong_query(score, dtype=dtype), inputs(dtype))
    randomize(layer)
    return layer


@pytest.mark.parametrize("score", LUONG_SCORES)
@pytest.mark.parametrize("mask", [None, MASK], ids=["unmasked", "masked"])
def test_luong_formula(score, mask):
    layer, queries = luong(score), luong_query(score, many=True)
    contexts, weights = expected(layer, queries, inputs(), mask)
    assert_same(layer(queries, inputs(), mask=mask), [contexts, weights])
    keys = layer.project_keys(inputs())
    for q in range(QUERIES):
        for given in (None, keys):
            found = layer(queries[:, q], inputs(), keys=given, mask=mask)
            assert_same(found, [contexts[:, q], weights[:, q]])


@pytest.mark.parametrize("score", LUONG_SCORES)
def test_luong_gradient(score):
    layer = luong(score, "float64")
    assert_gradient(layer, [luong_query(score, True, "float64"), inputs("float64")], mask=MASK)


@pytest.mark.parametrize("score", LUONG_SCORES)
def test_luong_masks_and_xla(score):
    layer, values = luong(score), inputs()
    values[~MASK] = np.nan
    clean = results(layer, luong_query(score), inputs(), mask=MASK)
    assert_same(results(layer, luong_query(score), values, mask=MASK), clean, 0)
    assert_same(results(layer, luong_query(score), values, mask=MASK, compiled=True), clean)
    assert np.all(clean[0][4] == 0) and np.all(clean[1][~MASK] == 0)
    keys = layer.project_keys(values, mask=MASK)
    assert_same(layer(luong_query(score), values, keys=keys, mask=MASK), clean[:2], 0)


def test_luong_weights_and_configuration():
    assert [(w.name, w.shape) for w in luong("general").weights] == [("key_kernel", (4, 7))]
    shapes = [(w.name, w.shape) for w in luong("concat", units=3).weights]
    assert shapes == [("query_kernel", (7, 3)), ("key_kernel", (4, 3)), ("score_vector", (3, 1))]
    assert luong("concat").weights[1].shape == (4, 7)
    assert not luong("dot").weights and not luong("scaled_dot").weights
    layer = LuongAttention("concat", 8, dropout=0.1, kernel_initializer="he_normal", kernel_regularizer="l2", seed=3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert isinstance(again, LuongAttention) and again.get_config() == layer.get_config()
    assert LuongAttention().score == "general"


def test_luong_dropout():
    layer = luong("general", dropout=0.5, seed=1)
    quiet, weights = layer(luong_query("general"), inputs())
    again, same = layer(luong_query("general"), inputs(), training=True)
    assert np.abs(again.numpy() - quiet.numpy()).max() > 1e-3
    assert_same([same], [weights], 0)


def test_luong_errors():
    with pytest.raises(ValueError, match="'dot', 'general', 'concat', 'scaled_dot'.*'cosine'"):
        LuongAttention("cosine")
    with pytest.raises(ValueError, match="only.*units=3.*'dot'"):
        LuongAttention("dot", 3)
    with pytest.raises(ValueError, match="positive integer.*0"):
        LuongAttention("concat", 0)
    with pytest.raises(ValueError, match=r"(?s)same size.*size 7.*size 4.*'general'"):
        LuongAttention("dot")(query(), inputs())
    with pytest.raises(ValueError, match=r"(?s)LuongAttention wants.*values of shape"):
        luong("dot")(inputs()[:, 0], inputs()[:, 0])
