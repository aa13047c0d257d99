import numpy as np
import pytest

from seqkeras.layers import ClockworkRNN, ClockworkRNNCell
from tests.seqkeras.layers.peers import BATCH, FEATURES, MASK, TIME, assert_same, initial_states, inputs, results
from tests.seqkeras.layers.without_peer import ALL, Deployed

PERIODS, GROUP = (1, 3, 2), 2
UNITS = len(PERIODS) * GROUP


class TestClockworkRNN(Deployed):
    def make(self, **options):
        return ClockworkRNN(UNITS, PERIODS, **options)

    def states(self, layer, dtype="float32"):
        hidden, _ = initial_states(layer, dtype=dtype)
        return [hidden, np.random.default_rng(0).integers(0, PERIODS, (BATCH, len(PERIODS))).astype(dtype)]

    def test_equations(self):
        layer = self.built(**ALL)
        w_xh, w_hh, b = (w.astype("float64") for w in layer.get_weights())
        outputs, h_last, clocks = layer(inputs())
        groups = [slice(GROUP * i, GROUP * (i + 1)) for i in range(len(PERIODS))]
        h = np.zeros((BATCH, UNITS))
        for t in range(TIME):
            before, h = h, h.copy()
            for i, period in enumerate(PERIODS):
                if t % period == 0:
                    z = inputs()[:, t] @ w_xh[:, groups[i]] + b[groups[i]]
                    for j, other in enumerate(PERIODS):
                        if other >= period:
                            z += before[:, groups[j]] @ w_hh[groups[j], groups[i]]
                    h[:, groups[i]] = np.tanh(z)
            assert_same([outputs[:, t]], [h])
        assert_same([h_last, clocks], [h, [[TIME % period for period in PERIODS]] * BATCH])

    def test_blocks_that_nothing_passes_through(self):
        layer = self.built(return_sequences=True)
        *_, d_recurrent, _ = results(layer, inputs(), mask=MASK)
        periods = np.repeat(PERIODS, GROUP)
        passes = periods[:, None] >= periods
        assert np.all(d_recurrent[~passes] == 0) and np.all(d_recurrent[passes] != 0)
        weights = layer.get_weights()
        weights[1][~passes] = 7
        expected = layer(inputs())
        layer.set_weights(weights)
        assert_same([layer(inputs())], [expected], 0)

    def test_a_stateful_layer_counts_on(self):
        whole = self.built()
        stateful = ClockworkRNN(UNITS, PERIODS, stateful=True)
        stateful(inputs())
        stateful.set_weights(whole.get_weights())
        stateful.reset_state()
        expected = whole(inputs())
        stateful(inputs()[:, :4])
        assert_same([stateful(inputs()[:, 4:])], [expected], 1e-6)


def test_errors():
    with pytest.raises(ValueError, match=r"multiple of the number of periods.*units=5, periods=\(1, 2\)"):
        ClockworkRNN(5, (1, 2))
    with pytest.raises(ValueError, match="multiple of the number of periods"):
        ClockworkRNNCell(5, ())
    with pytest.raises(ValueError, match="periods.*positive integer.*0"):
        ClockworkRNN(4, (0, 2))
    with pytest.raises(ValueError, match=r"bfloat16.*counts to 256.*\(1, 512\)"):
        ClockworkRNN(4, (1, 512), dtype="mixed_bfloat16")


def test_the_longest_period_of_half_precision():
    cell = ClockworkRNNCell(1, (256,), recurrent_initializer="ones", dtype="bfloat16")
    states = cell.get_initial_state(1)
    clocks = []
    for _ in range(257):
        _, states = cell(np.ones((1, FEATURES)), states)
        clocks.append(float(states[1][0, 0]))
    assert clocks == [*range(1, 256), 0, 1]
