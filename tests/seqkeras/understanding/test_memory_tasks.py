import math

import numpy as np
import pytest

from seqkeras.understanding import memory_tasks
from seqkeras.understanding.memory_tasks import CELLS, adding_problem, copying_problem, trainer


@pytest.mark.parametrize("length", [2, 3, 10])
def test_adding_marks_one_number_in_each_half_and_wants_their_sum(length):
    inputs, targets = adding_problem(500, length, seed=1)
    assert inputs.shape == (500, length, 2) and targets.shape == (500, 1)
    assert inputs.dtype == targets.dtype == np.float32
    numbers, marks = inputs[..., 0], inputs[..., 1]
    assert set(np.unique(marks)) <= {0, 1} and 0 <= numbers.min() and numbers.max() < 1
    assert (marks[:, : length // 2].sum(1) == 1).all() and (marks[:, length // 2 :].sum(1) == 1).all()
    assert marks.any(0).all()  # every step is marked in some sequence
    np.testing.assert_allclose(targets[:, 0], [n[m == 1].sum() for n, m in zip(numbers, marks)], rtol=1e-6)


def test_adding_baseline():
    _, targets = adding_problem(100_000, 4, seed=2)
    assert np.mean((targets - 1) ** 2) == pytest.approx(memory_tasks.TASKS["adding"].baseline(4), rel=0.02)


@pytest.mark.parametrize("length", [2, 7])
def test_copying_says_the_symbols_again_after_the_delimiter(length):
    inputs, targets = copying_problem(300, length, seed=1)
    assert inputs.shape == targets.shape == (300, length + 20)
    assert inputs.dtype == targets.dtype == np.int32
    symbols = inputs[:, :10]
    assert set(np.unique(symbols)) == set(range(1, 9))
    assert (targets[:, -10:] == symbols).all() and not targets[:, :-10].any()
    # The symbols are asked for right after the delimiter, `length` steps after the last of them.
    assert (inputs[:, 10 + length - 1] == 9).all()
    assert not np.delete(inputs[:, 10:], length - 1, axis=1).any()


def test_copying_baseline():
    _, targets = copying_problem(3, 10, seed=0)
    probability = np.zeros((3, 30, 9))
    probability[:, :20, 0] = 1
    probability[:, 20:, 1:] = 1 / 8
    loss = -np.log(np.take_along_axis(probability, targets[..., None], -1)).mean()
    assert memory_tasks.TASKS["copying"].baseline(10) == pytest.approx(loss)
    logits = np.log(probability + 1e-30).astype("float32")
    assert float(memory_tasks.TASKS["copying"].loss(targets, logits)) == pytest.approx(loss, rel=1e-5)


def test_the_measure_of_copying_is_the_share_of_right_symbols():
    _, targets = copying_problem(2, 5, seed=0)
    said = targets.copy()
    said[:, :5] = 3  # wrong blanks do not count
    said[0, -1] = said[0, -1] % 8 + 1
    answers = np.eye(9, dtype="float32")[said]
    assert float(memory_tasks.TASKS["copying"].measure(targets, answers)) == pytest.approx(19 / 20)


@pytest.mark.parametrize("draw", [adding_problem, copying_problem])
def test_sequences_depend_on_the_seed_alone(draw):
    for first, again, other in zip(draw(4, 6, (1, 2)), draw(4, 6, (1, 2)), draw(4, 6, (1, 3))):
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()
    for count, length in ((0, 5), (5, 1)):
        with pytest.raises(ValueError, match="at least"):
            draw(count, length, 1)


def test_training_on_adding_ends_when_it_is_solved_and_is_the_same_again():
    def run(seed):
        return list(trainer("lstm", "adding", length=2, seed=seed, units=8, steps=2_000, learning_rate=0.02))

    reports = run(1)
    assert [report.step for report in reports] == list(range(0, 50 * len(reports), 50))
    assert reports[0].gradient_norm == 0 and all(report.gradient_norm > 0 for report in reports[1:])
    assert [report.solved for report in reports] == [False] * (len(reports) - 1) + [True]
    assert reports[-1].loss < 0.01 <= reports[-2].loss
    assert run(1) == reports


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_trains(cell):
    small = {"units": 8, "steps": 3, "every": 2, "batch_size": 4, "evaluated": 8, "jit_compile": False}
    reports = list(trainer(cell, "copying", length=2, **small))
    assert [report.step for report in reports] == [0, 2, 3]
    assert all(math.isfinite(report.loss) and 0 <= report.measure <= 1 for report in reports)
    assert reports[-1].loss < reports[0].loss


def test_training_that_explodes_ends():
    reports = list(
        trainer("irnn", "adding", 30, units=8, steps=1000, every=10, learning_rate=1e30, clip=None, jit_compile=False)
    )
    assert not math.isfinite(reports[-1].loss) and not reports[-1].solved
    assert len(reports) < 10


def test_clipping_bounds_the_step_not_the_reported_norm():
    def reports(clip):
        return list(trainer("irnn", "adding", 20, units=8, steps=2, every=1, clip=clip, jit_compile=False))

    clipped, free = reports(1e-12), reports(None)
    assert clipped[0] == free[0]
    assert clipped[1].gradient_norm == pytest.approx(free[1].gradient_norm) and free[1].gradient_norm > 1
    # Adam divides by the gradients' size, but for its epsilon of 1e-7.
    assert clipped[1].loss == pytest.approx(clipped[0].loss, rel=1e-4)
    assert abs(free[1].loss - free[0].loss) > 1e-4


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"cell": "lstmm"}, "simple_rnn, irnn.*Received: cell='lstmm'"),
        ({"task": "parity"}, "adding, copying.*Received: task='parity'"),
        ({"steps": 0}, "steps=0"),
        ({"length": 1}, "length=1"),
    ],
)
def test_arguments_are_checked(arguments, said):
    with pytest.raises(ValueError, match=said):
        next(trainer(**{"cell": "lstm", "task": "adding", "length": 5, **arguments}))
