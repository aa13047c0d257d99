import pytest

from training import Stop
from training.datasets import csv_reviews


def write(path, rows, header="review,mood"):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_splits_share_no_text_and_lose_none(tmp_path):
    path = write(tmp_path / "a.csv", [f'"text, number {i}",{("neg", "Positive", "0", "1")[i % 4]}' for i in range(300)])
    splits = {s: list(csv_reviews.load(s, path, "review", "mood").as_numpy_iterator()) for s in csv_reviews.SHARES}
    texts = [row["text"] for rows in splits.values() for row in rows]
    assert len(texts) == len(set(texts)) == 300
    assert len(splits["train"]) > 200
    for row in splits["train"]:
        number = int(row["text"].split()[-1])
        assert row["label"] == number % 2 and row["stars"] == (8 if number % 2 else 3)


@pytest.mark.parametrize(
    "rows, header, said",
    [
        (["a,1"], "text,mood", "no column 'review'"),
        (["a,maybe"], "review,mood", "'maybe'"),
        (["a,1"], "review,mood", "too few"),
        (["a, b,1"] * 300, "review,mood", "more cells than its first line has names"),
        (["0,a, b"] * 200 + ["1,c"] * 100, "mood,review", "more cells than its first line has names"),
    ],
)
def test_says_what_is_wrong(tmp_path, rows, header, said):
    path = write(tmp_path / "a.csv", rows, header)
    with pytest.raises(Stop, match=said):
        for split in csv_reviews.SHARES:
            csv_reviews.load(split, path, "review", "mood")


def test_no_file_and_no_utf8(tmp_path):
    with pytest.raises(Stop, match="--csv"):
        csv_reviews.load("train", None)
    with pytest.raises(Stop, match="Cannot read"):
        csv_reviews.load("train", tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"text,label\n\xff\xfe,1\n")
    with pytest.raises(Stop, match="UTF-8"):
        csv_reviews.load("train", tmp_path / "b.csv")
