"""CIDEr-D: how much of a caption is what people say of this picture, and of few others.

R. Vedantam, C. L. Zitnick, D. Parikh: CIDEr: Consensus-based Image Description Evaluation, CVPR 2015, arXiv 1411.5726,
sections 3 and 7 (the variant D, made so that repeating rare words does not pay).
"""

import collections
import math

LONGEST = 4  # words of an n-gram
DEVIATION = 6.0  # words: sigma of the penalty for a caption that is longer or shorter than its reference
SCALE = 10.0


def cider_d(hypotheses, references):
    """CIDEr-D of a corpus: the mean of its captions.

    A caption c is compared with each of its picture's m references s. For n-grams of n words it is a vector g^n with an
    element for every n-gram w,

        g_w(c) = (how often w is in c) * ln(pictures / pictures with w in at least one of their references)

    where an n-gram that no reference has counts as if one picture had it. Then

        CIDEr-D_n(c) = 10/m * sum over s of  exp(-(|c| - |s|)^2 / (2 * 6^2))
                                             * sum over w of min(g_w(c), g_w(s)) * g_w(s) / (|g(c)| * |g(s)|)

    with |c| the number of words, and CIDEr-D is the mean of n = 1, 2, 3, 4.

    The elements hold counts, as they do in the authors' program with which published figures were made; the paper's
    equation divides them by the number of n-grams, which would make the minimum one of shares. The document
    frequencies are those of the references given here, as is usual, so a figure holds for this set of pictures only:
    with a single picture every weight is ln 1 and the score is 0.

    Args:
        hypotheses: list of str, a caption for each picture, words with spaces between them. Case and punctuation count;
            for figures to compare with others', lower case without punctuation is the custom.
        references: list of lists of str, the captions of each picture, one at least.

    Returns:
        float, 0 to 10, as the authors' program gives it (papers often print a hundred times as much as this: 0.45 here
        is "45.0" there). 10 is out of reach unless all references of a picture are the same and have four words or
        more.

    Raises:
        ValueError: there are no captions, not as many of one as of the other, or a picture without a reference.
    """
    scores = cider_d_each(hypotheses, references)
    return sum(scores) / len(scores)


def cider_d_each(hypotheses, references):
    """CIDEr-D of each caption, list of float, 0 to 10; arguments and errors are those of `cider_d`."""
    if not hypotheses or len(hypotheses) != len(references):
        raise ValueError(
            "As many hypotheses as lists of references are wanted, and one at least. "
            f"Received: {len(hypotheses)} and {len(references)}"
        )
    if not all(references):
        raise ValueError(f"Every picture wants a reference. Number {list(map(bool, references)).index(False)} has none")
    counted = [[_count(text) for text in texts] for texts in references]
    pictures_with = collections.Counter(
        ngram for texts in counted for ngram in set().union(*(counts for text in texts for counts in text))
    )

    def weigh(text):
        return [
            {ngram: count * math.log(len(references) / max(1, pictures_with[ngram])) for ngram, count in counts.items()}
            for counts in text
        ]

    scores = []
    for hypothesis, texts in zip(hypotheses, counted):
        ours, length = weigh(_count(hypothesis)), len(hypothesis.split())
        total = 0.0
        for text in texts:
            difference = length - sum(text[0].values())
            penalty = math.exp(-(difference**2) / (2 * DEVIATION**2))
            total += penalty * sum(map(_clipped_cosine, ours, weigh(text))) / LONGEST
        scores.append(SCALE * total / len(texts))
    return scores


def _count(text):
    """The n-grams of a text and how often each is there: a Counter of tuples of words for n = 1, 2, 3, 4."""
    words = text.split()
    return [collections.Counter(zip(*(words[i:] for i in range(n)))) for n in range(1, LONGEST + 1)]


def _clipped_cosine(ours, theirs):
    """Cosine of two sparse vectors, of which the first is nowhere taken for more than the second; 0 where one is 0."""
    norms = math.hypot(*ours.values()) * math.hypot(*theirs.values())
    return sum(min(weight, theirs.get(ngram, 0.0)) * theirs.get(ngram, 0.0) for ngram, weight in ours.items()) / (
        norms or 1.0
    )
