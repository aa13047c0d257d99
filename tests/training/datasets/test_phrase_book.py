import hashlib
import re

import pytest

from training.datasets import phrase_book


@pytest.fixture(scope="module")
def written():
    return phrase_book.write(sum(phrase_book.SIZES.values()))


def test_sizes_and_directions():
    for split, size in phrase_book.SIZES.items():
        there = list(phrase_book.load(split).as_numpy_iterator())
        back = list(phrase_book.load(split, "fr", "en").as_numpy_iterator())
        assert len(there) == len(back) == size
        assert [(a["source"], a["target"]) for a in there] == [(b["target"], b["source"]) for b in back]
    with pytest.raises(ValueError, match="Received: 'en' to 'de'"):
        phrase_book.load("train", "en", "de")


def test_a_sentence_has_one_translation(written):
    assert len({english for english, _ in written}) == len({french for _, french in written}) == len(written)


def test_the_book_is_the_same_everywhere(written):
    digest = hashlib.sha256("\n".join("\t".join(pair) for pair in written).encode())
    assert digest.hexdigest() == "67a835e41e1c0ee8fd8ba90b5e3de7046272aeddf62b3722510134b540bc3398"


def test_the_book_has_what_makes_french_hard(written):
    book = dict(written)
    french = "\n".join(book.values())
    for what in (" au ", " du ", "l'", "d'A", "n'a", "est allée ", "sont allées ", "Cet ", "Mon i", "vieil ", "aux"):
        assert what in french, what


def test_french_elides_and_contracts(written):
    for _, french in written:
        assert not re.search(r"(?i)\b(le|la|de|je|ne) [aeiouéèêâîôœh]", french), french
        assert not re.search(r"(?i)\b(à|de) les? ", french), french
        assert not re.search(
            r"(?i)\b(ce|beau|nouveau|vieux|ma|sa) (arbre|oiseau|oncle|hôtel|orange|image|école|église)\b", french
        ), french
        assert not re.search(r"\w\?|\w»|«\w", french), french


def test_adjectives_and_participles_agree(written):
    feminine = {noun.french for noun in phrase_book.NOUNS if noun.feminine}
    plurals = {phrase_book._plural(noun.french): noun for noun in phrase_book.NOUNS}
    count = 0
    for _, french in written:
        match = re.search(r"(\w+) (?:n'est|n'était|est|ne sont|sont) (?:pas )?(\w+)[.?]", french)
        if not match:
            continue
        noun, adjective = match.groups()
        plural = noun in plurals
        if plural or noun in {noun.french for noun in phrase_book.NOUNS}:
            is_feminine = (plurals[noun].french if plural else noun) in feminine
            forms = {a.forms[is_feminine + 2 * plural] for a in phrase_book.ADJECTIVES}
            assert adjective in forms, french
            count += 1
    assert count > 50
