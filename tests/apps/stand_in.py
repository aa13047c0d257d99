"""Stand-ins for trained models: the same signatures from a few lines of plain TensorFlow.

`python -m tests.apps.stand_in FOLDER` writes them, to see the suite without a trained model:
`SEQKERAS_SAVED_MODELS=FOLDER streamlit run apps/streamlit_app.py`.
"""

import json
import sys
from pathlib import Path

import tensorflow as tf

MAX_WORDS = 200
LEXICON = {
    "good": 1.0, "great": 1.6, "loved": 1.8, "wonderful": 1.7, "fun": 0.9, "warm": 0.7, "best": 1.2,
    "bad": -1.2, "dull": -1.4, "worst": -2.0, "boring": -1.5, "awful": -1.9, "waste": -1.3, "slow": -0.5,
}  # fmt: skip


class LexiconSentiment(tf.Module):
    """Adds up the shares of the words it knows; "not" turns the word after it round."""

    def __init__(self):
        super().__init__()
        self.shares = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(list(LEXICON), list(LEXICON.values())), 0.0
        )

    def read(self, text):
        spaced = tf.strings.regex_replace(tf.strings.lower(text, "utf-8"), r"([^\pL\pM\pN\s'])", r" \1 ")
        tokens = tf.strings.split(spaced)[:, :MAX_WORDS].to_tensor("")
        before = tf.concat([tf.fill([tf.shape(tokens)[0], 1], ""), tokens[:, :-1]], axis=1)[:, : tf.shape(tokens)[1]]
        weights = self.shares.lookup(tokens) * tf.where(before == "not", -1.0, 1.0)
        positive = tf.sigmoid(tf.reduce_sum(weights, axis=1))
        return tokens, weights, positive

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def rate(self, text):
        _, _, positive = self.read(text)
        return {"positive": positive, "stars": 1.0 + 4.0 * positive}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def explain(self, text):
        tokens, weights, positive = self.read(text)
        return {"tokens": tokens, "weights": weights, "positive": positive, "stars": 1.0 + 4.0 * positive}


def save_sentiment(folder: Path) -> Path:
    """Writes the stand-in as <folder>/sentiment with its card, metrics and configuration; returns that folder."""
    model = LexiconSentiment()
    target = Path(folder) / "sentiment"
    tf.saved_model.save(model, str(target), {"serving_default": model.rate, "explain": model.explain})
    (target / "model_card.md").write_text("# Stand-in\n\nA word list, **for tests only**.\n", encoding="utf-8")
    (target / "metrics.json").write_text(json.dumps({"accuracy": 0.5}), encoding="utf-8")
    (target / "config.json").write_text(json.dumps({"max_words": MAX_WORDS}), encoding="utf-8")
    return target


if __name__ == "__main__":
    print(save_sentiment(Path(sys.argv[1])))
