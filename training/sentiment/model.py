"""The recurrent part, trained against small changes of its embeddings; and the whole, from strings to an answer."""

import keras
import tensorflow as tf

from seqkeras.models import SequenceClassifier
from seqkeras.text import split_words


@keras.saving.register_keras_serializable("seqkeras_training")
class AdversarialClassifier(SequenceClassifier):
    """A SequenceClassifier whose training also meets the worst small change of each review's embeddings.

    Miyato, Dai and Goodfellow (2017): with e the embeddings of a review and g = dL/de, the loss is

        L(e) + L(e + r),   r = perturbation * |e| * g / |g|

    Args:
        perturbation: length of r as a share of the length of e; 0 trains as usual.
        Others: those of `SequenceClassifier`.
    """

    def __init__(self, *args, perturbation=0.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.perturbation = perturbation

    def train_step(self, data):
        if not self.perturbation:
            return super().train_step(data)
        ids, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
        mask = tf.not_equal(ids, 0)
        variables = self.trainable_variables
        with tf.GradientTape() as tape:
            embedded = self.embedding(ids)
            outputs = self.classify(embedded, mask, training=True)
            loss = self.compute_loss(x=ids, y=targets, y_pred=outputs, sample_weight=weights)
        *gradients, towards = tape.gradient(loss, [*(v.value for v in variables), embedded])
        real = tf.cast(mask, towards.dtype)[:, :, None]
        length = tf.sqrt(tf.reduce_sum(tf.square(embedded * real), axis=(1, 2), keepdims=True))
        steepness = tf.sqrt(tf.reduce_sum(tf.square(towards), axis=(1, 2), keepdims=True))
        change = tf.stop_gradient(self.perturbation * length * towards / (steepness + 1e-12))
        with tf.GradientTape() as tape:
            changed = self.classify(self.embedding(ids) + change, mask, training=True)
            changed_loss = self.compute_loss(x=ids, y=targets, y_pred=changed, sample_weight=weights)
        more = tape.gradient(changed_loss, [v.value for v in variables])
        self.optimizer.apply(
            [tf.convert_to_tensor(g) + tf.convert_to_tensor(m) for g, m in zip(gradients, more)], variables
        )
        # Keras divides a loss by the number of replicas.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        self._loss_tracker.update_state(loss * replicas, sample_weight=tf.shape(ids)[0])
        return self.compute_metrics(ids, targets, outputs, sample_weight=weights)

    def get_config(self):
        return {**super().get_config(), "perturbation": self.perturbation}


class Sentiment(tf.Module):
    """From reviews to answers: the recurrent part's log-odds and the phrases', weighed and added.

    Args:
        classifier: a built SequenceClassifier with the outputs "positive" and "stars".
        evidence: ngrams.Evidence.
        vocabulary: seqkeras.text.Vocabulary.
        weights: dict of floats: log-odds = recurrent * classifier + phrases * evidence + bias; and
            stars = star_head * (stars of the classifier) + star_odds * tanh(log-odds / 2) + star_bias.
        max_words: how much of a review is read.
    """

    def __init__(self, classifier, evidence, vocabulary, weights, max_words):
        super().__init__()
        self.classifier = classifier
        self.evidence = evidence
        self.vocabulary = vocabulary
        self.table = vocabulary._lookup  # tracked, so that a SavedModel holds it
        self.weights = dict(weights)
        self.max_words = max_words

    def parts(self, text):
        """Log-odds of the classifier and of the phrases, the classifier's stars (0 to 1): float32 `(batch,)` each."""
        words = split_words(text, self.max_words)
        outputs = self.classifier(self._ids(words))
        evidence = tf.reduce_sum(self.evidence.shares(words), axis=1) + self.evidence.bias
        return _log_odds(outputs["positive"][:, 0]), evidence, outputs["stars"][:, 0]

    def rate(self, text):
        """text string `(batch,)` -> dict of positive, float32 `(batch,)`, and stars, float32 `(batch,)` from 1 to 5."""
        return self.answer(*self.parts(text))

    def answer(self, recurrent, phrases, star_head):
        """The answer from its three parts, each float32 `(batch,)`."""
        w = self.weights
        odds = w["recurrent"] * recurrent + w["phrases"] * phrases + w["bias"]
        stars = w["star_head"] * (1 + 4 * star_head) + w["star_odds"] * tf.tanh(odds / 2) + w["star_bias"]
        return {"positive": tf.sigmoid(odds), "stars": tf.clip_by_value(stars, 1.0, 5.0)}

    def explain(self, text):
        """As `rate`, and besides tokens string `(batch, words)` and weights float32 `(batch, words)`.

        A token's weight is its share of the log-odds (in nats, positive speaks for): the sum of a row and a constant
        make the log-odds. Past the end of a text stand "" and 0.
        """
        words = split_words(text, self.max_words)
        ids = self._ids(words)
        phrases = self.evidence.shares(words)
        longest = tf.shape(phrases)[1]
        outputs, recurrent = self.classifier.explain(ids, "positive")
        shares = self.weights["recurrent"] * recurrent[:, :longest] + self.weights["phrases"] * phrases
        evidence = tf.reduce_sum(phrases, axis=1) + self.evidence.bias
        answer = self.answer(_log_odds(outputs["positive"][:, 0]), evidence, outputs["stars"][:, 0])
        return {"tokens": words.to_tensor(""), "weights": shares, **answer}

    def _ids(self, words):
        """Ids `(batch, longest or 1)`: a batch of nothing but empty texts still has one step, of padding."""
        ids = tf.cast(self.vocabulary.ids(words.to_tensor("")), tf.int32)
        return tf.pad(ids, [[0, 0], [0, tf.maximum(1 - tf.shape(ids)[1], 0)]])


def _log_odds(probability):
    """ln p/(1-p), with p kept off 0 and 1 as far as float32 can tell."""
    p = tf.clip_by_value(probability, 1e-7, 1 - 1e-7)
    return tf.math.log(p) - tf.math.log1p(-p)
