"""The small playgrounds in the chapters: each shows what the package says."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, BrowserContext, Page, expect

from snnl_tutorial import AnnealedTemperature, soft_nearest_neighbor_loss
from snnl_tutorial.loss.distance import cosine_distance, squared_euclidean_distance
from snnl_tutorial.loss.masking import neighbor_masks
from snnl_tutorial.loss.sampling import sampling_probability
from snnl_tutorial.loss.soft_nearest_neighbor import (
    published_soft_nearest_neighbor_loss,
)
from tests.browser.test_pages import BOOK, PHONE, Visit, open_page
from tests.browser.test_playground import assert_near, loss_of, state_of, tensors

DISTANCE = "chapters/01_distance_matrix"
SAMPLING = "chapters/02_sampling_probability"
MASK = "chapters/03_class_mask"
LOG_MEAN = "chapters/04_log_mean"
ANNEALING = "chapters/06_annealing"
SMALL = [DISTANCE, SAMPLING, MASK, LOG_MEAN, ANNEALING]
TALLEST = 420
"""Pixels, at a window's width of 1280."""


def open_chapter(context: BrowserContext, site: str, name: str) -> tuple[Page, Visit]:
    page, visit = open_page(context, f"{site}{name}.html")
    page.locator(".snnl-playground.ready").wait_for()
    return page, visit


@pytest.fixture
def page(
    request: pytest.FixtureRequest, site: str, context: BrowserContext
) -> Iterator[Page]:
    """The chapter that a test names; it must not complain."""
    page, visit = open_chapter(context, site, request.param)
    yield page
    page.close()
    assert visit.complaints == []


def in_chapter(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", [name], indirect=True)


def values_of(page: Page, name: str) -> list[list[float]]:
    """A matrix of the playground's result."""
    script = """name => snnlPlayground.models[0].result[name].map((row) => [...row])"""
    values: list[list[float]] = page.evaluate(script, name)
    return values


def draw(page: Page) -> None:
    """Wait until what has changed is drawn."""
    page.evaluate("() => new Promise(requestAnimationFrame)")


def loss_of_package(state: dict[str, Any]) -> float:
    points, labels, settings = tensors(state)
    return float(soft_nearest_neighbor_loss(points, labels, **settings))


@pytest.mark.parametrize("page", SMALL, indirect=True)
def test_its_loss_is_the_packages_before_and_after_a_move(page: Page) -> None:
    assert page.locator(".snnl-playground").count() == 1
    assert page.get_by_text("In the rendered book").count() == 0
    before = state_of(page)
    expect(page.locator(".plane .point")).to_have_count(len(before["points"]))
    assert loss_of(page) == pytest.approx(loss_of_package(before), rel=1e-9)
    page.locator(".plane [tabindex='0']").press("Shift+ArrowRight")
    after = state_of(page)
    assert after["points"] != before["points"]
    assert loss_of(page) == pytest.approx(loss_of_package(after), rel=1e-9)
    page.get_by_role("button", name="Start again").click()
    assert state_of(page)["points"] == before["points"]


@in_chapter(DISTANCE)
def test_chapter_1_shows_either_distance(page: Page) -> None:
    points, _, _ = tensors(state_of(page))
    expect(page.locator("figure .map")).to_have_count(1)
    assert_near(values_of(page, "distances"), cosine_distance(points), 1e-9)
    expect(page.locator(".scale")).to_have_text("0 to 2.00")
    page.get_by_label("squared Euclidean").check(force=True)
    expected = squared_euclidean_distance(points)
    assert_near(values_of(page, "distances"), expected, 1e-9)
    expect(page.locator(".scale")).to_have_text(f"0 to {float(expected.max()):.1f}")


@in_chapter(DISTANCE)
def test_chapter_1_has_no_classes_and_speaks_of_distances_alone(page: Page) -> None:
    labels = state_of(page)["labels"]
    point = page.locator("[data-point='4']")
    point.press("Enter")
    point.press("3")
    assert state_of(page)["labels"] == labels
    readout = page.locator(".stage .readout")
    expect(readout).to_have_text("Point 6 is the nearest to point 5: d = 0.")
    page.get_by_label("Matrix of distance").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(readout).to_have_text("Point 1 and point 3: d = 1.00.")
    expect(page.locator(".badge")).to_be_hidden()
    assert page.locator(".lines line:not(.spoke)").count() == 0
    assert page.locator(".arrows").get_attribute("d") == ""


@in_chapter(SAMPLING)
@pytest.mark.parametrize("temperature", ["0.01", "1", "1000"])
def test_chapter_2_shows_the_odds(page: Page, temperature: str) -> None:
    field = page.get_by_label("temperature T")
    field.fill(temperature)
    field.press("Enter")
    draw(page)
    points, _, _ = tensors(state_of(page))
    n = len(points)
    p = sampling_probability(
        squared_euclidean_distance(points),
        float(temperature),
        ~torch.eye(n, dtype=torch.bool),
    )
    assert_near(values_of(page, "probability"), p, 1e-9)
    widths = [
        float(line.get_attribute("stroke-width") or 0)
        for line in page.locator(".lines line").all()
    ]
    chances = [chance for chance in p[0].tolist() if chance >= 1e-3]
    assert widths == pytest.approx([1.2 + 13 * chance for chance in chances], abs=0.01)
    assert page.locator(".lines :is(.pull, .push)").count() == 0  # no classes yet


@in_chapter(MASK)
def test_chapter_3_shows_who_is_an_anchor(page: Page) -> None:
    readout = page.locator(".stage .readout")
    anchors_of = "() => snnlPlayground.models[0].result.anchors"
    for name, text in {
        "": "Point 9 is alone in its class: it has no partner, so it is no anchor.",
        "class 1": "Point 9 picks its own class with probability ",
        "unlabeled": "Point 9 is unlabeled: it picks nobody, and nobody picks it.",
    }.items():
        if name:
            page.get_by_label(name, exact=True).check(force=True)
        expect(readout).to_contain_text(text)
        points, labels, settings = tensors(state_of(page))
        masks = neighbor_masks(labels)
        assert page.evaluate(anchors_of) == masks.anchors.tolist()
        p = sampling_probability(
            squared_euclidean_distance(points),
            settings["temperature"],
            masks.candidates,
        )
        assert_near(values_of(page, "probability"), p, 1e-9)
        if name == "class 1":
            own = float((p * masks.partners)[8].sum())
            expect(readout).to_contain_text(f"probability {own:.3f}.")


@in_chapter(LOG_MEAN)
def test_chapter_4_shows_both_forms(page: Page) -> None:
    exact, published = page.locator(".value.exact"), page.locator(".value.published")
    slider = page.get_by_label("temperature, logarithmic")
    for log, temperature in {"-1": 0.1, "-1.7": 0.02, "-2.3": 0.00501}.items():
        slider.fill(log)
        draw(page)
        state = state_of(page)
        assert state["temperature"] == temperature
        assert float(exact.inner_text()) == pytest.approx(
            loss_of_package(state), rel=1e-3
        )
        points, labels, _ = tensors(state)
        theirs = published_soft_nearest_neighbor_loss(
            points.float(), labels, temperature
        )
        shown = float(published.inner_text())
        assert shown == pytest.approx(float(theirs), rel=2e-2, nan_ok=True)
    expect(page.locator(".verdict")).to_have_text("the log of a negative number")


@in_chapter(ANNEALING)
def test_chapter_6_descends_as_its_text_says(page: Page) -> None:
    steps = page.get_by_role("button", name="50 steps")
    badge = page.locator(".badge")
    for annealed, loss in ((False, "0.00214"), (True, "1.1e−6")):
        if annealed:
            page.get_by_role("button", name="Start again").click()
            page.get_by_label("annealed").check()
        steps.click()
        steps.click()
        schedule = AnnealedTemperature(eta=1.0, gamma=0.55)
        schedule.set_epoch(100)
        temperature = float(schedule.double()()) if annealed else 1.0
        state = state_of(page)
        assert state["temperature"] == pytest.approx(temperature, rel=1e-6)
        assert loss_of(page) == pytest.approx(loss_of_package(state), rel=1e-9)
        expect(badge).to_contain_text(f"loss {loss}")
    field = page.get_by_label("temperature T")
    field.fill("1")
    field.press("Enter")
    expect(badge).to_contain_text("loss 0.404")
    assert loss_of(page) == pytest.approx(loss_of_package(state_of(page)), rel=1e-9)


@in_chapter(LOG_MEAN)
def test_a_link_takes_the_points_along(page: Page) -> None:
    page.locator(".plane [tabindex='0']").press("ArrowUp")
    state = state_of(page)
    page.get_by_role("link", name="Open in the playground").click()
    page.wait_for_url("**/playground.html#play*")
    page.locator(".snnl-playground.ready").wait_for()
    opened = state_of(page)
    assert [opened["points"], opened["temperature"]] == [
        state["points"],
        state["temperature"],
    ]


@pytest.mark.parametrize("name", SMALL)
def test_it_fits_its_place(site: str, context: BrowserContext, name: str) -> None:
    page, _ = open_chapter(context, site, name)
    box = page.locator(".snnl-playground").bounding_box()
    assert box is not None
    assert box["height"] <= TALLEST
    page.set_viewport_size(PHONE)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    page.close()


@pytest.mark.parametrize("name", SMALL)
def test_without_its_script_there_is_a_sentence(
    site: str, browser: Browser, name: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}{name}.html")
    place = page.locator(".snnl-playground")
    expect(place).to_contain_text("In the rendered book, the points can be moved here.")
    expect(place.get_by_role("link", name="playground")).to_be_visible()
    context.close()


@pytest.mark.parametrize("name", SMALL)
def test_it_stands_in_a_markdown_cell(name: str) -> None:
    notebook = json.loads((BOOK / f"{name}.ipynb").read_text(encoding="utf-8"))
    held = [
        cell["cell_type"]
        for cell in notebook["cells"]
        if "snnl-playground" in "".join(cell["source"])
    ]
    assert held == ["markdown"]
