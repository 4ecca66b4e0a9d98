"""Flipbooks in the book, turned by mouse and keyboard, and without a script."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator

from tests.browser.test_pages import PHONE, open_page

NAME = "chapters/15_maps"


def place(book: Locator) -> str:
    """Where the sprite lies behind the frame."""
    script = "frame => getComputedStyle(frame).backgroundPosition"
    position: str = book.locator(".flipbook-frame").evaluate(script)
    return position


def test_buttons_and_keys_turn_the_pages(site: str, context: BrowserContext) -> None:
    page, visit = open_page(context, f"{site}{NAME}.html")
    book = page.locator("figure.flipbook").first
    titles = (book.get_attribute("data-titles") or "").split("\n")
    slider, shown = book.get_by_role("slider"), book.locator("output")
    assert (place(book), shown.inner_text()) == ("0% 0px", titles[0])
    book.get_by_label("next frame").click()
    assert shown.inner_text() == titles[1]
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert (shown.inner_text(), slider.input_value()) == (titles[2], "2")
    page.keyboard.press("End")
    assert (place(book), shown.inner_text()) == ("100% 0px", titles[-1])
    assert slider.get_attribute("aria-valuetext") == titles[-1]
    book.get_by_label("next frame").click()  # round to the first
    assert shown.inner_text() == titles[0]
    book.get_by_label("previous frame").click()
    assert shown.inner_text() == titles[-1]
    page.close()
    assert visit.complaints == []


def test_playing_ends_at_the_last_frame(site: str, context: BrowserContext) -> None:
    page, _ = open_page(context, f"{site}{NAME}.html")
    book = page.locator("figure.flipbook").first
    titles = (book.get_attribute("data-titles") or "").split("\n")
    book.get_by_role("button", name="Play").click()
    assert book.get_by_role("button", name="Pause").is_visible()
    book.locator("output", has_text=titles[-1]).wait_for()
    assert book.get_by_role("button", name="Play").is_visible()
    page.close()


@pytest.mark.parametrize("width", [PHONE["width"], 1280])
def test_a_frame_is_seen_whole(site: str, context: BrowserContext, width: int) -> None:
    page, _ = open_page(context, f"{site}{NAME}.html")
    page.set_viewport_size({"width": width, "height": 800})
    for book in page.locator("figure.flipbook").all():
        box = book.locator(".flipbook-frame").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert min(box["width"], box["height"]) > 200
    page.close()


def test_who_wants_less_motion_is_not_offered_to_play(
    site: str, browser: Browser
) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page, _ = open_page(context, f"{site}{NAME}.html")
    book = page.locator("figure.flipbook").first
    assert not book.get_by_role("button", name="Play").is_visible()
    assert book.get_by_label("next frame").is_visible()
    context.close()


def test_without_a_script_the_first_and_the_last_stand_side_by_side(
    site: str, html: Path, browser: Browser
) -> None:
    del html
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}{NAME}.html")
    book = page.locator("figure.flipbook").first
    first, last = (
        frame.bounding_box() for frame in book.locator(".flipbook-frame").all()
    )
    assert first is not None
    assert last is not None
    assert first["y"] == last["y"]
    assert first["x"] + first["width"] <= last["x"]
    assert "Left: " in book.locator("figcaption").inner_text()
    context.close()
