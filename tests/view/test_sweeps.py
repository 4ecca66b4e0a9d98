"""The figure shows the means, where they belong."""

import pytest
from matplotlib.figure import Figure

from snnl_tutorial.runs.records import summarize
from snnl_tutorial.view.sweeps import LABEL_COLUMNS, plot_metric


def runs(**more):
    return summarize(
        {
            "status": "done",
            "chapter": "05",
            "metrics": {"loss": 10 * factor + seed},
            "parameters": {"factor": factor, "seed": seed, key: value},
        }
        for factor in (0.1, 0.2)
        for seed in (0, 2)
        for key, values in (more or {"a": [1]}).items()
        for value in values
    )


def dots(ax):
    return [container[0].get_xydata().tolist() for container in ax.containers]


def test_a_line_over_one_parameter():
    ax = plot_metric(runs(), "loss", Figure().gca(), x="factor")
    assert dots(ax) == [[[0.1, 2.0], [0.2, 3.0]]]
    assert ax.get_legend() is None
    (_, _, (bars,)) = ax.containers[0]
    # The sd of two values that differ by 2 is the square root of 2.
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert ends == [pytest.approx([y - 2**0.5, y + 2**0.5]) for y in (2.0, 3.0)]


def test_a_line_for_each_value_of_another_parameter():
    ax = plot_metric(runs(dataset=["m", "f"]), "loss", Figure().gca(), x="factor")
    assert dots(ax) == [[[0.1, 2.0], [0.2, 3.0]]] * 2
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["dataset=f", "dataset=m"]


def test_a_dot_for_each_setting():
    ax = plot_metric(runs(dataset=["m", "f"]), "loss", Figure().gca())
    assert sorted(x for x, _ in dots(ax)[0]) == [2.0, 2.0, 3.0, 3.0]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[0] == "factor=0.1, dataset=f"


def test_long_names_are_broken_into_lines():
    long = {f"a_rather_long_name_{i}": [1, 2] for i in range(3)}
    summary = summarize(
        {
            "status": "done",
            "chapter": "05",
            "metrics": {"loss": value},
            "parameters": dict.fromkeys(long, value),
        }
        for value in (1, 2)
    )
    ax = plot_metric(summary, "loss", Figure().gca())
    for tick in ax.get_yticklabels():
        text = tick.get_text()
        assert max(map(len, text.splitlines())) <= LABEL_COLUMNS
        assert text.replace("\n", " ").count("a_rather_long_name") == 3


@pytest.mark.parametrize(
    ("metric", "x", "words"),
    [
        ("acc", None, r"metric must be one of: loss; got 'acc'"),
        ("loss", "seed", r"x must be a parameter that varies \(factor\); got 'seed'"),
    ],
)
def test_what_the_summary_does_not_have(metric, x, words):
    with pytest.raises(ValueError, match=words):
        plot_metric(runs(), metric, Figure().gca(), x)
