"""Drawing symbols from a model's logits, one at a time, where a visitor looks on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BANNED = -1e8  # models give -1e9 where a symbol may not come


@dataclass(frozen=True)
class Symbol:
    """A symbol that a model wrote.

    Attributes:
        text: a character, a word, or of music a line of the header.
        probability: what the model gave it, before temperature, top-k and top-p.
        others: the two likeliest other symbols and their probabilities, likeliest first.
    """

    text: str
    probability: float
    others: tuple[tuple[str, float], ...]


def allowed(logits: np.ndarray) -> np.ndarray:
    """Logits in float64, -inf where the model bans a symbol: it must not come, however high the temperature."""
    return np.where(logits < BANNED, -np.inf, logits.astype(np.float64))


def likeliest(logits: np.ndarray, k: int) -> np.ndarray:
    """The `k` largest logits in their places, -inf in all others; all of them if `k` is 0.

    Args:
        logits: float `(symbols,)`. Of equal ones at the border, the earlier are kept.
        k: not negative.
    """
    if not 0 < k < len(logits):
        return logits
    kept = np.argsort(-logits, kind="stable")[:k]
    result = np.full_like(logits, -np.inf)
    result[kept] = logits[kept]
    return result


def draw(logits: np.ndarray, temperature: float, top_p: float, random: np.random.Generator) -> int:
    """Draws a symbol among the likeliest that together reach `top_p`.

    Args:
        logits: float `(symbols,)`.
        temperature: above 0; the logits are divided by it first.
        top_p: share of the probability that is drawn from; 0 is the likeliest symbol alone.
    """
    probability = softmax(logits / temperature)
    order = np.argsort(-probability, kind="stable")
    reached = np.cumsum(probability[order])
    kept = reached[: np.searchsorted(reached, min(top_p, reached[-1])) + 1]
    return int(order[np.searchsorted(kept, random.random() * kept[-1], side="right")])


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def written(token: int, logits: np.ndarray, names: Sequence[str]) -> Symbol:
    """The symbol `token`, drawn from `logits` `(symbols,)`, as a page shows it; `names` are those of all symbols."""
    probability = softmax(logits.astype(np.float64))
    best = np.argpartition(-probability, 3)[:3] if len(probability) > 3 else np.arange(len(probability))
    others = sorted((index for index in best if index != token), key=lambda index: -probability[index])[:2]
    return Symbol(
        names[token], float(probability[token]), tuple((names[index], float(probability[index])) for index in others)
    )
