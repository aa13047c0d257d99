"""Beam search: the likeliest sequences of any model that can take one step at a time, inside the graph."""

import numbers
import typing

import keras
from keras import ops, tree

_NEVER = -float("inf")  # the log probability, and the score, of a beam that does not exist
_LEAST_COVERAGE = 1e-6  # a place of the source that nothing looked at costs log(1e-6), not infinity


class Beams(typing.NamedTuple):
    """What `beam_search` found: of each row the best beam first, and those cut at `max_length` behind those that ended.

    tokens: int32 `(batch, width, max_length)`, the start token left out, the end token kept, padding after it.
    scores: float32 `(batch, width)`, nats over the length penalty's divisor; -inf where there is no such beam.
    lengths: int32 `(batch, width)`, number of tokens, the end token counted; 0 where there is no such beam.
    attention: float32 `(batch, width, max_length, source)`, what the model looked at when it chose each token, zeros in
        the padding; None unless asked for.
    """

    tokens: typing.Any
    scores: typing.Any
    lengths: typing.Any
    attention: typing.Any = None


def beam_search(
    step,
    state,
    start_token,
    end_token,
    *,
    max_length,
    width,
    length_penalty=0.0,
    coverage_penalty=0.0,
    attention=None,
    return_attention=False,
    source_mask=None,
    memory=None,
    banned=None,
    minimum_length=0,
    pad_token=None,
    early_stop=True,
):
    """Searches for the `width` best sequences of each row.

    Tokens Y with the attention a_ti of step t to place i of the source are worth (Wu et al. 2016, section 7)

        log P(Y) / ((5 + |Y|) / 6)^length_penalty + coverage_penalty * sum_i log(min(sum_t a_ti, 1))

    where |Y| counts the end token. Each step ranks all running beams, longer by one token, by log P. Those of the first
    `width` that end are set aside, where the `width` best by the score above stay; the first `width` that do not end
    run on. A row stops when no running beam can get past the worst of `width` finished ones: log P only falls and the
    coverage term is never positive, so that a beam may hope for its log P over the kindest divisor to come, no more.
    With `width=1` the first end token stops a row: this is greedy decoding, whatever the penalties. Beams cut at
    `max_length` come behind the finished ones, in places that are left.

        beams = beam_search(step, state, START, END, max_length=50, width=5, length_penalty=0.6)
        best = beams.tokens[:, 0]

    It runs on all backends of Keras, in SavedModels with core TensorFlow operations, and under `jit_compile=True`. In a
    TensorFlow graph `width` and `max_length` may be tensors, and it does the work of just that width; under XLA they
    have to be arguments of the compiled function, which is compiled anew for each value. JAX takes ints alone.

    Args:
        step: function of the last tokens, int32 `(rows,)`, and the state (and of `memory`, if given) to the logits,
            float `(rows, vocabulary)`, and the new state, of the same structure and shapes. There are `batch * width`
            rows, the beams of one sequence side by side.
        state: structure of tensors with the batch as first axis, the state before the first step. Repeated for the
            beams, and reordered as they are.
        start_token: int, or int tensor `()` or `(batch,)`, what the first step is given.
        end_token: int, the token that ends a sequence.
        max_length: int or int tensor `()`, the most tokens a sequence may have, the end token counted.
        width: int or int tensor `()`, the number of beams.
        length_penalty: float or float tensor `()`, the exponent above: 0 for log P itself, 0.6 to 1 are usual in
            translation. "mean" divides by |Y|.
        coverage_penalty: float or float tensor `()`, 0 or more; needs `attention`.
        attention: function of the state after a step to that step's weights, float `(rows, source)`. It is also called
            with the state before the first step, for the shape alone.
        return_attention: whether to return the attention along the beams found.
        source_mask: bool `(batch, source)`, True where there is something to cover; everywhere if None.
        memory: structure of tensors with the batch as first axis that no step changes, such as what attention looks at.
            Repeated for the beams but not reordered, which in the state would be a copy of it all a step.
        banned: bool `(vocabulary,)`, tokens that never come; or float `(vocabulary,)`, added to the logits of every
            step. The other tokens share the probability.
        minimum_length: int or int tensor `()`, how many tokens must stand before the end token.
        pad_token: int, what stands behind the end token; None for the end token itself.
        early_stop: whether a row stops as said above. Without, the search runs to `max_length` and finds the same.

    Returns:
        `Beams`, a named tuple of tokens, scores, lengths, and attention or None. If there are less than `width`
        sequences, as with 3 tokens and a `max_length` of 1, the last beams have length 0 and score -inf.

    Raises:
        ValueError: if a number is out of range (a tensor below 1 counts as 1), an argument that another needs is
            missing, or the model's step gives what it should not.
    """
    return _Search(**locals()).run()


class _Running(typing.NamedTuple):
    """The running beams after some steps, of each row the best first."""

    length: typing.Any  # int32 ()
    tokens: typing.Any  # the last ones, int32 (rows,), where rows are batch * width
    log_probability: typing.Any  # float32 (batch, width)
    state: tuple  # the leaves of the model's state, (rows, ...)
    coverage: tuple  # with a coverage penalty, the sum of the attention of all steps, float32 (rows, source)


class _Finished(typing.NamedTuple):
    """The finished beams, of each row the best first; each `(batch, width)`."""

    scores: typing.Any  # float32
    lengths: typing.Any  # int32
    parents: typing.Any  # int32, the place that a beam had before its last token


class _History(typing.NamedTuple):
    """What each step chose. A beam is known by its place; one look back through the parents gives its tokens."""

    tokens: typing.Any  # of each place after a step, int32 (max_length, batch, width)
    parents: typing.Any  # of each place after a step, the place before it, int32 (max_length, batch, width)
    attention: tuple  # if asked for, of each place before a step, float32 (max_length, rows, source)


class _Search:
    """One call of `beam_search`, whose arguments are its attributes."""

    def __init__(self, state, memory, source_mask, **arguments):
        _check(**arguments)
        vars(self).update(arguments)
        self.width = _count("width", self.width, 1)
        self.max_length = _count("max_length", self.max_length, 1)
        self.minimum_length = _count("minimum_length", self.minimum_length, 0)
        self.batch, self.structure = _batch_size(state), state
        self.rows = self.batch * self.width
        self.first_state = tuple(self.repeat(x) for x in tree.flatten(state))
        self.memory = () if memory is None else (tree.map_structure(self.repeat, memory),)
        self.source_mask = None if source_mask is None else self.repeat(ops.cast(source_mask, "bool"))

    def run(self):
        def any_runs(running, finished, history):
            alive = ops.any(running.log_probability > _NEVER)
            return ops.logical_and(running.length < self.max_length, alive)

        return self.results(*ops.while_loop(any_runs, self.advance, self.start()))

    def start(self):
        state = tree.pack_sequence_as(self.structure, self.first_state)
        sources = () if self.attention is None else (ops.shape(self.attention(state))[-1],)
        nothing = ops.zeros((self.batch, self.width), "int32")
        never = ops.full((self.batch, self.width), _NEVER, "float32")
        # The beams of a row are all the same before the first step: let one run.
        first = ops.equal(ops.arange(self.width, dtype="int32"), 0)
        start_tokens = ops.reshape(ops.cast(self.start_token, "int32"), (-1, 1))
        running = _Running(
            length=ops.convert_to_tensor(0, "int32"),
            tokens=ops.reshape(start_tokens + nothing, (self.rows,)),
            log_probability=ops.where(first, ops.zeros_like(never), never),
            state=self.first_state,
            coverage=tuple(ops.zeros((self.rows, n), "float32") for n in sources if _wanted(self.coverage_penalty)),
        )
        finished = _Finished(scores=never, lengths=nothing, parents=nothing)
        nothing = ops.zeros((self.max_length, self.batch, self.width), "int32")
        attention = (ops.zeros((self.max_length, self.rows, n), "float32") for n in sources if self.return_attention)
        return running, finished, _History(tokens=nothing, parents=nothing, attention=tuple(attention))

    def advance(self, running, finished, history):
        """One step of the model, and the choice among what it offers."""
        state = tree.pack_sequence_as(self.structure, running.state)
        logits, state = self.step(running.tokens, state, *self.memory)
        weights = None if self.attention is None else ops.cast(self.attention(state), "float32")
        state = _alike(tree.flatten(state), running.state)
        coverage = tuple(total + weights for total in running.coverage)

        values, tokens, parents = self.extensions(self.allowed(logits, running.length), running.log_probability)
        ends = ops.equal(tokens, self.end_token)
        length = running.length + 1
        missed = self.missed(coverage)
        scores = self.scores(values, length, None if missed is None else _pick(missed, parents))
        # Candidates stand in their order: the first `width` of them are the beam of this step.
        set_aside = ops.logical_and(ends, ops.arange(2 * self.width, dtype="int32") < self.width)
        finished = self.kept(finished, ops.where(set_aside, scores, _NEVER), length, parents)

        values, places = ops.top_k(ops.where(ends, _NEVER, values), self.width)
        tokens, parents = _pick(tokens, places), _pick(parents, places)
        history = _History(
            tokens=_write(history.tokens, running.length, tokens),
            parents=_write(history.parents, running.length, parents),
            attention=tuple(_write(x, running.length, weights) for x in history.attention),
        )
        origin = ops.reshape(_rows(parents, self.width), (self.rows,))
        running = _Running(
            length=length,
            tokens=ops.reshape(tokens, (self.rows,)),
            log_probability=ops.where(self.stops(values, length, finished), _NEVER, values),
            state=self.followed(state, origin),
            coverage=self.followed(coverage, origin),
        )
        return running, finished, history

    def allowed(self, logits, length):
        """The logits in float32, with what may not come now at -inf."""
        vocabulary = logits.shape[-1]
        if len(logits.shape) != 2 or vocabulary is None or not max(1, self.end_token) < vocabulary:
            raise ValueError(
                "`step` should give logits of shape (rows, vocabulary), where the vocabulary is known, more than 1 and "
                f"more than `end_token`. Received: logits.shape={logits.shape}, end_token={self.end_token}"
            )
        logits = ops.reshape(ops.cast(logits, "float32"), (self.rows, vocabulary))
        if self.banned is not None:
            banned = ops.convert_to_tensor(self.banned)
            if keras.backend.standardize_dtype(banned.dtype) == "bool":
                banned = ops.where(banned, _NEVER, 0.0)
            logits = logits + ops.cast(banned, "float32")
        if _wanted(self.minimum_length):
            early = ops.logical_and(ops.arange(vocabulary) == self.end_token, length < self.minimum_length)
            logits = ops.where(early, _NEVER, logits)
        return logits

    def extensions(self, logits, log_probability):
        """The `2 * width` likeliest beams longer by one token: log P, that token, and the place of their parent."""
        # One beam can be the parent of `width` that run on and of one that ends, so that its `width + 1` likeliest are
        # enough; and of the `2 * width` likeliest of all at most `width` end, which leaves `width` to run on.
        count = _minimum(self.width + 1, logits.shape[-1])
        values, tokens = _top_k(logits, count)
        # Where all is banned, the difference would be NaN; with the maximum it is -inf, and the beam is dropped.
        values = values - ops.maximum(ops.logsumexp(logits, axis=-1, keepdims=True), -1e30)
        values = ops.reshape(values, (self.batch, self.width, count)) + ops.expand_dims(log_probability, -1)
        values, places = ops.top_k(ops.reshape(values, (self.batch, self.width * count)), 2 * self.width)
        tokens = ops.reshape(tokens, (self.batch, self.width * count))
        return values, _pick(tokens, places), ops.cast(places, "int32") // count

    def scores(self, log_probability, length, missed):
        scores = log_probability / self.divisor(length)
        return scores if missed is None else scores + ops.cast(self.coverage_penalty, "float32") * missed

    def divisor(self, length):
        length = ops.cast(length, "float32")
        if isinstance(self.length_penalty, str):  # "mean"
            return length
        return ((5.0 + length) / 6.0) ** ops.cast(self.length_penalty, "float32")

    def missed(self, coverage):
        """The sum of the coverage penalty, `(batch, width)`; None without one."""
        for total in coverage:
            missed = ops.log(ops.clip(total, _LEAST_COVERAGE, 1.0))
            if self.source_mask is not None:
                missed = ops.where(self.source_mask, missed, 0.0)
            return ops.reshape(ops.sum(missed, axis=-1), (self.batch, self.width))

    def kept(self, finished, scores, length, parents):
        """The best of the finished beams and of those that finish now; of equal ones, the older."""
        scores, places = ops.top_k(ops.concatenate([finished.scores, scores], axis=1), self.width)
        lengths = ops.concatenate([finished.lengths, ops.broadcast_to(length, ops.shape(parents))], axis=1)
        parents = ops.concatenate([finished.parents, parents], axis=1)
        return _Finished(scores=scores, lengths=_pick(lengths, places), parents=_pick(parents, places))

    def stops(self, log_probability, length, finished):
        """Whether the running beams of a row can change nothing any more, bool `(batch, 1)`."""
        # The divisor rises with the length or falls with it: the kindest is that of the next length or of the last.
        best, next_length = log_probability[:, :1], _minimum(length + 1, self.max_length)
        hope = ops.maximum(best / self.divisor(next_length), best / self.divisor(self.max_length))
        greedy = ops.logical_and(ops.equal(self.width, 1), finished.scores[:, :1] > _NEVER)
        return ops.logical_or(greedy, hope <= finished.scores[:, -1:]) if self.early_stop else greedy

    def followed(self, tensors, origin):
        """The tensors `(rows, ...)` of the running beams, taken from their parents' rows."""
        if isinstance(self.width, int) and self.width == 1:
            return tuple(tensors)
        return tuple(ops.take(x, origin, axis=0) for x in tensors)

    def results(self, running, finished, history):
        """The beams to return: the finished ones first, then the best of those still running."""
        # The last step of those that run is taken back, so that like a finished beam each is a parent and a token.
        last = ops.maximum(running.length - 1, 0)
        scores = self.scores(running.log_probability, running.length, self.missed(running.coverage))
        scores, places = ops.top_k(scores, self.width)
        parents, tokens = (_pick(ops.take(x, last, axis=0), places) for x in (history.parents, history.tokens))
        number = ops.sum(ops.cast(finished.scores > _NEVER, "int32"), axis=1, keepdims=True)
        place = ops.arange(self.width, dtype="int32")
        place = ops.where(place < number, place, place - number + self.width)

        def filled(finished, running):
            running = ops.broadcast_to(running, (self.batch, self.width))
            return _pick(ops.concatenate([finished, running], axis=1), place)

        scores = filled(finished.scores, scores)
        lengths = ops.where(scores > _NEVER, filled(finished.lengths, running.length), 0)
        ending = ops.full((self.batch, self.width), self.end_token, "int32")
        tokens, path = self.look_back(
            history, running.length, lengths, filled(finished.parents, parents), filled(ending, tokens)
        )
        attention = self.attention_along(history, path, lengths) if self.return_attention else None
        return Beams(tokens=tokens, scores=scores, lengths=lengths, attention=attention)

    def look_back(self, history, steps, lengths, places, last_tokens):
        """The tokens of beams `(batch, width, max_length)`, and their places before each step, time first."""

        def look(t, places, tokens, path):
            inside = t < lengths - 1
            token = _pick(ops.take(history.tokens, t, axis=0), places)
            token = ops.where(inside, token, ops.where(ops.equal(t, lengths - 1), last_tokens, pad))
            places = ops.where(inside, _pick(ops.take(history.parents, t, axis=0), places), places)
            return t - 1, places, _write(tokens, t, token), _write(path, t, places)

        pad = self.end_token if self.pad_token is None else self.pad_token
        tokens = ops.full((self.max_length, self.batch, self.width), pad, "int32")
        first = (steps - 1, places, tokens, ops.zeros_like(tokens))
        _, _, tokens, path = ops.while_loop(lambda t, *_: t >= 0, look, first)
        return ops.transpose(tokens, (1, 2, 0)), path

    def attention_along(self, history, path, lengths):
        (weights,) = history.attention
        source = ops.shape(weights)[-1]
        times = ops.reshape(ops.arange(self.max_length, dtype="int32"), (-1, 1, 1))
        found = ops.take(ops.reshape(weights, (-1, source)), times * self.rows + _rows(path, self.width), axis=0)
        found = ops.where(ops.expand_dims(times < lengths, -1), found, 0.0)
        return ops.transpose(found, (1, 2, 0, 3))

    def repeat(self, x):
        """`(batch, ...)` to `(batch * width, ...)`, the same for all beams of a row."""
        shape = ops.shape(x)[1:]
        x = ops.broadcast_to(ops.expand_dims(x, 1), (self.batch, self.width, *shape))
        return ops.reshape(x, (self.rows, *shape))


def _rows(places, size):
    """Places `(..., batch, n)` among `size` of each row, as places among all of `batch * size`."""
    batch = ops.shape(places)[-2]
    return places + ops.reshape(ops.arange(batch, dtype="int32") * size, (-1, 1))


def _top_k(x, k):
    """`ops.top_k` of `x` `(rows, n)`, on a CPU in a third of its time where n is thousands."""
    n, size = x.shape[-1], 64
    blocks = -(-n // size)
    if blocks < 16 or (isinstance(k, int) and 4 * k > blocks):
        values, places = ops.top_k(x, k)
        return values, ops.cast(places, "int32")
    if n % size:
        x = ops.pad(x, [(0, 0), (0, blocks * size - n)], constant_values=_NEVER)
    x = ops.reshape(x, (-1, blocks, size))
    # What is in none of the k blocks of greatest maxima has k greater before it. The blocks keep their order, so that
    # of equal values the first still comes first.
    count = _minimum(k, blocks)
    _, chosen = ops.top_k(ops.max(x, axis=-1), count)
    chosen = ops.sort(ops.cast(chosen, "int32"), axis=-1)
    x = ops.take(ops.reshape(x, (-1, size)), _rows(chosen, blocks), axis=0)
    values, places = ops.top_k(ops.reshape(x, (-1, count * size)), k)
    places = ops.cast(places, "int32")
    return values, _pick(chosen, places // size) * size + places % size


def _pick(x, places):
    """Of `x` `(batch, m)` what stands at `places` `(batch, n)`: `(batch, n)`."""
    batch, size = ops.shape(x)
    return ops.take(ops.reshape(x, (batch * size,)), _rows(ops.cast(places, "int32"), size), axis=0)


def _write(x, t, value):
    """`x` with `x[t]` replaced."""
    return ops.scatter_update(x, ops.reshape(t, (1, 1)), ops.expand_dims(value, 0))


def _minimum(a, b):
    return min(a, b) if isinstance(a, int) and isinstance(b, int) else ops.minimum(a, b)


def _wanted(penalty):
    return not (isinstance(penalty, numbers.Number) and penalty == 0)


def _alike(leaves, before):
    """The leaves of a new state, with the shapes and dtypes that a loop keeps."""
    if len(leaves) != len(before) or any(len(x.shape) != len(y.shape) for x, y in zip(leaves, before)):
        shapes = [[tuple(x.shape) for x in given] for given in (before, leaves)]
        raise ValueError(
            "`step` should give a state of the structure and shapes that it got. "
            f"Received: the shapes {shapes[1]}, after {shapes[0]}"
        )
    # A step may know less of the shapes than the state it began with, or compute in another precision.
    return tuple(
        ops.cast(x if tuple(x.shape) == tuple(y.shape) else ops.reshape(x, ops.shape(y)), y.dtype)
        for x, y in zip(leaves, before)
    )


def _batch_size(state):
    leaves = tree.flatten(state)
    if not leaves or any(len(x.shape) == 0 for x in leaves):
        raise ValueError(f"`state` should be tensors with the batch as their first axis. Received: state={state}")
    return ops.shape(leaves[0])[0]


def _count(name, value, least):
    if ops.is_tensor(value):
        return ops.maximum(ops.cast(value, "int32"), least)
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"`{name}` should be an integer, {least} or more. Received: {name}={value!r}")
    return int(value)


def _check(end_token, length_penalty, coverage_penalty, attention, return_attention, **_):
    if not isinstance(end_token, numbers.Integral) or end_token < 0:
        raise ValueError(f"`end_token` should be an integer, 0 or more. Received: end_token={end_token!r}")
    if isinstance(length_penalty, str) and length_penalty != "mean":
        raise ValueError(f"`length_penalty` should be a number or 'mean'. Received: length_penalty={length_penalty!r}")
    if isinstance(coverage_penalty, numbers.Number) and coverage_penalty < 0:
        raise ValueError(f"`coverage_penalty` should be 0 or more. Received: coverage_penalty={coverage_penalty}")
    if attention is None and (return_attention or _wanted(coverage_penalty)):
        raise ValueError(
            "`coverage_penalty` and `return_attention` need `attention`, a function from the model's state to the "
            "weights of the step that left it. Received: attention=None"
        )
