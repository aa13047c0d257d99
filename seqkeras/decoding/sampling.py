"""Drawing sequences symbol by symbol: greedy, with a temperature, from the top k or the top p of probability."""

import keras
import keras_nlp
from keras import ops


class Sampler:
    """Continues sequences, one symbol at a time, all inside the graph.

    The choice of each symbol is a `keras_nlp` sampler's, with the model's states as its cache. The same seed and the
    same batch give the same symbols again: nothing is kept between calls.

        sampler = Sampler(top_p=0.95)                  # outside the graph
        room = ops.pad(prompt, [(0, 0), (0, 200)])
        given = ops.pad(ops.ones_like(prompt, dtype="bool"), [(0, 0), (0, 200)])
        ids = sampler(model.step_function(), model.start(32), room, given, temperature=0.8, seed=7, end=END)

    Args:
        top_k: draw among the k likeliest symbols alone; 1 is the greedy choice. All if None.
        top_p: draw among the likeliest symbols alone that together reach this probability, greedy at 0 (Holtzman et al.
            2020). All if None. With both, the top k are cut to the top p.

    Call arguments:
        step: function of ids int32 `(batch,)` and the states to logits `(batch, vocabulary)` and the new states, such
            as `LanguageModel.step_function()`.
        states: nested structure of tensors, the states before the prompt's first symbol.
        prompt: int32 `(batch, length)`, what is given, and room for what is to be written. Each row begins with at
            least one given symbol, such as the one that marks a start; rows may differ in how many.
        given: bool `(batch, length)`, True where `prompt` holds a given symbol.
        temperature: the logits are divided by it before anything else: below 1 the likelier symbols gain, above 1 the
            others. A float or scalar tensor above 0. Of no effect on the greedy choice.
        seed: int or scalar int tensor.
        end: the id that ends a sequence: writing stops when every row has written one. Without, every row is filled.
        banned: bool `(vocabulary,)`, symbols never to be written; or a function of the states to bool `(batch,
            vocabulary)`, for bans that depend on what stands before.

    Returns:
        int32 `(batch, length)`: the prompt, continued. What stands behind the first `end` that a row wrote is of no
        meaning.

    Raises:
        ValueError: for a `top_k`, `top_p` or `temperature` out of range.
    """

    def __init__(self, top_k=None, top_p=None):
        if top_k is not None and top_k < 1:
            raise ValueError(f"`top_k` should be at least 1. Received: top_k={top_k}")
        if top_p is not None and not 0 <= top_p <= 1:
            raise ValueError(f"`top_p` should be between 0 and 1. Received: top_p={top_p}")
        if top_k == 1:
            self._sampler = keras_nlp.samplers.GreedySampler()
        elif top_p is not None:
            self._sampler = keras_nlp.samplers.TopPSampler(p=top_p, k=top_k)
        elif top_k is not None:
            self._sampler = keras_nlp.samplers.TopKSampler(k=top_k)
        else:
            self._sampler = keras_nlp.samplers.RandomSampler()
        self._sampler.seed_generator = self._seeds = _StepSeeds()

    def __call__(self, step, states, prompt, given, *, temperature=1.0, seed=0, end=None, banned=None):
        if isinstance(temperature, (int, float)) and not temperature > 0:
            raise ValueError(
                f"`temperature` should be above 0; for the greedy choice, top_k=1. Received: temperature={temperature}"
            )

        def next(prompt, states, index):
            self._seeds.current = ops.stack([ops.cast(seed, "uint32"), ops.cast(index, "uint32")])
            logits, states = step(prompt[:, index - 1], states)
            logits = ops.cast(logits, "float32") / ops.cast(temperature, "float32")
            if banned is not None:
                # Not minus infinity, which makes NaN of a row where all is banned.
                logits = ops.where(banned(states) if callable(banned) else banned, -1e9, logits)
            return logits, None, states

        stops = None if end is None else [end]
        return self._sampler(next, prompt, cache=states, index=1, mask=given, stop_token_ids=stops)


class _StepSeeds(keras.random.SeedGenerator):
    """Gives the sampler the seed of the step at hand, where Keras's own keeps a variable that every draw changes."""

    def __init__(self):
        super().__init__(seed=0, name="step_seeds")
        self.current = None

    def next(self, ordered=True):
        return self.current
