import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras.models import EncoderDecoder, PictureEncoder
from seqkeras.models.picture_encoder import StandardizedConv2D


def pictures(number=2, height=20, width=33):
    return np.random.default_rng(0).integers(0, 256, (number, height, width, 3)).astype("uint8")


def make(**arguments):
    keras.utils.set_random_seed(3)
    encoder = PictureEncoder(**{"stem": 4, "widths": (6, 8), "blocks": (1, 2), **arguments})
    encoder.build((None, None, None, 3))
    return encoder


def with_all_gains(encoder, value=0.7):
    for weight in encoder.weights:
        if weight.name == "gain":
            weight.assign(keras.ops.full(weight.shape, value))
    return encoder


def test_filters_have_mean_zero_and_unit_variance_over_their_inputs():
    layer = StandardizedConv2D(5, 3, scale=2.0, use_bias=False)
    x = np.random.default_rng(0).normal(size=(1, 6, 7, 4)).astype("float32")
    layer.build(x.shape)
    layer.kernel.assign(np.random.default_rng(1).normal(3.0, 5.0, layer.kernel.shape))
    gain = np.arange(1.0, 6.0)
    layer.gain.assign(gain)
    kernel = layer.kernel.numpy().reshape(36, 5)
    kernel = 2.0 * gain * (kernel - kernel.mean(0)) / (np.sqrt(36) * kernel.std(0))
    expected = tf.nn.conv2d(x, kernel.reshape(3, 3, 4, 5).astype("float32"), 1, "VALID")
    np.testing.assert_allclose(layer(x), expected, atol=1e-4)


def test_filters_at_another_level_or_scale_say_the_same():
    encoder = with_all_gains(make())
    before = encoder(pictures()).numpy()
    for weight in encoder.weights:
        if weight.name == "kernel":
            weight.assign(3.0 * weight + 0.2)
    np.testing.assert_allclose(encoder(pictures()), before, atol=1e-2)


def test_the_grid_in_a_graph_of_its_own():
    encoder = make()
    np.testing.assert_allclose(tf.function(encoder.grid)(pictures()), encoder.grid(pictures()), atol=1e-5)


@pytest.mark.parametrize("height, width", [(32, 32), (20, 33), (1, 1), (7, 64)])
def test_every_place_of_the_grid_is_a_step(height, width):
    encoder = make()
    x = pictures(3, height, width)
    sequence, grid = encoder(x), encoder.grid(x)
    rows, columns = encoder.grid_shape(height, width)
    assert grid.shape == (3, rows, columns, 8) and sequence.shape == (3, rows * columns, 8)
    assert encoder.compute_output_shape(x.shape) == sequence.shape
    np.testing.assert_array_equal(sequence[1, columns * (rows - 1)], grid[1, rows - 1, 0])
    assert encoder.compute_output_shape((None, None, None, 3)) == (None, None, 8)


def test_a_block_begins_as_its_shortcut_and_learns():
    keras.utils.set_random_seed(1)
    encoder = make(blocks=(2, 2))
    x = keras.ops.convert_to_tensor(pictures(), "float32")
    block = encoder.stages[1]  # of the first stage, without strides
    inner = np.random.default_rng(0).normal(size=(1, 4, 4, 6)).astype("float32")
    np.testing.assert_array_equal(block(inner), inner)
    begun = encoder(x)
    encoder.stages[1].second.gain.assign(np.full(6, 0.5))
    assert np.abs(encoder(x) - begun).max() > 0.01
    with_all_gains(encoder)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(encoder(x) ** 2)
    for weight, gradient in zip(encoder.trainable_weights, tape.gradient(loss, encoder.trainable_weights)):
        assert np.abs(gradient).max() > 0, weight.path


def test_variance_is_kept_through_a_deep_net():
    encoder = with_all_gains(make(stem=64, widths=(64, 64), blocks=(4, 4)), 1.0)
    # Smooth pictures, which pooling leaves as they are.
    x = tf.image.resize(np.random.default_rng(0).normal(115, 65, (4, 5, 5, 3)), (96, 96), "bicubic")
    sequence = encoder(x).numpy()
    assert 0.2 < sequence.std() < 3


def test_pictures_of_a_batch_do_not_touch_each_other():
    encoder = with_all_gains(make())
    x = pictures(3)
    np.testing.assert_allclose(encoder(x)[1:2], encoder(x[1:2]), atol=1e-5)


def test_half_precision_says_nearly_the_same():
    whole = with_all_gains(make())
    half = make(dtype="mixed_bfloat16")
    half.set_weights(whole.get_weights())
    assert half(pictures()).dtype == "bfloat16"
    exact = whole(pictures()).numpy()
    assert (
        np.abs(keras.ops.convert_to_numpy(keras.ops.cast(half(pictures()), "float32")) - exact).max()
        < 0.05 * exact.max()
    )


def test_a_backbone_of_ones_own_is_asked_instead():
    x = keras.Input((None, None, 3))
    backbone = keras.Model(x, keras.layers.Conv2D(5, 3, 4, "same")(x / 255.0))
    encoder = PictureEncoder(backbone=backbone)
    assert encoder(pictures()).shape == (2, 5 * 9, 5) and encoder.grid_shape(20, 33) == (5, 9)
    assert encoder.compute_output_shape((2, 20, 33, 3)) == (2, 45, 5)
    assert len(encoder.trainable_weights) == 2


@pytest.mark.parametrize("own", [False, True])
def test_a_captioner_is_saved_and_loaded(own, tmp_path):
    if own:
        x = keras.Input((None, None, 3))
        encoder = PictureEncoder(backbone=keras.Model(x, keras.layers.Conv2D(5, 3, 8)(x)))
    else:
        encoder = make()
    model = EncoderDecoder(7, encoder=encoder, embedding_size=4, units=3)
    inputs = {"source": pictures(2, 32, 32), "target": np.array([[1, 2, 3], [1, 4, 0]], "int32")}
    expected = model(inputs)
    model.save(tmp_path / "m.keras")
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "m.keras")(inputs), expected, atol=1e-6)


def test_widths_and_blocks_belong_together():
    with pytest.raises(ValueError, match="of one length"):
        PictureEncoder(widths=(8, 16), blocks=(1,))
