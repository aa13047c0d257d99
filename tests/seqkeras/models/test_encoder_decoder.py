import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras.models import EncoderDecoder, SmoothedCrossentropy

SOURCE, TARGET = 9, 8
SHAPES = {"source": (None, None), "target": (None, None)}


def make(**arguments):
    arguments = {"source_vocabulary_size": SOURCE, "embedding_size": 5, "units": 4, **arguments}
    model = EncoderDecoder(TARGET, **arguments)
    model.build(SHAPES)
    random = np.random.default_rng(0)
    model.set_weights([random.normal(size=w.shape, scale=0.6) for w in model.get_weights()])
    return model


@pytest.fixture
def inputs():
    random = np.random.default_rng(1)
    source, target = random.integers(1, SOURCE, (3, 6)), random.integers(1, TARGET, (3, 5))
    source[1, 4:] = 0
    source[2, 2:] = 0
    return {"source": source.astype("int32"), "target": target.astype("int32")}


KINDS = [
    dict(),
    dict(cell="lstm", encoder_layers=2, decoder_layers=2),
    dict(cell="simple_rnn", attention="general"),
    dict(attention="concat", decoder_layers=2),
    dict(attention=None),
    dict(attention=None, cell="lstm", decoder_layers=2, encoder_layers=2),
]


@pytest.mark.parametrize("arguments", KINDS)
def test_token_by_token_is_the_whole_at_once(arguments, inputs):
    model = make(**arguments)
    whole = model(inputs)
    assert whole.shape == (3, 5, TARGET) and whole.dtype == "float32"
    state, memory = model.start(inputs["source"])
    for place in range(5):
        logits, state = model.step(inputs["target"][:, place], state, memory)
        np.testing.assert_allclose(logits, whole[:, place], atol=1e-5)


@pytest.mark.parametrize("arguments", KINDS)
def test_padding_of_the_source_changes_nothing(arguments, inputs):
    model = make(**arguments)
    whole = model(inputs)
    for row, length in ((0, 6), (1, 4), (2, 2)):
        alone = {"source": inputs["source"][row : row + 1, :length], "target": inputs["target"][row : row + 1]}
        np.testing.assert_allclose(model(alone)[0], whole[row], atol=1e-5)


def test_attention_looks_at_real_tokens_and_sums_to_one(inputs):
    model = make()
    state, memory = model.start(inputs["source"])
    _, state = model.step(inputs["target"][:, 0], state, memory)
    weights = np.array(model.attention_of(state))
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert (weights[inputs["source"] == 0] == 0).all() and (weights[inputs["source"] != 0] > 0).all()


def test_later_targets_change_nothing_before(inputs):
    model = make()
    other = {"source": inputs["source"], "target": inputs["target"].copy()}
    other["target"][:, 3:] = 1
    np.testing.assert_allclose(model(inputs)[:, :3], model(other)[:, :3], atol=1e-6)


@pytest.mark.parametrize(
    "arguments", [dict(), dict(attention=None), dict(scheduled_sampling=0.5, embedding_dropout=0.5)]
)
def test_several_targets_of_a_source_are_as_many_pairs(arguments, inputs):
    model = make(**arguments)
    targets = np.stack([inputs["target"], inputs["target"][::-1], inputs["target"] % 3], axis=1)
    together = model({"source": inputs["source"], "target": targets})
    assert together.shape == (3, 3, 5, TARGET)
    for place in range(3):
        alone = model({"source": inputs["source"], "target": targets[:, place]})
        np.testing.assert_allclose(together[:, place], alone, atol=1e-5)
    assert model({"source": inputs["source"], "target": targets}, training=True).shape == (3, 3, 5, TARGET)


def test_the_penalty_is_on_places_looked_at_more_or_less_than_once(inputs):
    model = make(attention_penalty=0.3)
    model(inputs, training=False)
    assert model.losses == []
    # By hand, token by token: what each place got in all, padding of the target left out.
    inputs["target"][2, 3:] = 0
    looked = np.zeros(inputs["source"].shape)
    state, memory = model.start(inputs["source"])
    for place in range(5):
        _, state = model.step(inputs["target"][:, place], state, memory)
        looked += np.array(model.attention_of(state)) * (inputs["target"][:, place, None] != 0)
    expected = 0.3 * np.mean((1 - looked[inputs["source"] != 0]) ** 2)
    model(inputs, training=True)
    np.testing.assert_allclose(model.losses, [expected], rtol=1e-5)


def test_shared_embeddings_are_one_table():
    shared = make(source_vocabulary_size=TARGET, share_embeddings=True)
    apart = make(source_vocabulary_size=TARGET)
    assert apart.count_params() - shared.count_params() == TARGET * 5


@pytest.mark.parametrize("attention, length", [("bahdanau", 4), (None, 2)])
def test_it_learns_to_turn_sequences_around(attention, length):
    """Which takes order, memory and a start; without attention, one vector has to hold it all."""
    random = np.random.default_rng(0)
    words = random.integers(3, TARGET, (512, length))
    start, end = np.full((512, 1), 1), np.full((512, 1), 2)
    inputs = {"source": words, "target": np.concatenate([start, words[:, ::-1]], axis=1)}
    targets = np.concatenate([words[:, ::-1], end], axis=1)
    keras.utils.set_random_seed(0)
    model = EncoderDecoder(TARGET, TARGET, embedding_size=16, units=32, attention=attention)
    model.compile(keras.optimizers.Adam(0.02), SmoothedCrossentropy(), metrics=["sparse_categorical_accuracy"])
    model.fit(inputs, targets, batch_size=64, epochs=16, verbose=0)
    assert model.evaluate(inputs, targets, verbose=0)[1] > 0.95


def test_an_encoder_of_anything():
    """Such as a picture's grid of features, without a mask."""
    encoder = keras.Sequential([keras.layers.Dense(6, activation="relu")])
    model = EncoderDecoder(TARGET, encoder=encoder, embedding_size=5, units=4)
    picture = np.random.default_rng(0).normal(size=(2, 7, 3)).astype("float32")
    target = np.array([[1, 3, 4], [1, 5, 6]])
    model.build({"source": (None, 7, 3), "target": (None, None)})
    whole = model({"source": picture, "target": target})
    state, memory = model.start(picture)
    for place in range(3):
        logits, state = model.step(target[:, place], state, memory)
        np.testing.assert_allclose(logits, whole[:, place], atol=1e-5)


def test_scheduled_sampling_reads_what_the_model_says(inputs):
    plain, sampled = make(), make(scheduled_sampling=1.0)
    said = np.argmax(plain(inputs), axis=-1)
    fed = np.concatenate([inputs["target"][:, :1], said[:, :-1]], axis=1)
    expected = plain({"source": inputs["source"], "target": fed})
    np.testing.assert_allclose(sampled(inputs, training=True), expected, atol=1e-5)
    np.testing.assert_allclose(sampled(inputs), plain(inputs), atol=1e-6)


def test_dropout_keeps_its_mask_through_a_sequence():
    model = make(embedding_dropout=0.5, memory_dropout=0.5)
    embedded = model.embedding_dropout(np.ones((2, 9, 5), "float32"), training=True).numpy()
    assert (embedded == embedded[:, :1]).all() and (embedded == 0).any()


def test_saving_and_xla(inputs, tmp_path):
    model = make()
    np.testing.assert_allclose(tf.function(model, jit_compile=True)(inputs), model(inputs), atol=1e-5)
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "model.keras")(inputs), model(inputs), atol=1e-6)


def test_smoothed_crossentropy_by_hand():
    logits = np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")
    targets = np.array([[0, 4, 2], [1, 1, 3]])
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    smooth = np.full((2, 3, 5), 0.1 / 5)
    np.put_along_axis(smooth, targets[..., None], 0.9 + 0.1 / 5, axis=-1)
    np.testing.assert_allclose(
        SmoothedCrossentropy(0.1, reduction=None)(targets, logits), -(smooth * log_p).sum(-1), rtol=1e-5
    )
    plain = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    np.testing.assert_allclose(SmoothedCrossentropy()(targets, logits), plain(targets, logits), rtol=1e-5)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (dict(cell="rnn"), "`cell` should be one of"),
        (dict(attention="dot"), "`attention` should be one of"),
        (dict(source_vocabulary_size=None), "Either `source_vocabulary_size` or an `encoder`"),
        (dict(share_embeddings=True), "one vocabulary"),
    ],
)
def test_wrong_arguments_are_named(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(**arguments)
