"""A phrase book that the project writes itself, English-French, for `--dataset sample`: no download, same everywhere.

A small grammar composes sentences about people, things and places in both languages at once, with what makes French
worth translating: articles and adjectives that agree in gender and number, adjectives before or behind their noun,
elision (l'eau, n'a, d'Anna), contraction (au, du), participles that agree (elle est allée), negation in two parts,
questions, and guillemets with their spaces. An English sentence has one translation, and none is in two splits.
"""

import collections
import itertools
import random

from training.datasets import pairs

SIZES = {"train": 640, "validation": 80, "test": 80}

# Persons of a verb: first singular, third singular, first plural, third plural.
ME, SHE, WE, THEY = range(4)

Noun = collections.namedtuple("Noun", ["english", "french", "feminine", "kind"])
Adjective = collections.namedtuple("Adjective", ["english", "forms", "before", "kinds"])
Verb = collections.namedtuple("Verb", ["english", "french"])
# feminine is None for people of whom the English says nothing, such as "we".
Subject = collections.namedtuple("Subject", ["english", "french", "person", "feminine"])

NOUNS = (
    Noun("cat", "chat", False, "alive"),
    Noun("dog", "chien", False, "alive"),
    Noun("horse", "cheval", False, "alive"),
    Noun("bird", "oiseau", False, "alive"),
    Noun("aunt", "tante", True, "family"),
    Noun("uncle", "oncle", False, "family"),
    Noun("sister", "sœur", True, "family"),
    Noun("soup", "soupe", True, "meal"),
    Noun("apple", "pomme", True, "meal"),
    Noun("orange", "orange", True, "meal"),
    Noun("coffee", "café", False, "meal"),
    Noun("cake", "gâteau", False, "meal"),
    Noun("salad", "salade", True, "meal"),
    Noun("book", "livre", False, "thing"),
    Noun("key", "clé", True, "thing"),
    Noun("car", "voiture", True, "thing"),
    Noun("tree", "arbre", False, "thing"),
    Noun("umbrella", "parapluie", False, "thing"),
    Noun("watch", "montre", True, "thing"),
    Noun("picture", "image", True, "thing"),
    Noun("suitcase", "valise", True, "thing"),
    Noun("coat", "manteau", False, "thing"),
    Noun("house", "maison", True, "place"),
    Noun("station", "gare", True, "place"),
    Noun("hotel", "hôtel", False, "place"),
    Noun("school", "école", True, "place"),
    Noun("church", "église", True, "place"),
    Noun("market", "marché", False, "place"),
    Noun("museum", "musée", False, "place"),
    Noun("beach", "plage", True, "place"),
)
# Forms: masculine and feminine singular, masculine and feminine plural, and masculine singular before a vowel.
ADJECTIVES = (
    Adjective("small", ("petit", "petite", "petits", "petites", "petit"), True, ("alive", "family", "thing", "place")),
    Adjective("big", ("grand", "grande", "grands", "grandes", "grand"), True, ("alive", "family", "thing", "place")),
    Adjective("old", ("vieux", "vieille", "vieux", "vieilles", "vieil"), True, ("alive", "family", "thing", "place")),
    Adjective("beautiful", ("beau", "belle", "beaux", "belles", "bel"), True, ("alive", "family", "thing", "place")),
    Adjective("new", ("nouveau", "nouvelle", "nouveaux", "nouvelles", "nouvel"), True, ("thing", "place")),
    Adjective("good", ("bon", "bonne", "bons", "bonnes", "bon"), True, ("meal",)),
    Adjective("cold", ("froid", "froide", "froids", "froides", "froid"), False, ("meal",)),
    Adjective("sweet", ("sucré", "sucrée", "sucrés", "sucrées", "sucré"), False, ("meal",)),
    Adjective("green", ("vert", "verte", "verts", "vertes", "vert"), False, ("thing", "place")),
    Adjective("white", ("blanc", "blanche", "blancs", "blanches", "blanc"), False, ("alive", "thing", "place")),
    Adjective("black", ("noir", "noire", "noirs", "noires", "noir"), False, ("thing",)),
    Adjective("red", ("rouge", "rouge", "rouges", "rouges", "rouge"), False, ("thing", "place")),
    Adjective("heavy", ("lourd", "lourde", "lourds", "lourdes", "lourd"), False, ("thing",)),
    Adjective("open", ("ouvert", "ouverte", "ouverts", "ouvertes", "ouvert"), False, ("place",)),
    Adjective(
        "happy", ("heureux", "heureuse", "heureux", "heureuses", "heureux"), False, ("alive", "family", "people")
    ),
    Adjective(
        "tired", ("fatigué", "fatiguée", "fatigués", "fatiguées", "fatigué"), False, ("alive", "family", "people")
    ),
    Adjective("sick", ("malade", "malade", "malades", "malades", "malade"), False, ("alive", "family", "people")),
    Adjective("sad", ("triste", "triste", "tristes", "tristes", "triste"), False, ("alive", "family", "people")),
    Adjective("free", ("libre", "libre", "libres", "libres", "libre"), False, ("people",)),
)
SUBJECTS = (
    Subject("I", "je", ME, None),
    Subject("we", "nous", WE, None),
    Subject("he", "il", SHE, False),
    Subject("she", "elle", SHE, True),
    Subject("Paul", "Paul", SHE, False),
    Subject("Louis", "Louis", SHE, False),
    Subject("Marie", "Marie", SHE, True),
    Subject("Anna", "Anna", SHE, True),
    Subject("Anna and Marie", "Anna et Marie", THEY, True),
    Subject("Paul and Marie", "Paul et Marie", THEY, False),
)
NAMES = SUBJECTS[4:8]
OWNED = ("alive", "family", "meal", "thing")
BE = Verb(("am", "is", "are", "are"), ("suis", "est", "sommes", "sont"))
HAVE = Verb(("have", "has", "have", "have"), ("ai", "a", "avons", "ont"))
GO = Verb(("am going", "is going", "are going", "are going"), ("vais", "va", "allons", "vont"))
WITH_OBJECT = (
    Verb(("see", "sees", "see", "see"), ("vois", "voit", "voyons", "voient")),
    Verb(("look for", "looks for", "look for", "look for"), ("cherche", "cherche", "cherchons", "cherchent")),
    Verb(("like", "likes", "like", "like"), ("aime", "aime", "aimons", "aiment")),
    Verb(("buy", "buys", "buy", "buy"), ("achète", "achète", "achetons", "achètent")),
)
PLACED = (("behind", "derrière"), ("in front of", "devant"), ("near", "près de"))
POSSESSIVES = {
    "my": ("mon", "ma", "mes"),
    "our": ("notre", "notre", "nos"),
    "their": ("leur", "leur", "leurs"),
    "his": ("son", "sa", "ses"),
    "her": ("son", "sa", "ses"),
}


def load(split, source="en", target="fr", manual_dir=None, data_dir=None):
    """The phrase book's pairs of a split, "train" (640), "validation" or "test" (80 each).

    Args:
        source, target: "en" and "fr", or the other way round.
        manual_dir, data_dir: not used; they are there because the other data sets have them.

    Returns:
        A `tf.data.Dataset` of single examples as `training.datasets.pairs` describes them.
    """
    pairs.check(split, source, target, (("en", "fr"), ("fr", "en")))
    splits, start = {}, 0
    everything = write(sum(SIZES.values()))
    for name, size in SIZES.items():
        splits[name] = everything[start : start + size]
        start += size
    columns = dict(zip(("en", "fr"), zip(*splits[split])))
    return pairs.dataset(columns[source], columns[target], split)


def write(count, seed=0):
    """`count` different pairs (English, French), the kinds of sentences in turn."""
    generator = random.Random(seed)

    def pick(items):
        # Of Python's generator only random() is promised to give the same numbers in every version.
        return items[int(generator.random() * len(items))]

    written, seen = [], set()
    for kind in itertools.cycle(SENTENCES):
        if len(written) == count:
            return written
        english, french = kind(pick)
        # Two English sentences of one translation ("his key", "her key") would tie two splits together.
        if not seen & {english, french}:
            seen |= {english, french}
            written.append((english, french))


def _is(pick):
    subject = pick(SUBJECTS)
    known = [a for a in ADJECTIVES if "people" in a.kinds]
    # Where the English hides the gender, only an adjective that hides it too has one translation.
    adjective = pick([a for a in known if subject.feminine is not None or a.forms[0] == a.forms[1]])
    plural = subject.person in (WE, THEY)
    not_english, french = _negated(pick, subject.french, BE.french[subject.person])
    english = f"{subject.english} {BE.english[subject.person]}{not_english} {adjective.english}"
    return _sentence(english, f"{french} {_form(adjective, bool(subject.feminine), plural)}")


def _has(pick):
    subject, (english, french) = pick(SUBJECTS), _phrase(pick, _some(pick, OWNED), ("a", "two"))
    return _sentence(
        f"{subject.english} {HAVE.english[subject.person]} {english}",
        f"{_joined(subject.french, HAVE.french[subject.person])} {french}",
    )


def _has_not(pick):
    subject, noun = pick(SUBJECTS), _some(pick, OWNED)
    do = "does" if subject.person == SHE else "do"
    verb = HAVE.french[subject.person]
    return _sentence(
        f"{subject.english} {do} not have {_a(noun.english)}",
        f"{_joined(subject.french, _joined('ne', verb))} pas {_joined('de', noun.french)}",
    )


def _does(pick):
    subject, verb = pick(SUBJECTS), pick(WITH_OBJECT)
    noun = _some(pick, ("thing",))
    own = {ME: "my", WE: "our", THEY: "their"}.get(subject.person, "her" if subject.feminine else "his")
    english, french = _phrase(pick, noun, (own, "the", "this"))
    return _sentence(
        f"{subject.english} {verb.english[subject.person]} {english}",
        f"{_joined(subject.french, verb.french[subject.person])} {french}",
    )


def _thing_is(pick):
    noun, plural = _some(pick), pick((False, False, True))
    determiner = pick(("the", "this", "my", "our") if noun.kind in OWNED else ("the", "this"))
    english, french = _determined(determiner, noun, "", noun.french, plural)
    adjective = pick([a for a in ADJECTIVES if noun.kind in a.kinds])
    person = THEY if plural else SHE
    not_english, french = _negated(pick, french, BE.french[person])
    return _sentence(
        f"{english} {BE.english[person]}{not_english} {adjective.english}",
        f"{french} {_form(adjective, noun.feminine, plural)}",
    )


def _is_it(pick):
    noun = _some(pick)
    adjective = pick([a for a in ADJECTIVES if noun.kind in a.kinds])
    french = f"est-ce que {_the(noun)} est {_form(adjective, noun.feminine)}"
    return _sentence(f"is the {noun.english} {adjective.english}", french, "?")


def _where(pick):
    noun, plural = _some(pick, ("thing", "place")), pick((False, False, True))
    determiner = pick(("the", "my", "our") if noun.kind in OWNED else ("the",))
    english, french = _determined(determiner, noun, "", noun.french, plural)
    verb = THEY if plural else SHE
    return _sentence(f"where {BE.english[verb]} {english}", f"où {BE.french[verb]} {french}", "?")


def _goes(pick):
    subject, place = pick(SUBJECTS), _some(pick, ("place",))
    when = pick((("today", "aujourd'hui"), ("tomorrow", "demain"), ("with Paul", "avec Paul"), ("now", "maintenant")))
    if subject.french in when[1] or "Paul" in subject.french:
        when = ("this evening", "ce soir")
    return _sentence(
        f"{subject.english} {GO.english[subject.person]} to the {place.english} {when[0]}",
        f"{_joined(subject.french, GO.french[subject.person])} {_contracted('à', place)} {when[1]}",
    )


def _went(pick):
    subject = pick([subject for subject in SUBJECTS if subject.feminine is not None])
    place = _some(pick, ("place",))
    participle = "allé" + "e" * subject.feminine + "s" * (subject.person == THEY)
    when = pick((("yesterday", "hier"), ("on Monday", "lundi"), ("this morning", "ce matin")))
    return _sentence(
        f"{subject.english} went to the {place.english} {when[0]}",
        f"{subject.french} {BE.french[subject.person]} {participle} {_contracted('à', place)} {when[1]}",
    )


def _there_is(pick):
    english, french = _phrase(pick, _some(pick, ("alive", "thing")), ("a",))
    place = pick([place for place in NOUNS if place.kind == "place"])
    where = pick(PLACED)
    behind = f"près {_contracted('de', place)}" if where[1] == "près de" else f"{where[1]} {_the(place)}"
    return _sentence(f"there is {english} {where[0]} the {place.english}", f"il y a {french} {behind}")


def _would_like(pick):
    english, french = _phrase(pick, _some(pick, ("meal", "thing")), ("a", "this"))
    return _sentence(f"I would like {english}, please", f"je voudrais {french}, s'il vous plaît")


def _belongs(pick):
    name, noun = pick(NAMES), _some(pick, OWNED)
    owner = _joined("de", name.french)
    return _sentence(f"it's {name.english}'s {noun.english}", f"c'est {_the(noun)} {owner}")


def _says(pick):
    name = pick(NAMES)
    english, french = _thing_is(pick)
    return f'{name.english} says: "{english}"', f"{name.french} dit : « {french} »"


SENTENCES = (
    _is, _has, _does, _thing_is, _where, _goes, _there_is, _has_not, _is_it, _went, _would_like, _belongs, _says,
)  # fmt: skip


def _sentence(english, french, end="."):
    # French puts a space before the question mark.
    return f"{_capital(english)}{end}", f"{_capital(french)}{' ?' if end == '?' else end}"


def _some(pick, kinds=("alive", "family", "meal", "thing", "place")):
    return pick([noun for noun in NOUNS if noun.kind in kinds])


def _phrase(pick, noun, determiners):
    """A noun with a determiner, and half the time an adjective: English and French."""
    determiner = pick(determiners)
    plural = determiner == "two"
    adjective = pick([a for a in ADJECTIVES if noun.kind in a.kinds])
    if pick((True, False)):
        return _determined(determiner, noun, "", noun.french, plural)
    form = _form(adjective, noun.feminine, plural, before=noun.french if adjective.before else "")
    noun_french = _plural(noun.french) if plural else noun.french
    french = f"{form} {noun_french}" if adjective.before else f"{noun_french} {form}"
    return _determined(determiner, noun, adjective.english, french, plural, inflected=True)


def _determined(determiner, noun, adjective, french, plural, inflected=False):
    if plural and not inflected:
        french = _plural(french)
    english = f"{adjective} {_english_plural(noun.english) if plural else noun.english}".strip()
    if determiner == "a":
        return _a(english), f"{'une' if noun.feminine else 'un'} {french}"
    if determiner == "two":
        return f"two {english}", f"deux {french}"
    if determiner == "the":
        article = "les" if plural else "la" if noun.feminine else "le"
        return f"the {english}", f"{article} {french}" if plural else _joined(article, french)
    if determiner == "this":
        if plural:
            return f"these {english}", f"ces {french}"
        return f"this {english}", f"{'cette' if noun.feminine else 'cet' if _vowel(french) else 'ce'} {french}"
    masculine, feminine, many = POSSESSIVES[determiner]
    # "mon orange": the feminine form would put two vowels together.
    own = many if plural else feminine if noun.feminine and not _vowel(french) else masculine
    return f"{determiner} {english}", f"{own} {french}"


def _negated(pick, subject, verb):
    """English " not" or nothing; French subject and verb, negated or not."""
    if pick((True, False, False)):
        return " not", f"{_joined(subject, _joined('ne', verb))} pas"
    return "", _joined(subject, verb)


def _form(adjective, feminine, plural=False, before=""):
    """The form of an adjective; `before` is the noun that follows it, if one does."""
    if before and _vowel(before) and not feminine and not plural:
        return adjective.forms[4]
    return adjective.forms[feminine + 2 * plural]


def _the(noun):
    return _joined("la" if noun.feminine else "le", noun.french)


def _contracted(preposition, noun):
    if noun.feminine or _vowel(noun.french):
        return f"{preposition} {_the(noun)}"
    return f"{'au' if preposition == 'à' else 'du'} {noun.french}"


def _joined(first, second):
    """Two French words, the first elided where it has to be."""
    if first in ("je", "le", "la", "ne", "de") and _vowel(second):
        return f"{first[:-1]}'{second}"
    return f"{first} {second}"


def _vowel(french):
    """Whether a word begins with a vowel or, as all of ours with h do, a silent h."""
    return french[0].lower() in "aeiouéèêôâîœh"


def _plural(french):
    """Plural of a noun: chevaux, oiseaux, livres."""
    if french.endswith("al"):
        return french[:-2] + "aux"
    return french + ("x" if french.endswith("eau") else "s")


def _english_plural(english):
    return english + ("es" if english.endswith(("ch", "s")) else "s")


def _a(english):
    return f"{'an' if english[0] in 'aeiou' else 'a'} {english}"


def _capital(sentence):
    return sentence[0].upper() + sentence[1:]
