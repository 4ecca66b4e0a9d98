"""Chapter 9, beside the papers."""

from itertools import combinations
from statistics import mean
from typing import Any

from snnl_tutorial.view.exercises import as_numbers, compare, require, require_function


def exercise_1(answer: Any) -> None:
    """The mean over all six pairs of the better one."""
    scores = [0.90, 0.92, 0.94, 0.96]
    mistakes = {
        mean(scores): "That is the mean of all four.",
        0.96: "That is the best of all four.",
        mean(max(a, b) for a in scores for b in scores): "No start is drawn twice.",
    }
    compare(answer, mean(map(max, combinations(scores, 2))), mistakes)


def exercise_2(answer: Any) -> None:
    """The mean over all choices of k scores of the best one, without the list."""
    require_function(answer)
    scores = [0.3, 0.1, 0.4, 1.5, 0.9, 0.2, 0.6]

    def error(scores: list[float], k: int) -> float:
        got = as_numbers(answer(list(scores), k), (), "answer(scores, k)").item()
        return abs(got - mean(map(max, combinations(scores, k))))

    require(
        error(scores, 3) < 1e-6 or error(sorted(scores), 3) > 1e-6,
        "It is right only for scores in order: sort them.",
    )
    require(error(scores, 1) < 1e-6, "With k = 1 it must be the mean.")
    require(
        error(scores, len(scores)) < 1e-6,
        "With all scores chosen it must be the largest: none is drawn twice.",
    )
    require(error(scores, 3) < 1e-6, "It is right for k = 1 and for all, not between.")


def exercise_3(answer: Any) -> None:
    """The one-sided permutation test of a difference of means."""
    require_function(answer)
    cases = [([3.0, 4.0], [1.0, 2.0]), ([5.0, 2.0], [3.0, 1.0, 2.0, 4.0])]
    for first, second in cases:
        got = answer(list(first), list(second))
        exact, above, apart = shares(first, second)
        mistakes = {
            above: "A lead by just as much counts, and so does the real one.",
            apart: "Count only deals in which the first list leads.",
            1 - exact: "Count the deals that lead by at least as much, not the others.",
        }
        compare(got, exact, {k: v for k, v in mistakes.items() if k != exact})


def shares(first: list[float], second: list[float]) -> tuple[float, float, float]:
    """Shares of deals with a lead >= the real one, > it, and >= it either way."""
    pool, n = first + second, len(first)
    leads = []
    for chosen in combinations(range(len(pool)), n):
        others = [score for i, score in enumerate(pool) if i not in chosen]
        leads.append(mean(pool[i] for i in chosen) - mean(others))
    real = leads[0]
    return (
        mean(lead >= real for lead in leads),
        mean(lead > real for lead in leads),
        mean(abs(lead) >= abs(real) for lead in leads),
    )
