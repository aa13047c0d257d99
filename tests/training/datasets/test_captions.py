import pytest
import tensorflow as tf

from training.datasets import captions


def test_examples_keep_their_order_and_their_number_of_captions():
    dataset = captions.dataset(["a", "b"], [b"\x00\xff", b"2"], [["one"], ["un", "deux"]])
    assert dataset.element_spec == {
        "id": tf.TensorSpec((), tf.string),
        "image": tf.TensorSpec((), tf.string),
        "captions": tf.TensorSpec((None,), tf.string),
    }
    rows = list(dataset.as_numpy_iterator())
    assert [(row["id"], row["image"], row["captions"].tolist()) for row in rows] == [
        (b"a", b"\x00\xff", [b"one"]),
        (b"b", b"2", [b"un", b"deux"]),
    ]
    assert next(iter(dataset.padded_batch(2)))["captions"].shape == (2, 2)


def test_tokens():
    text = "b.jpg#0\tA dog .\r\na#1.jpg#0\tA\u0085cat\n\nb.jpg#1\tTwo\twords\n"
    assert captions.read_tokens(text) == {"b.jpg": ["A dog .", "Two\twords"], "a#1.jpg": ["A\u0085cat"]}
    assert list(captions.read_tokens(text)) == ["b.jpg", "a#1.jpg"]


@pytest.mark.parametrize("line", ["b.jpg#0 no tab", "b.jpg\tno number", "#0\tno name"])
def test_a_line_of_another_form_is_named(line):
    with pytest.raises(ValueError, match=r"line 2 is not NAME#0<TAB>caption but '.*no "):
        captions.read_tokens(f"a.jpg#0\tfine\n{line}\n")
