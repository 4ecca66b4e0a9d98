"""Right answers pass, rounded ones too; each typical mistake gets a hint of its own."""

import importlib
import itertools
import math
import pkgutil
import re

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn.functional import binary_cross_entropy, softplus

from snnl_tutorial.loss.distance import cosine_distance, squared_euclidean_distance
from snnl_tutorial.loss.temperature import AnnealedTemperature, ConstantTemperature
from snnl_tutorial.view import answers
from snnl_tutorial.view.exercises import check


def network(columns):
    """A network whose layer hidden.3 puts out these columns of its input."""
    layer = nn.Linear(4, 4, bias=False)
    layer.weight.data = torch.diag(torch.tensor(columns))
    model = nn.Sequential()
    model.hidden = nn.Sequential(*[nn.Identity()] * 3, layer)
    return model


def descend(temperature, draw):
    at = []
    for epoch in (0, 10):
        temperature.set_epoch(epoch)
        at.append([float(temperature())])
    return torch.tensor(at), "ours"


LABELS = torch.arange(40) % 4
ONE_HOT = nn.functional.one_hot(LABELS).float()
NOISE = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
IMAGES = ONE_HOT + 0.2 * NOISE
DRAWN = torch.randint(4, (40,), generator=torch.Generator().manual_seed(0))
DATA = {
    "2.2": {"images": IMAGES, "query": 3},
    "2.3": {"images": IMAGES},
    "5.3": {"images": IMAGES, "labels": LABELS},
    "6.3": {
        "descend": descend,
        "yardsticks": {"ours": (0.0, 0.5), "theirs": (0.0, 0.4)}.get,
        "ends": {"fixed at 1": "theirs"},
    },
    "7.3": {"labels": LABELS, "measure": lambda _: 0.9, "alone": 0.8},
    "8.2": {"labels": torch.tensor([0, 0, 0, 1, 1, 1])},
    "8.3": {"images": NOISE, "labels": LABELS, "seed": 0},
    "14.3": {"rows": nn.functional.one_hot(DRAWN).float(), "labels": DRAWN.roll(3)},
}
SHARED = torch.stack([torch.zeros(4, 4), NOISE[:4], torch.zeros(4, 4)])
APART = torch.tensor([9.0, 0.0, 0.0])[:, None, None].expand(3, 4, 4)


def hard_share(codes, labels, similarity=None):
    """Share of rows whose most similar other row is a stranger."""
    if similarity is None:
        unit = nn.functional.normalize(codes, dim=1)
        similarity = unit @ unit.T
    nearest = similarity.clone().fill_diagonal_(-1e9).argmax(dim=1)
    return (labels[nearest] != labels).double().mean()


HALF = torch.where(torch.arange(40) < 20, LABELS, -100)
SIGNS = torch.tensor([[1.0] * 16, [-1.0] * 7 + [1.0] * 9])
PAIRS = torch.tensor([0, 0, 1, 1])
MISTAKES = [
    ("1.1", 1.5, "smaller the angle"),
    ("1.1", 1 - math.cos(60), "radians"),
    ("1.1", math.pi / 3, "That is the angle"),
    ("1.2", 0.5, "Upside down"),
    ("1.2", 1, "Both lengths"),
    ("1.3", cosine_distance, "A constant added"),
    ("1.3", squared_euclidean_distance, "Brightness"),
    ("1.3", lambda a, b: 1 - cosine_distance(a, b), "similarity"),
    ("1.3", lambda a, b: torch.zeros(len(a), len(b)), "tells nothing apart"),
    ("1.3", lambda a, b: cosine_distance(a), "(5, 4); got shape (5, 5)"),
    ("2.1", 1 / 20.0855, "Upside down"),
    ("2.1", 3.0, "What does each T do?"),
    ("2.1", 1.34986, "by the temperature"),
    ("2.2", 0.01, "Make it warmer"),
    ("2.2", 10, "Make it colder"),
    ("2.2", 0, "above 0"),
    ("2.3", 0.1, "of shape (40, 1); got one number"),
    ("2.3", torch.full((40,), 0.1), "of shape (40, 1); got shape (40,)"),
    ("2.3", torch.full((40, 1), 0.1), "40 of 40 images do not have 5"),
    ("3.1", -100, "no number below 0"),
    ("3.1", 155, "One off"),
    ("3.2", 459, "N - 1 others"),
    ("3.2", 459.2, "not a whole number"),
    ("3.2", 461, "One row fewer"),
    ("3.3", lambda y, size: torch.arange(size), "are alone in their class"),
    ("3.3", lambda y, size: torch.zeros(size), "63 of the 64 rows are drawn again"),
    ("3.3", lambda y, size: torch.arange(64), "are alone in their class"),
    ("3.3", lambda y, size: torch.arange(size) - 1, "Return row numbers"),
    ("4.1", math.log(10), "neither its own candidate"),
    ("4.1", math.log(200 / 19), "not its own candidate"),
    ("4.1", math.log2(199 / 19), "base 2"),
    ("4.1", -math.log(199 / 19), "The sign"),
    ("4.2", lambda o, s: (1 + (o - s).exp()).log(), "At o - s = 200 it is inf"),
    ("4.2", lambda o, s: (1 + (o - s).double().exp()).log(), "At o - s = -60 it is 0"),
    ("4.2", lambda o, s: softplus(s - o), "swapped"),
    ("4.2", lambda o, s: -softplus(o - s), "The sign"),
    ("4.3", (NOISE, LABELS), "The exact loss"),
    ("4.3", (torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]]), PAIRS), "nearest"),
    ("4.3", (torch.full((4, 2), math.nan), PAIRS), "It raised ValueError"),
    ("4.3", (torch.eye(4), torch.arange(4)), "Every row needs a partner"),
    ("4.3", (torch.cat([SIGNS, -SIGNS]), -100 * PAIRS), "needs a partner"),
    ("4.3", (NOISE.double(), LABELS), "must be float32"),
    ("5.1", 0.6, "weight one half"),
    ("5.1", 2.8, "by the factor"),
    ("5.1", 0.28, "not the primary loss"),
    ("5.2", math.log(10), "neither its own candidate"),
    ("5.2", 49 / 499, "the probability"),
    ("5.3", IMAGES, "must be a network"),
    ("5.3", network([1.0, 1.0, 1.0, 1.0]), "below 80% of chance"),
    ("5.3", network([0.0, 0.0, 0.0, 0.0]), "It is entangled"),
    ("6.1", 11, "a little above 0.25"),
    ("6.1", 13, "count from 0"),
    ("6.2", math.log(10) / math.log(4), "Where is eta?"),
    ("6.2", math.log(10) / math.log(6), "the last one is number 4"),
    ("6.2", 1.44, "is close"),
    ("6.3", AnnealedTemperature, "must be a temperature object"),
    ("6.3", ConstantTemperature(2.0), "begins at T = 2.000 and ends at 2.000"),
    ("6.3", AnnealedTemperature(), "far is 0.5000"),
    ("7.1", 300 * 3072, "The other way round"),
    ("7.1", 300 / 1024, "three colors"),
    ("7.2", lambda a, x: binary_cross_entropy(a, x, reduction="sum"), "all numbers"),
    ("7.2", lambda a, x: -binary_cross_entropy(a, x), "The sign"),
    ("7.2", lambda a, x: -(x * a.log() + (1 - x) * (1 - a).log()).mean(), "finite"),
    ("7.2", lambda a, x: -(x * a.log()).mean(), "second term is missing"),
    ("7.3", LABELS, "40 labels are shown, 20 may be"),
    ("7.3", torch.where(HALF < 0, HALF, 3 - HALF), "Show true labels"),
    ("7.3", torch.arange(20), "of shape (40,); got shape (20,)"),
    ("7.3", HALF, "an entanglement of 0.900"),
    ("8.1", 10, "between 0 and 1"),
    ("8.1", 1.0, "has one name"),
    ("8.2", [0] * 6, "points of both classes"),
    ("8.2", [0, 1, 2, 3, 4, 5], "Fewer clusters"),
    ("8.2", [0, 0, 1], "of shape (6,); got shape (3,)"),
    ("8.3", lambda rows: rows, "that of the pixels"),
    ("8.3", lambda rows: rows.T, "a tensor of 40 rows"),
    ("9.1", 0.93, "the mean of all"),
    ("9.1", 0.9425, "drawn twice"),
    ("9.2", lambda scores, k: sum(scores) / len(scores), "must be the largest"),
    ("9.2", lambda scores, k: max(scores), "must be the mean"),
    ("9.2", lambda scores, k: best_in_order(scores, k), "sort them"),
    ("9.3", lambda a, b: 2 / 6, "in which the first list leads"),
    ("9.3", lambda a, b: 0.0, "just as much"),
    ("9.3", lambda a, b: 5 / 6, "not the others"),
    ("10.1", (46 / 47) ** 32, "31 others"),
    ("10.1", 1 - (46 / 47) ** 31, "with a partner"),
    ("10.2", lambda losses, labels: losses.mean(), "over all rows"),
    ("10.2", lambda losses, labels: losses[:6].mean(), "over the anchors"),
    ("10.2", lambda losses, labels: 2.2 / 3, "alone in its class"),
    ("10.3", (ONE_HOT, LABELS % 2, 1.0), "not below 0.01"),
    ("10.3", (ONE_HOT, LABELS % 2, 0.0), "It raised ValueError"),
    ("10.3", (SIGNS.repeat(2, 1), torch.arange(4) % 2, 0.05), "accuracy of 1.00"),
    ("10.3", (ONE_HOT, LABELS, 0.05), "of two classes"),
    ("11.1", 146543, "rounded up"),
    ("11.1", 141421, "2^30 bytes"),
    ("11.1", 293085, "four bytes"),
    ("11.2", lambda s, own, other: -slopes(s, own, other), "The sign"),
    ("11.2", lambda s, own, other: slopes(s, own, other) / 12, "not the mean"),
    ("11.2", lambda s, own, other: s.softmax(dim=1), "in neither mask"),
    ("11.2", lambda s, own, other: 2 * slopes(s, own, other), "strangers are off"),
    ("11.3", (NOISE, LABELS), "The first half has a loss"),
    ("11.3", (ONE_HOT, LABELS), "a loss of only 0.0"),
    ("11.3", (torch.eye(40), torch.arange(40) % 20), "a row has no partner"),
    ("12.1", 0.025, "Gaps of both signs"),
    ("12.1", 0.15, "by the number of its images"),
    ("12.1", 0.8, "the accuracy"),
    ("12.2", lambda a, b: (b[:, None] > a).double().mean(), "A tie counts half"),
    ("12.2", lambda a, b: (b[:, None] >= a).double().mean(), "half, not whole"),
    ("12.2", lambda a, b: 1 - roc(a, b), "The other way round"),
    ("12.3", (ONE_HOT, LABELS), "At T = 0.1 the loss is"),
    ("12.3", (NOISE, LABELS), "At its best T the loss is"),
    ("12.3", (torch.eye(4), torch.arange(4)), "Every row needs a partner"),
    ("13.1", 3, "picked alike"),
    ("13.1", 1.0397, "the entropy. Perplexity"),
    ("13.1", math.exp(1.5), "in bits; the exponential"),
    ("13.1", 1.5, "the entropy in bits"),
    ("13.1", 0.3536, "The sign"),
    ("13.2", lambda p, own: -supcon(p, own), "The sign"),
    ("13.2", lambda p, own: supcon(p, own) / 5, "not their mean"),
    ("13.2", lambda p, own: -p[own].log().sum(), "row by row"),
    ("13.2", lambda p, own: -p[own].log().mean(), "a mean of its own"),
    ("13.2", lambda p, own: -(p * own).sum(1).log().sum(), "That is ours"),
    ("13.2", lambda p, own: (p.log() * own).sum(), "It is NaN"),
    ("13.3", (NOISE, LABELS), "The mean NCA loss is"),
    ("13.3", (9 * ONE_HOT, LABELS), "The mean of our loss is 0.000"),
    ("13.3", (torch.eye(4), torch.arange(4)), "Every row needs a partner"),
    ("14.1", 2048, "Take its root"),
    ("14.1", 1024, "take the root"),
    ("14.1", 32, "variance 2, not 1"),
    ("14.1", 64, "the whole product"),
    ("14.2", lambda rows: (torch.pdist(rows).median() / 5) ** 2, "twice the squared"),
    ("14.2", lambda rows: torch.pdist(rows).median() / 5, "That is the width"),
    ("14.2", lambda rows: 2 * torch.pdist(rows).median() ** 2 / 5, "A fifth"),
    ("14.2", lambda rows: 2 * (torch.pdist(rows).mean() / 5) ** 2, "not the mean"),
    (
        "14.2",
        lambda rows: 2 * (torch.cdist(rows, rows).median() / 5) ** 2,
        "distance from itself",
    ),
    ("14.3", 0, "at the level of chance"),
    ("14.3", -3, "The other way round"),
    ("14.3", 7, "The other way round"),
    ("15.1", 0, "Equal rows get equal places"),
    ("15.1", 1.5, "at the place of two"),
    ("15.1", 1.125, "halfway between the two"),
    ("15.1", 6, "That is the sum"),
    ("15.1", 2, "two coordinates"),
    ("15.2", lambda map, new: 1.0, "not its own nearest"),
    ("15.2", lambda map, new: in_gaps(map, new, torch.mean), "not their mean"),
    ("15.2", lambda map, new: 1 - in_gaps(map, new), "falls on the map"),
    (
        "15.2",
        lambda map, new: (
            (torch.cdist(new, map).amin(1) > torch.pdist(map).max()).double().mean()
        ),
        "not to the farthest",
    ),
    ("15.3", (NOISE, NOISE), "The displacement is 0.00"),
    ("15.3", (NOISE, NOISE.flip(0)), "They share"),
    ("15.3", (NOISE, 9 * NOISE), "the same size"),
    ("15.3", (NOISE[:9], -NOISE[:9]), "at least 20 points"),
    ("16.1", 0.4, "Take the root"),
    ("16.1", 1, "from (0, 0)"),
    ("16.1", 0.8, "squared before they are added"),
    ("16.1", 0.2, "The stranger counts, too"),
    ("16.1", 0.6, "The partner counts, too"),
    ("16.1", 0.2**0.5, "not the other way"),
    ("16.2", lambda codes, labels: 0.0, "not its own nearest"),
    ("16.2", lambda codes, labels: 1 - hard_share(codes, labels), "That is Recall@1"),
    (
        "16.2",
        lambda codes, labels: hard_share(codes, labels, -torch.cdist(codes, codes)),
        "made one long first",
    ),
    (
        "16.2",
        lambda codes, labels: hard_share(codes, labels, codes @ codes.T),
        "divide the rows by their lengths",
    ),
    ("16.3", (ONE_HOT[:10], LABELS[:10]), "at least 20 rows"),
    ("16.3", (ONE_HOT, 0 * LABELS), "two classes or more"),
    ("16.3", (NOISE, torch.arange(40).clamp(max=38)), "Each row needs a partner"),
    ("16.3", (NOISE, DRAWN), "Recall@1 is"),
    ("16.3", (ONE_HOT, LABELS), "One triplet is only 0.00"),
    ("17.1", 98, "the sum of the map"),
    ("17.1", 98.5, "not the sum"),
    ("17.1", 2, "What else is in the logit"),
    ("17.1", 14.5, "7 by 7 places"),
    ("17.1", 2 + 0.5 / 49, "added once"),
    ("17.2", lambda f, s: weighted(f, s).sum(0), "speaks against the class"),
    ("17.2", lambda f, s: weighted(f, s).relu().sum(0), "what is negative goes last"),
    ("17.2", lambda f, s: (f * s).sum(0).relu(), "A feature has one weight"),
    ("17.2", lambda f, s: 15 * weighted(f, s).sum(0).relu(), "not sums"),
    ("17.2", lambda f, s: weighted(f, s).mean(0).relu(), "do not take their mean"),
    ("17.2", lambda f, s: f[0] + s[0], "That is another map"),
    ("17.3", (SHARED, SHARED), "Of the first component, only 0.00"),
    ("17.3", (APART, -APART), "There is no second component"),
    ("17.3", (0 * SHARED, 0 * SHARED), "It raised ValueError"),
]


def weighted(features, slopes):
    return features * slopes.mean(dim=(1, 2), keepdim=True)


def in_gaps(points, new, longest=torch.max):
    own = torch.cdist(points, points).fill_diagonal_(torch.inf).amin(dim=1)
    return (torch.cdist(new, points).amin(dim=1) > longest(own)).double().mean()


def supcon(p, partners):
    logs = p.log().masked_fill(~partners, 0)
    return -(logs.sum(1) / partners.sum(1)).sum()


def roc(familiar, outliers):
    classes = [0] * len(familiar) + [1] * len(outliers)
    return roc_auc_score(classes, torch.cat([familiar, outliers]))


def best_in_order(scores, k):
    ways = [math.comb(below, k - 1) for below in range(len(scores))]
    total = sum(way * score for way, score in zip(ways, scores, strict=True))
    return total / math.comb(len(scores), k)


def slopes(logits, partners, strangers):
    own, other = (logits.exp() * mask for mask in (partners, strangers))
    ratio = other.sum(1, keepdim=True) / own.sum(1, keepdim=True)
    return (other - own * ratio) / (own + other).sum(1, keepdim=True)


def said(capsys, exercise, answer):
    """The line that the exercise prints, without its name."""
    check(exercise, answer, **DATA.get(exercise, {}))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"Exercise {exercise}: ")
    return line.removeprefix(f"Exercise {exercise}: ")


@pytest.mark.parametrize(("exercise", "answer", "words"), MISTAKES)
def test_a_typical_mistake_gets_its_hint(exercise, answer, words, capsys):
    hint = said(capsys, exercise, answer)
    assert hint.startswith("not yet. ")
    assert words in hint
    assert len(hint) < 180


def test_every_exercise_has_two_mistakes_or_more():
    hints = {(exercise, words) for exercise, _, words in MISTAKES}
    for found in pkgutil.iter_modules(answers.__path__):
        module = importlib.import_module(f"{answers.__name__}.{found.name}")
        numbers = re.findall(r"exercise_(\d)", " ".join(vars(module)))
        assert len(numbers) >= 3
        for number in numbers:
            name = f"{int(found.name[-2:])}.{number}"
            assert sum(exercise == name for exercise, _ in hints) >= 2, name


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        ("1.1", torch.tensor(0.5)),
        ("2.1", 20.09),
        ("2.1", 20.1),
        ("3.2", 460.0),
        ("4.1", 2.35),
        ("4.3", (torch.cat([SIGNS, -SIGNS]), PAIRS)),
        ("5.1", 0.55),
        ("5.2", 2.321),
        ("6.2", 1.43),
        ("7.1", 0.0977),
        ("9.1", 0.947),
        ("10.1", 0.513),
        ("11.2", slopes),
        ("12.1", 0.125),
        ("12.2", roc),
        ("13.1", 2.83),
        ("13.2", supcon),
        ("14.1", 45.3),
        ("14.2", lambda rows: 2 * (torch.pdist(rows).median() / 5) ** 2),
        ("14.3", 3),
        ("15.1", 1),
        ("15.2", in_gaps),
        ("15.3", (NOISE, -NOISE)),
        ("16.1", 0.6325),
        ("16.2", lambda codes, labels: hard_share(codes, labels)),
        ("16.3", (ONE_HOT + 5, LABELS)),
        ("17.1", 2.5),
        ("17.2", lambda f, s: weighted(f, s).sum(0).relu()),
        ("17.3", (APART + SHARED, SHARED - APART)),
    ],
)
def test_right_answers_may_be_rounded(exercise, answer, capsys):
    assert said(capsys, exercise, answer) == "right."


@pytest.mark.parametrize(
    ("exercise", "answer", "says"),
    [
        ("2.1", 20, "20 is close. Three digits must be right."),
        ("5.1", 0.5, "0.5 is too small."),
        ("5.1", 7, "7 is too large."),
        ("5.1", None, "answer must be one number; got None."),
        ("5.1", "0.55", "answer must be one number; got str."),
        ("5.1", math.nan, "answer contains NaN."),
        ("5.1", print, "answer must be one number; got builtin_function_or_method."),
        ("5.1", torch.ones(500), "answer must be one number; got shape (500,)."),
        ("1.3", 0.5, "answer must be a function; got float."),
        ("1.3", lambda rows: rows, "It raised TypeError: "),
        ("1.3", lambda a, b: 1 / 0, "It raised ZeroDivisionError: division by zero"),
        ("1.3", lambda a, b: {}[a, b], "It raised KeyError: "),  # with all of a and b
        ("4.3", NOISE, "answer must be a tuple (rows, labels); got shape (40, 4)."),
    ],
)
def test_whatever_is_wrong_is_said_in_one_line(exercise, answer, says, capsys):
    hint = said(capsys, exercise, answer).removeprefix("not yet. ")
    assert hint.startswith(says)
    assert hint == says or len(hint) <= 160


def test_an_untouched_exercise_is_not_tried_yet(capsys):
    for exercise in itertools.chain(DATA, ["1.1"]):
        assert said(capsys, exercise, ...) == "not tried yet."


@pytest.mark.parametrize("exercise", ["1.9", "99.1", "1", "one"])
def test_an_unknown_exercise_is_the_authors_mistake(exercise):
    with pytest.raises(ValueError, match=f"exercise must be .*; got '{exercise}'"):
        check(exercise, ...)
