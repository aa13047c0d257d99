import keras
import numpy as np
import pytest

from seqkeras import layers
from seqkeras.understanding import gradient_flow, relu_experiment

BATCH, TIME, FEATURES, UNITS = 2, 5, 3, 4
inputs = np.random.default_rng(0).normal(size=(BATCH, TIME, FEATURES))


def test_closed_form_of_a_linear_network():
    """dL/dh_t = W^(T-t) applied to dL/dh_T."""
    layer = layers.SimpleRNN(UNITS, activation="linear", dtype="float64")
    flow = gradient_flow(layer, inputs, loss=lambda output: keras.ops.sum(output**2, axis=-1) / 2)
    kernel, recurrent_kernel = (np.array(weight) for weight in (layer.cell.kernel, layer.cell.recurrent_kernel))
    gradient = np.array(layer(inputs))
    for t in reversed(range(TIME)):
        assert flow.states[0][t] == pytest.approx(np.linalg.norm(gradient, axis=1).mean())
        assert flow.inputs[t] == pytest.approx(np.linalg.norm(gradient @ kernel.T, axis=1).mean())
        gradient = gradient @ recurrent_kernel.T


LAYERS = {
    "simple_rnn": lambda: layers.SimpleRNN(UNITS, dtype="float64"),
    "lstm": lambda: layers.LSTM(UNITS, dtype="float64", peephole=True),
    "gru": lambda: layers.GRU(UNITS, dtype="float64"),
    "clockwork_rnn": lambda: layers.ClockworkRNN(UNITS, periods=(1, 2), dtype="float64"),
    "scrn": lambda: layers.SCRN(UNITS, 2, output_units=3, dtype="float64"),
    "echo_state": lambda: layers.EchoState(UNITS, seed=1, dtype="float64"),
    "stack": lambda: layers.RNN(
        [layers.GRUCell(3, dtype="float64"), layers.LSTMCell(UNITS, dtype="float64")], dtype="float64"
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_central_differences(name):
    """What changes in the loss where the states after a step, or an input, are changed a little."""
    layer = LAYERS[name]()
    flow = gradient_flow(layer, inputs)
    step = layer.cell.call

    def rest(t, states):
        """The loss of each row, when the states after step t are these."""
        output = None
        for x in inputs[:, t + 1 :].swapaxes(0, 1):
            output, states = step(keras.ops.convert_to_tensor(x), states)
        return np.array(output).sum(-1)

    def norm(function, value):
        value, gradient = np.array(value), np.zeros(np.shape(value))
        for i in range(value.shape[1]):
            up, down = value.copy(), value.copy()
            up[:, i] += 1e-5
            down[:, i] -= 1e-5
            gradient[:, i] = (function(up) - function(down)) / 2e-5
        return np.linalg.norm(gradient, axis=1).mean()

    states = layer.get_initial_state(BATCH)
    for t in range(TIME - 1):
        before = states
        output, states = step(keras.ops.convert_to_tensor(inputs[:, t]), before)
        if t not in (1, TIME - 2):
            continue

        def after_input(x, before=before, t=t):
            return rest(t, step(keras.ops.convert_to_tensor(x), before)[1])

        assert flow.inputs[t] == pytest.approx(norm(after_input, inputs[:, t]), rel=1e-6)
        flat = keras.tree.flatten(states)
        assert len(flow.states) == len(flat)
        for place, state in enumerate(flat):
            if name == "clockwork_rnn" and place == 1:  # clocks count, and have no gradient
                assert not flow.states[1].any()
                continue

            def changed(value, place=place, t=t, flat=flat, states=states):
                new = [keras.ops.convert_to_tensor(value) if i == place else s for i, s in enumerate(flat)]
                return rest(t, keras.tree.pack_sequence_as(states, new))

            assert flow.states[place][t] == pytest.approx(norm(changed, state), rel=1e-6)


def test_an_lstm_that_keeps_everything_keeps_the_gradient_and_a_small_recurrence_loses_it():
    long = np.zeros((1, 60, 1))
    lstm = layers.LSTM(3, recurrent_initializer="zeros", bias_initializer=keras.initializers.Constant(20.0))
    _, of_cell = gradient_flow(lstm, long).states
    np.testing.assert_allclose(of_cell, of_cell[-2], rtol=1e-5, atol=0.1)
    small = layers.SimpleRNN(3, recurrent_initializer=keras.initializers.Identity(0.5), dtype="float64")
    (of_hidden,) = gradient_flow(small, long).states
    np.testing.assert_allclose(of_hidden, np.sqrt(3) * 0.5 ** np.arange(59, -1, -1))
    assert of_hidden.dtype == "float64" and of_hidden[0] > 0


def test_other_layers_and_shapes_are_refused():
    with pytest.raises(ValueError, match="cells of seqkeras.layers.*Dense"):
        gradient_flow(keras.layers.Dense(3), inputs)
    with pytest.raises(ValueError, match="cells of seqkeras.layers"):
        gradient_flow(layers.RNN(keras.layers.LSTMCell(3)), inputs)
    for wrong in (inputs[0], inputs[:, :0]):
        with pytest.raises(ValueError, match=r"\(batch, time, features\)"):
            gradient_flow(layers.GRU(3), wrong)


@pytest.mark.parametrize("variance", [1.5, 2, 3])
def test_relu_experiment(variance):
    forward, backward = relu_experiment(variance, steps=40, units=600, seed=1)
    assert forward.shape == backward.shape == (41,)
    for norms in (forward[1:], backward[::-1][1:]):
        assert (norms[-1] / norms[0]) ** (1 / 39) == pytest.approx(np.sqrt(variance / 2), rel=0.05)
    again = relu_experiment(variance, steps=40, units=600, seed=1)
    np.testing.assert_array_equal(again[0], forward)
    np.testing.assert_array_equal(again[1], backward)


def test_relu_experiment_is_a_gradient():
    """The product of h_0 and its gradient is that of the last state and its gradient: the recurrence is homogeneous."""
    units, steps = 5, 7
    random = np.random.default_rng(3)
    weights = random.normal(0, np.sqrt(3 / units), (units, units))
    state, gradient = random.normal(size=units), None
    start = state
    product = np.eye(units)
    for _ in range(steps):
        state = np.maximum(0, weights @ state)
        product = np.diag(state > 0) @ weights @ product
    gradient = random.normal(size=units)
    forward, backward = relu_experiment(3, steps=steps, units=units, seed=3)
    assert forward[0] == pytest.approx(np.linalg.norm(start))
    assert forward[-1] == pytest.approx(np.linalg.norm(state))
    assert backward[-1] == pytest.approx(np.linalg.norm(gradient))
    assert backward[0] == pytest.approx(np.linalg.norm(product.T @ gradient))


def test_relu_experiment_checks_its_arguments():
    with pytest.raises(ValueError, match="variance=0"):
        relu_experiment(0)
