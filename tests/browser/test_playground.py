"""The playground: its numbers beside the package's, and every way to work it."""

import contextlib
import io
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, BrowserContext, Page, expect

from snnl_tutorial import (
    AnnealedTemperature,
    entanglement,
    soft_nearest_neighbor_loss,
)
from snnl_tutorial.loss.soft_nearest_neighbor import (
    published_soft_nearest_neighbor_loss,
)
from tests.browser.test_pages import PHONE, Visit, open_page

PRESETS = [
    "six",
    "clusters",
    "moons",
    "rings",
    "xor",
    "random",
    "ten",
    "lonely",
    "crowd",
]
State = dict[str, Any]

CONTROLS = "button, input, select, summary, [tabindex='0']"
UNREACHED = """(query) => {
  const all = document.querySelector(".snnl-playground").querySelectorAll(query);
  const inUse = [...all].filter((e) => !e.disabled && e.checkVisibility());
  const oneOf = inUse.filter((e) => e.type !== "radio" || e.checked);
  return oneOf.filter((e) => !e.dataset.reached).map((e) => e.outerHTML.slice(0, 90));
}"""


def open_playground(
    context: BrowserContext, site: str, state: str = ""
) -> tuple[Page, Visit]:
    page, visit = open_page(context, f"{site}playground.html{state}")
    page.locator(".snnl-playground.ready").wait_for()
    return page, visit


@pytest.fixture
def page(site: str, context: BrowserContext) -> Iterator[Page]:
    """The playground at its start; it must not complain, nor ask other hosts."""
    page, visit = open_playground(context, site)
    yield page
    page.close()
    assert visit.complaints == []
    inside = (site, "data:", "blob:")
    assert [url for url in visit.requests if not url.startswith(inside)] == []


def state_of(page: Page) -> State:
    state: State = page.evaluate("() => snnlPlayground.models[0].state")
    return state


def loss_of(page: Page) -> float:
    return float(page.evaluate("() => snnlPlayground.models[0].result.loss"))


def random_states(number: int, seed: int = 0) -> list[State]:
    """Batches of 2 to 60 rows in the plane or in space, one in ten far apart."""
    generator = torch.Generator().manual_seed(seed)

    def whole(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    states = []
    for k in range(number):
        rows, columns = whole(2, 61), whole(2, 5)
        points = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
        points *= 10 ** uniform(-1, 1)
        labels = torch.randint(whole(1, 11), (rows,), generator=generator)
        labels[torch.rand(rows, generator=generator) < uniform(0, 0.5)] = -100
        labels[0] = 9 if k % 3 else labels[0]  # often alone in its class
        if k % 20 == 0:
            points[-1] = 0  # a row without a direction
        states.append(
            {
                "points": points.tolist(),
                "labels": labels.tolist(),
                "temperature": 10 ** uniform(-3, 3),
                "distance": ("cosine", "sqeuclidean")[k % 2],
            }
        )
    return states


def tensors(state: State) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
    """Points, labels and settings, as the package takes them."""
    points = torch.tensor(state["points"], dtype=torch.float64)
    labels = torch.tensor(state["labels"], dtype=torch.int64)
    settings = {name: state[name] for name in ("temperature", "distance")}
    return points, labels, settings


def assert_near(given: object, expected: torch.Tensor, tolerance: float) -> None:
    """Equal to so small a part of the largest entry."""
    found = torch.tensor(given, dtype=torch.float64)
    largest = float(expected.abs().max()) if expected.numel() else 0.0
    assert float((found - expected).abs().max()) <= tolerance * largest


def test_a_hundred_random_batches_agree_with_the_package(page: Page) -> None:
    states = random_states(100)
    found = page.evaluate("states => states.map(snnlPlayground.evaluate)", states)
    lonely = unlabeled = 0
    for state, ours in zip(states, found, strict=True):
        points, labels, settings = tensors(state)
        points.requires_grad_()
        loss = soft_nearest_neighbor_loss(points, labels, **settings)
        loss.backward()
        rows = soft_nearest_neighbor_loss(
            points.detach(), labels, reduction="none", **settings
        )
        assert_near([ours["loss"]], loss.detach()[None], 1e-9)
        assert_near(ours["rowLosses"], rows, 1e-9)
        assert points.grad is not None
        assert_near(ours["gradient"], points.grad, 1e-9)
        counts = labels[labels >= 0].bincount()
        lonely += int((counts == 1).any())
        unlabeled += int((labels == -100).any())
    assert min(lonely, unlabeled) > 20


def test_bad_input_is_refused(page: Page) -> None:
    good = {"points": [[0, 1], [1, 0]], "labels": [0, 0], "temperature": 1}
    bad = [
        {"temperature": 0},
        {"temperature": None},
        {"distance": "euclidean"},
        {"labels": [0]},
        {"points": [[0, 1], [1, None]]},
    ]
    script = """(input) => {
      try { snnlPlayground.evaluate(input); return "fine"; }
      catch (error) { return `${error.name}: ${error.message}`; }
    }"""
    assert page.evaluate(script, good) == "fine"
    for change in bad:
        (name,) = change
        assert page.evaluate(script, good | change).startswith(f"RangeError: {name} ")


def test_the_best_temperature_is_that_of_entanglement(page: Page) -> None:
    script = "s => snnlPlayground.bestTemperature(snnlPlayground.batchOf(s))"
    starts = [page.evaluate("n => snnlPlayground.startOf(n)", name) for name in PRESETS]
    for state in [*starts, *random_states(20, seed=1)]:
        points, labels, settings = tensors(state)
        best = page.evaluate(script, state)
        try:
            measured = entanglement(points, labels, distance=settings["distance"])
        except ValueError:
            assert best is None  # no two points of one class
            continue
        assert best["temperature"] == pytest.approx(measured.temperature, rel=1e-6)
        assert best["loss"] == pytest.approx(measured.value, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("name", ["six", "ten", "crowd"])
def test_the_chance_level_is_that_of_shuffled_labels(page: Page, name: str) -> None:
    state = page.evaluate("name => snnlPlayground.startOf(name)", name)
    points, labels, settings = tensors(state)
    script = """s => snnlPlayground.chanceLevels(
      snnlPlayground.batchOf(s), [s.temperature])[0]"""
    measured = [
        entanglement(points, labels, permutations=20, seed=seed, **settings).chance
        for seed in range(40)
    ]
    chances = torch.tensor(measured, dtype=torch.float64)
    away = abs(page.evaluate(script, state) - float(chances.mean()))
    assert away < 4 * float(chances.std())


@pytest.mark.parametrize("optimizer", ["descent", "adam"])
@pytest.mark.parametrize("annealed", [False, True])
def test_descent_goes_where_torch_goes(
    page: Page, optimizer: str, annealed: bool
) -> None:
    page.evaluate(
        """([optimizer, annealed]) => {
          const model = snnlPlayground.models[0];
          model.load({ ...snnlPlayground.startOf("xor"), optimizer, rate: 0.1 });
          model.anneal(annealed);
          model.descend(30);
        }""",
        [optimizer, annealed],
    )
    start = page.evaluate("() => snnlPlayground.startOf('xor')")
    points, labels, settings = tensors(start)
    points.requires_grad_()
    kind = {"descent": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    torch_optimizer = kind([points], lr=0.1)
    schedule = AnnealedTemperature()
    for step in range(30):
        schedule.set_epoch(step)
        if annealed:
            settings["temperature"] = float(schedule())
        torch_optimizer.zero_grad()
        soft_nearest_neighbor_loss(points, labels, **settings).backward()
        torch_optimizer.step()
    found = state_of(page)
    assert found["step"] == 30
    assert_near(found["points"], points.detach(), 1e-9)
    if annealed:
        schedule.set_epoch(30)
        assert found["temperature"] == pytest.approx(float(schedule()), rel=1e-6)


def test_the_published_form_is_the_published_form(page: Page) -> None:
    """Equal where rounding does no harm; NaN and stuck where the package's is."""
    script = "states => states.map((s) => String(snnlPlayground.publishedLoss(s)))"
    starts = [page.evaluate("n => snnlPlayground.startOf(n)", name) for name in PRESETS]
    states = [
        start | {"distance": "cosine", "temperature": temperature}
        for start in starts[1:]
        for temperature in (1e3, 10.0, 1.0)
    ]
    alone = starts[1] | {"distance": "cosine", "temperature": 1.0}
    alone["points"], alone["labels"] = alone["points"][:9], list(range(9))
    nan = starts[7]
    found = [float(text) for text in page.evaluate(script, [*states, alone, nan])]
    for state, ours in zip([*states, alone, nan], found, strict=True):
        points, labels, settings = tensors(state)
        theirs = published_soft_nearest_neighbor_loss(
            points.float(), labels, settings["temperature"]
        )
        assert ours == pytest.approx(theirs.item(), rel=1e-3, nan_ok=True)
    assert found[-2] == pytest.approx(-math.log(1e-5), rel=1e-3)
    assert math.isnan(found[-1])


def test_copied_python_computes_the_same_number(page: Page, site: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site)
    for name in PRESETS:
        page.evaluate("n => snnlPlayground.models[0].preset(n, 3)", name)
        page.evaluate("() => snnlPlayground.models[0].descend(2)")
        page.get_by_role("button", name="Copy as Python").click()
        expect(page.get_by_role("status")).to_have_text("Code copied.")
        code = page.evaluate("() => navigator.clipboard.readText()")
        assert max(map(len, code.splitlines())) <= 88
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, {})
        value, comment = (
            float(re.findall(pattern, text)[0])
            for pattern, text in (
                (r"\S+", printed.getvalue()),
                (r"# ([\d.e-]+)\n", code),
            )
        )
        assert value == pytest.approx(loss_of(page), rel=1e-9)
        assert comment == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("name", PRESETS)
def test_a_state_survives_its_address(
    page: Page, site: str, context: BrowserContext, name: str
) -> None:
    page.evaluate(
        """(name) => {
          const model = snnlPlayground.models[0];
          model.preset(name, 5);
          model.edit({ temperature: 0.37, distance: "cosine", rate: 0.2 });
          model.label(0, -100);
          model.choose(1);
          model.descend(3);
        }""",
        name,
    )
    page.wait_for_url("**#play&**")
    page.wait_for_function(
        "() => snnlPlayground.encode(snnlPlayground.models[0].state) === location.hash"
    )
    other, _ = open_page(context, page.url)
    assert state_of(other) == state_of(page)
    assert loss_of(other) == loss_of(page)
    other.close()


def test_a_preset_has_a_short_address(page: Page) -> None:
    page.locator("[data-preset=ten]").click()
    page.wait_for_url("**preset=ten**")
    assert len(page.url.partition("#")[2]) < 120


@pytest.mark.parametrize(
    "hash",
    [
        "#play",
        "#play&preset=none&T=abc&seed=-3&chosen=999",
        "#play&points=1,2",
        "#play&points=1,NaN,0_2,3,1&T=1e9&optimizer=x&rate=-1",
        "#play&points=" + "_".join(["1,2,0"] * 61),
        "#what-to-try",
    ],
)
def test_a_broken_address_starts_the_playground_all_the_same(
    site: str, context: BrowserContext, hash: str
) -> None:
    page, visit = open_playground(context, site, hash)
    assert state_of(page) == page.evaluate("() => snnlPlayground.startOf('six')")
    page.close()
    assert visit.complaints == []


def test_an_address_followed_on_the_page_is_loaded(page: Page) -> None:
    page.evaluate("() => { location.hash = '#play&preset=rings&T=2' }")
    page.wait_for_function("() => snnlPlayground.models[0].state.preset === 'rings'")
    assert state_of(page)["temperature"] == 2


# What the page's text says.


def press_experiment(page: Page, number: int) -> None:
    page.get_by_role("button", name="Set it up").nth(number).click()


def evaluate_at(page: Page, temperature: float) -> float:
    script = """(temperature) => snnlPlayground.evaluate(
      { ...snnlPlayground.models[0].state, temperature }).loss"""
    return float(page.evaluate(script, temperature))


def test_experiment_1_the_stray_comes_home(page: Page) -> None:
    press_experiment(page, 0)
    assert loss_of(page) == pytest.approx(1.20, abs=0.005)
    rows = "() => snnlPlayground.models[0].result.rowLosses"
    before = page.evaluate(rows)
    assert before[2] == pytest.approx(5.51, abs=0.005)
    drag(page, 2, to=(0.2, 0))
    after = page.evaluate(rows)
    assert loss_of(page) == pytest.approx(0.02, abs=0.005)
    assert after[2] < 0.1
    assert after[3] < before[3]
    assert after[4] < before[4]


def test_experiment_2_one_temperature_is_best(page: Page) -> None:
    press_experiment(page, 1)
    assert state_of(page)["temperature"] == 1000
    assert loss_of(page) == pytest.approx(1.47, abs=0.006)
    assert math.log(39 / 9) == pytest.approx(1.47, abs=0.006)
    page.get_by_role("button", name="Best T").click()
    assert state_of(page)["temperature"] == pytest.approx(0.12, abs=0.005)
    assert loss_of(page) == pytest.approx(0.29, abs=0.005)
    assert evaluate_at(page, 0.001) > 10


def test_experiment_3_the_published_form_breaks(page: Page) -> None:
    press_experiment(page, 2)
    published = page.locator(".value.published")
    expect(published).to_have_text("NaN")
    assert loss_of(page) == pytest.approx(0.118, abs=0.0005)
    field = page.get_by_label("temperature T")
    field.fill("1")
    field.press("Enter")
    expect(published).to_have_text(re.compile(r"^1\.2[67]"))
    assert loss_of(page) == pytest.approx(0.89, abs=0.005)
    field.fill("0.001")
    field.press("Enter")
    expect(published).to_have_text(re.compile(r"^−"))


def test_experiment_4_four_classes_untangle(page: Page) -> None:
    press_experiment(page, 3)
    assert loss_of(page) == pytest.approx(1.51, abs=0.005)
    page.get_by_role("button", name="50 steps").click(click_count=2)
    assert state_of(page)["step"] == 100
    assert loss_of(page) < 0.01


def test_experiment_5_the_crowd_sleeps(page: Page) -> None:
    press_experiment(page, 4)
    before = state_of(page)
    labels = before["labels"]
    assert (len(labels), labels.count(-100)) == (48, 42)
    page.get_by_role("button", name="50 steps").click()
    after = state_of(page)["points"]
    moved = [a != b for a, b in zip(before["points"], after, strict=True)]
    assert moved == [label != -100 for label in labels]
    expect(page.locator(".verdict")).to_have_text("takes the unlabeled for a class")


# Pointer, keyboard, and who sees or moves less.


def place(page: Page, i: int) -> tuple[float, float]:
    """The middle of a point, on the screen."""
    page.locator(".plane").scroll_into_view_if_needed()
    box = page.locator(f"[data-point='{i}'] .touch").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, i: int, to: tuple[float, float]) -> None:
    """Drag a point to a place of the plane."""
    x, y = place(page, i)
    first, second = state_of(page)["points"][:2]
    scale = (place(page, 1)[0] - place(page, 0)[0]) / (second[0] - first[0])
    old = state_of(page)["points"][i]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 5, y + 5)
    page.mouse.move(x + (to[0] - old[0]) * scale, y - (to[1] - old[1]) * scale)
    page.mouse.up()


def test_a_point_is_dragged_and_undone(page: Page) -> None:
    start = state_of(page)
    drag(page, 5, to=(1.0, 1.0))
    assert state_of(page)["points"][5] == pytest.approx([1.0, 1.0], abs=0.02)
    page.get_by_role("button", name="Undo").click()
    assert state_of(page)["points"] == start["points"]
    page.get_by_role("button", name="Redo").click()
    assert state_of(page)["points"][5] == pytest.approx([1.0, 1.0], abs=0.02)


def test_a_press_chooses_and_another_changes_the_class(page: Page) -> None:
    page.mouse.click(*place(page, 4))
    assert (state_of(page)["chosen"], state_of(page)["labels"][4]) == (4, 1)
    seen = []
    for _ in range(3):
        page.mouse.click(*place(page, 4))
        seen.append(state_of(page)["labels"][4])
    assert seen == [-100, 0, 1]


def test_points_are_drawn_up_to_sixty(page: Page) -> None:
    page.get_by_role("button", name="Clear").click()
    assert state_of(page)["points"] == []
    expect(page.locator(".value.exact")).to_have_text("0")
    page.get_by_label("class 3", exact=True).check(force=True)
    page.locator(".plane").scroll_into_view_if_needed()
    box = page.locator(".plane").bounding_box()
    assert box is not None
    left, top, width = box["x"], box["y"], box["width"]
    for row in range(8):
        y = top + (row + 1) * width / 10
        page.mouse.move(left + 20, y)
        page.mouse.down()
        page.mouse.move(left + width - 20, y, steps=20)
        page.mouse.up()
    state = state_of(page)
    assert len(state["points"]) == 60
    assert set(state["labels"]) == {3}
    expect(page.locator(".stage .readout")).to_contain_text("60 points are the most")
    page.get_by_role("button", name="Undo").click()  # one stroke, not one point
    assert 40 < len(state_of(page)["points"]) < 60


def test_every_control_is_reached_by_tab(page: Page) -> None:
    page.evaluate("() => snnlPlayground.models[0].descend(1)")
    page.locator(".snnl-playground [data-preset=six]").focus()
    for _ in range(120):
        inside = page.evaluate(
            """() => {
              const place = document.querySelector(".snnl-playground");
              if (!place.contains(document.activeElement)) return false;
              document.activeElement.dataset.reached = "yes";
              return true;
            }"""
        )
        if not inside:
            break
        page.keyboard.press("Tab")
    assert page.evaluate(UNREACHED, CONTROLS) == []
    for element in page.locator(f".snnl-playground :is({CONTROLS})").all():
        name = element.evaluate(
            "e => e.ariaLabel || e.textContent || e.labels?.[0]?.textContent || ''"
        )
        assert name.strip() or element.evaluate("e => e.disabled")


def test_the_keyboard_moves_labels_adds_and_deletes(page: Page) -> None:
    page.locator("[data-point='2']").focus()
    before = state_of(page)["points"][2]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    x, y = state_of(page)["points"][2]
    assert x > before[0]
    assert y - before[1] == pytest.approx(5 * (x - before[0]), abs=0.01)
    for key, label in {"4": 4, "u": -100, "Enter": 0, " ": 1}.items():
        page.keyboard.press(key)
        assert state_of(page)["labels"][2] == label, key
    for key, chosen in {"PageDown": 3, "PageUp": 2, "End": 5, "Home": 0}.items():
        page.keyboard.press(key)
        assert state_of(page)["chosen"] == chosen
        focused = page.evaluate("() => document.activeElement.dataset.point")
        assert focused == str(chosen)
    page.keyboard.press("a")
    assert (len(state_of(page)["points"]), state_of(page)["chosen"]) == (7, 6)
    page.keyboard.press("Delete")
    assert (len(state_of(page)["points"]), state_of(page)["chosen"]) == (6, 5)
    page.keyboard.press("Escape")
    assert state_of(page)["chosen"] == -1


def test_every_kind_of_control_works_by_keyboard(page: Page) -> None:
    page.locator("[data-preset=clusters]").press("Enter")
    assert state_of(page)["preset"] == "clusters"
    page.get_by_label("temperature, logarithmic").press("ArrowLeft")
    assert state_of(page)["temperature"] == pytest.approx(0.0955, abs=0.001)
    page.get_by_label("cosine").press("ArrowRight")
    assert state_of(page)["distance"] == "sqeuclidean"
    page.get_by_label("Adam").press("ArrowLeft")
    assert (state_of(page)["optimizer"], state_of(page)["rate"]) == ("descent", 1)
    page.get_by_label("learning rate").press("Home")
    assert state_of(page)["rate"] == 0.001
    page.get_by_label("annealed").press(" ")
    assert (state_of(page)["annealed"], state_of(page)["temperature"]) == (True, 1)
    page.get_by_role("button", name="Step", exact=True).press("Enter")
    assert state_of(page)["step"] == 1
    page.get_by_role("button", name="Reset").press("Enter")
    assert state_of(page)["step"] == 0
    seed = page.get_by_label("seed")
    seed.fill("7")
    seed.press("Enter")
    assert state_of(page)["seed"] == 7
    page.get_by_role("button", name="New draw").press("Enter")
    assert state_of(page)["seed"] == 8
    page.locator("[data-point='0']").focus()
    field = page.get_by_label("x", exact=True)
    field.fill("1.5")
    field.press("Enter")
    assert state_of(page)["points"][0][0] == 1.5
    page.get_by_label("class 0", exact=True).press("ArrowRight")
    assert state_of(page)["labels"][0] == 1
    page.get_by_label("lines").press(" ")
    expect(page.locator(".lines :is(.pull, .push)")).to_have_count(0)
    page.get_by_text("The numbers as a table").press("Enter")
    expect(page.locator(".numbers-table tbody tr")).to_have_count(40)
    page.get_by_text("The same number in Python").press("Enter")
    expect(page.locator(".code")).to_contain_text("soft_nearest_neighbor_loss(")


def test_a_cell_and_its_pair_are_linked(page: Page) -> None:
    matrix = page.get_by_label("Matrix of probability")
    matrix.focus()
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expected = re.compile(r"Point 3 and point 4, strangers: d = 0\.160, .* pushed")
    expect(page.locator(".matrices-panel .readout")).to_have_text(expected)
    expect(page.locator(".point.named")).to_have_count(2)
    expect(page.locator(".lines .push.named")).to_have_count(1)
    page.mouse.move(*place(page, 1))
    rows = page.locator(".matrices-panel .over")
    expect(rows).to_have_count(4)
    assert {row.get_attribute("y") for row in rows.all()} == {"1"}


def test_play_moves_and_pause_stops(page: Page) -> None:
    page.locator("[data-preset=xor]").click()
    page.get_by_label("speed").select_option("fast")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => snnlPlayground.models[0].state.step > 5")
    page.get_by_role("button", name="Pause").click()
    stopped = state_of(page)
    page.wait_for_timeout(200)
    assert state_of(page) == stopped
    assert page.locator(".trails path").count() == 40
    page.get_by_role("button", name="Undo").click()
    assert state_of(page)["points"] == page.evaluate(
        "() => snnlPlayground.startOf('xor').points"
    )


def test_too_large_a_step_says_so(page: Page) -> None:
    page.evaluate(
        """() => snnlPlayground.models[0].load(
          { ...snnlPlayground.startOf("six"), optimizer: "descent", rate: 1e9 })"""
    )
    page.get_by_role("button", name="Step", exact=True).click()
    expect(page.locator(".stage .readout")).to_contain_text("too large")
    assert state_of(page)["step"] == 0


def test_the_loss_is_read_aloud_when_it_rests(page: Page) -> None:
    aloud = page.locator(".loss [aria-live]")
    expect(aloud).to_have_text(re.compile(r"Loss 1\.20 at temperature 1, by chance"))
    page.get_by_label("squared Euclidean").press("ArrowLeft")
    expect(aloud).to_have_text(re.compile(r"Published form: NaN|Published form: \d"))


def test_who_wants_less_motion_steps_by_hand(site: str, browser: Browser) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page, _ = open_playground(context, site)
    expect(page.get_by_role("button", name="Play")).to_be_hidden()
    expect(page.get_by_label("speed")).to_be_hidden()
    page.get_by_role("button", name="50 steps").click()
    assert state_of(page)["step"] == 50
    context.close()


def test_a_finger_drags_on_a_phone(site: str, browser: Browser) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page, visit = open_playground(context, site)
    page.touchscreen.tap(*place(page, 1))
    assert state_of(page)["chosen"] == 1
    page.touchscreen.tap(*place(page, 1))
    assert state_of(page)["labels"][1] == 1
    before = state_of(page)["points"][1]
    x, y = place(page, 1)
    finger = context.new_cdp_session(page)
    for kind, distance in (("Start", 0), ("Move", 20), ("Move", 60), ("End", None)):
        at = [] if distance is None else [{"x": x + distance, "y": y - distance}]
        finger.send(
            "Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": at}
        )
    after = state_of(page)["points"][1]
    assert after[0] > before[0]
    assert after[1] > before[1]
    buttons = page.locator(".snnl-playground button:visible").all()
    boxes = [button.bounding_box() for button in buttons]
    assert min(box["height"] for box in boxes if box) >= 32
    context.close()
    assert visit.complaints == []


def test_without_a_script_a_picture_stands_there(site: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}playground.html")
    picture = page.locator(".snnl-playground img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 600
    expect(page.locator("noscript p")).to_be_visible()
    expect(page.get_by_role("button", name="Set it up").first).to_be_hidden()
    context.close()


def test_it_runs_from_a_file(html: Path, browser: Browser) -> None:
    context = browser.new_context()
    page, visit = open_page(context, f"{(html / 'playground.html').as_uri()}#play&T=2")
    page.locator("[data-preset=ten]").click()
    page.get_by_role("button", name="Step", exact=True).click()
    page.wait_for_url("**step=1**")
    assert state_of(page)["step"] == 1
    context.close()
    assert visit.complaints == []


def test_only_its_page_loads_it(site: str, context: BrowserContext) -> None:
    page, visit = open_page(context, f"{site}index.html")
    page.close()
    assert not [url for url in visit.requests if "playground" in url]


def test_small_ones_stand_side_by_side(site: str, context: BrowserContext) -> None:
    small = (
        '<div class="snnl-playground" data-parts="{}" data-state="#play&amp;preset={}">'
        "</div>"
    )
    body = small.format("stage loss", "rings") + small.format("matrices", "ten")
    script = '<script defer src="_static/playground.js"></script>'
    page = context.new_page()
    text = f"<!doctype html><title>two</title>{body}{script}"
    page.route(
        "**/two.html", lambda route: route.fulfill(body=text, content_type="text/html")
    )
    page.goto(f"{site}two.html#play&preset=six")  # neither follows the address
    first, second = page.locator(".snnl-playground.ready").all()
    expect(first.locator(".point")).to_have_count(52)
    assert first.locator("canvas").count() == second.locator(".point").count() == 0
    expect(second.locator("canvas")).to_have_count(4)
    first.locator("[data-point='0']").press("Delete")
    expect(first.locator(".point")).to_have_count(51)
    states = page.evaluate(
        "() => snnlPlayground.models.map((m) => m.state.points.length)"
    )
    assert states == [51, 60]
    page.close()
