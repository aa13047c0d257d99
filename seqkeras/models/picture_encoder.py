"""From a picture to a sequence of vectors, one for each place of a grid laid over it: what a decoder looks at."""

import math

import keras
from keras import ops

# A rectified normal variable times this has variance 1.
_RELU_GAIN = math.sqrt(2 / (1 - 1 / math.pi))
# How much of its standard deviation a block adds to what passes it by, once its gain is 1.
_BRANCH = 0.2
# Neighbouring pixels are alike, so that of photographs a third passes a filter whose mean is 0.
_CONTRAST = 3.0


@keras.saving.register_keras_serializable("seqkeras")
class StandardizedConv2D(keras.layers.Conv2D):
    """A convolution whose filters have mean 0 and variance 1 / n over their n inputs, times a learnt gain each.

        W_o <- scale g_o (W_o - mean(W_o)) / sqrt(n var(W_o) + 1e-4)          Qiao et al. 2019; Brock et al. 2021

    It keeps the variance of what passes through as batch normalisation does and touches the weights alone: nothing
    depends on the rest of the batch, and training on a CPU takes half the time.

    Args:
        scale: a factor of all filters; what would be a factor of the much larger input costs nothing here.
        gain_initializer: initializer of g, "zeros" for a convolution that begins as nothing.
        Others as of `keras.layers.Conv2D`, as are the shapes.
    """

    def __init__(self, *args, scale=1.0, gain_initializer="ones", **kwargs):
        super().__init__(*args, **kwargs)
        self.scale, self.gain_initializer = scale, gain_initializer

    def build(self, input_shape):
        super().build(input_shape)
        self.gain = self.add_weight(
            shape=(self.filters,), initializer=self.gain_initializer, name="gain", dtype="float32", autocast=False
        )

    def convolution_op(self, inputs, kernel):
        kernel = ops.cast(kernel, "float32")
        mean, variance = ops.moments(kernel, axes=(0, 1, 2), keepdims=True)
        scale = self.scale * self.gain * ops.rsqrt(math.prod(self.kernel.shape[:-1]) * variance + 1e-4)
        return super().convolution_op(inputs, ops.cast((kernel - mean) * scale, self.compute_dtype))

    # Conv2D would save its own variables alone.
    def save_own_variables(self, store):
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store):
        keras.layers.Layer.load_own_variables(self, store)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale, "gain_initializer": self.gain_initializer}


@keras.saving.register_keras_serializable("seqkeras")
class PictureEncoder(keras.layers.Layer):
    """A convolutional net from a picture to a grid of features, as a sequence.

    Without a `backbone` it is a residual net without normalisation (Brock et al. 2021), small enough to train from
    nothing on a CPU: a convolution over every second pixel, then stages of blocks x + a f(relu(x) / b), each stage over
    half as many places a side as the one before. `a`, for each filter, begins at 0 and is learnt; `b` is the standard
    deviation that x has at the beginning.

        encoder = PictureEncoder()
        model = EncoderDecoder(vocabulary_size, encoder=encoder)

    Args:
        stem: filters of the first convolution.
        widths: filters of each stage. Each halves the sides: with three, a place is 16 pixels wide.
        blocks: blocks of each stage.
        backbone: a `keras.Model` from pictures `(batch, height, width, 3)`, 0 to 255, to features `(batch, rows,
            columns, channels)`, such as one of keras.applications without its top; its weights are trained further. The
            arguments above say nothing then.

    Call arguments:
        pictures: `(batch, height, width, 3)`, red, green and blue from 0 to 255.

    Returns:
        Features `(batch, rows * columns, channels)`, row by row.

    Raises:
        ValueError: if `widths` and `blocks` are not of one length.
    """

    def __init__(self, stem=32, widths=(64, 128, 256), blocks=(1, 2, 2), backbone=None, **kwargs):
        if len(widths) != len(blocks):
            raise ValueError(f"`widths` and `blocks` should be of one length. Received: {widths} and {blocks}")
        super().__init__(**kwargs)
        self.stem, self.widths, self.blocks, self.backbone = stem, tuple(widths), tuple(blocks), backbone
        if backbone is not None:
            return
        self.first = StandardizedConv2D(stem, 3, 2, "same", scale=_CONTRAST, dtype=self.dtype_policy)
        self.stages = []
        variance = 1.0
        for width, count in zip(widths, blocks):
            for number in range(count):
                ends = number == 0
                # Its own name would begin with an underscore, which no graph takes where `grid` is called by itself.
                options = {"name": f"block_{len(self.stages)}", "dtype": self.dtype_policy}
                self.stages.append(_Block(width, 2 if ends else 1, math.sqrt(variance), **options))
                # A shortcut with a convolution begins anew from the scaled input.
                variance = (1.0 if ends else variance) + _BRANCH**2
        self.features = widths[-1]
        self.last_scale = _RELU_GAIN / math.sqrt(variance)

    def build(self, input_shape):
        if self.backbone is None:
            self.first.build(input_shape)
            shape = self.first.compute_output_shape(input_shape)
            for block in self.stages:
                block.build(shape)
                shape = block.compute_output_shape(shape)
        elif not self.backbone.built:
            self.backbone.build(input_shape)
        self.built = True

    def call(self, pictures, training=False):
        grid = self.grid(pictures, training)
        return ops.reshape(grid, (ops.shape(grid)[0], -1, grid.shape[-1]))

    def grid(self, pictures, training=False):
        """The features as they lie over the picture, `(batch, rows, columns, channels)`."""
        if self.backbone is not None:
            return self.backbone(pictures, training=training)
        # About the mean and the standard deviation of photographs.
        x = ops.cast((ops.cast(pictures, "float32") - 115.0) / 65.0, self.compute_dtype)
        x = self.first(x)
        for block in self.stages:
            x = block(x)
        return ops.relu(x) * self.last_scale

    def grid_shape(self, height, width):
        """Rows and columns of the grid over a picture of so many pixels: tuple of two ints."""
        if self.backbone is not None:
            return tuple(self.backbone.compute_output_shape((None, height, width, 3))[1:3])
        halvings = 1 + len(self.widths)
        for _ in range(halvings):
            height, width = -(-height // 2), -(-width // 2)
        return height, width

    def compute_output_shape(self, input_shape):
        _, height, width, _ = input_shape
        if self.backbone is not None:
            channels = self.backbone.compute_output_shape(input_shape)[-1]
        else:
            channels = self.features
        if height is None or width is None:
            return (input_shape[0], None, channels)
        return (input_shape[0], math.prod(self.grid_shape(height, width)), channels)

    def get_config(self):
        backbone = None if self.backbone is None else keras.saving.serialize_keras_object(self.backbone)
        return {
            **super().get_config(),
            "stem": self.stem,
            "widths": self.widths,
            "blocks": self.blocks,
            "backbone": backbone,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if config["backbone"] is not None:
            config["backbone"] = keras.saving.deserialize_keras_object(config["backbone"])
        return cls(**config)


@keras.saving.register_keras_serializable("seqkeras")
class _Block(keras.layers.Layer):
    """x + a f(relu(x) / b); with strides, a convolution of relu(x) / b for x."""

    def __init__(self, filters, strides, deviation, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.strides, self.deviation = filters, strides, deviation
        policy = {"dtype": self.dtype_policy}
        scale = _RELU_GAIN / deviation
        self.shortcut = StandardizedConv2D(filters, 1, scale=scale, **policy) if strides > 1 else None
        self.pool = keras.layers.AveragePooling2D(2, padding="same", **policy) if strides > 1 else None
        self.first = StandardizedConv2D(filters, 3, strides, "same", scale=scale, activation="relu", **policy)
        self.second = StandardizedConv2D(
            filters, 3, padding="same", scale=_BRANCH * _RELU_GAIN, gain_initializer="zeros", **policy
        )

    def build(self, input_shape):
        if self.shortcut is not None:
            self.shortcut.build(input_shape)
        self.first.build(input_shape)
        self.second.build((*input_shape[:-1], self.filters))
        self.built = True

    def call(self, x):
        positive = ops.relu(x)
        passed = x if self.shortcut is None else self.shortcut(self.pool(positive))
        return passed + self.second(self.first(positive))

    def compute_output_shape(self, input_shape):
        return self.first.compute_output_shape(input_shape)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "strides": self.strides, "deviation": self.deviation}
