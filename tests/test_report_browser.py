"""A report in a real browser: Debian's Chromium, driven by Playwright; skipped where there is none."""

import re
import shutil
import socket

import numpy as np
import pytest

from lscube.cube.masks import Reason
from lscube.products import ReportContents, ReportSettings, explore, write_report
from tests.needs import CHROMIUM, LIBRARIES, needs
from tests.report_map import made_images, made_inventory, made_map, square

pytestmark = needs(CHROMIUM, LIBRARIES)

SHAPE = (60, 80)

HOSTILE = '<img src="http://127.0.0.1:9/x.png">'

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A landslide in the middle of the map, two small ones, and clouds before and after."""
    observed = np.zeros(SHAPE, int)
    observed[2:9, 3:20] = Reason.CLOUD
    observed[50:58, 60:78] = Reason.CLOUD_SHADOW << 8
    probability = np.where(observed == 0, 0.02, np.nan)
    probability[20:40, 30:50] = 0.9
    frame = made_inventory(
        square(30, 20, 20),
        square(5, 50, 3),
        square(70, 5, 2),
        mean_probability=[0.9, 0.7, 0.99],
        mean_slope_deg=[31.25, 8.0, None],
        post_date=["2018-10-01", HOSTILE, None],
    )
    contents = ReportContents(images=made_images(SHAPE), inventory=frame)
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, made_map(probability, observed, event=HOSTILE), contents)
    return path


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        yield opened
        opened.close()


class Visit:
    """A page, what it asked for, and what went wrong on it."""

    def __init__(self, browser, device, path):
        self.context = browser.new_context(**device)
        self.context.set_default_timeout(120_000)  # the machine may be busy
        self.page = self.context.new_page()
        self.asked, self.wrong = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on(
            "console", lambda line: self.wrong.append(line.text) if line.type == "error" else None
        )
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]")
        self.page.wait_for_function("[...document.images].every(image => image.complete)")

    def outside(self) -> list[str]:
        """Addresses that were asked for, but for the page and what it holds itself."""
        return [url for url in self.asked[1:] if not url.startswith("data:")]

    def edge(self, name: str) -> list[float]:
        """Left and right of what is shown of a pane, on the stage."""
        return self.page.evaluate(
            """name => {
              const pane = document.querySelector(`.leaflet-${name}-pane`);
              const stage = document.getElementById("stage").getBoundingClientRect();
              const moved = document.querySelector(".leaflet-map-pane").getBoundingClientRect();
              const shift = moved.left - stage.left;
              const corners = pane.style.clipPath.matchAll(/(-?[\\d.e+-]+)px -?[\\d.e+-]+px/g);
              const xs = [...corners].map(corner => +corner[1]);
              return [Math.min(...xs) + shift, Math.max(...xs) + shift];
            }""",
            name,
        )

    def pixel(self, dx: float = 0.0, dy: float = 0.0) -> tuple[int, int, int]:
        """Colour on the screen, so far from the middle of the stage."""
        import io

        from PIL import Image

        box = self.page.locator("#stage").bounding_box()
        with Image.open(io.BytesIO(self.page.screenshot())) as image:
            at = (box["x"] + box["width"] / 2 + dx, box["y"] + box["height"] / 2 + dy)
            return image.convert("RGB").getpixel(tuple(map(round, at)))

    def eventually(self, check) -> None:
        """Wait until a check holds: a screen is drawn a little later than it is told to."""
        for _ in range(200):
            if check():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError("what was checked did not come true within 10 s")

    def middle(self, dx: float = 0.0, dy: float = 0.0) -> tuple[float, float]:
        box = self.page.locator("#stage").bounding_box()
        return box["x"] + box["width"] / 2 + dx, box["y"] + box["height"] / 2 + dy


@pytest.fixture
def visit(browser, report):
    visit = Visit(browser, DESKTOP, report)
    yield visit
    assert visit.outside() == []
    assert visit.wrong == []
    visit.context.close()


@pytest.fixture
def phone(browser, report):
    visit = Visit(browser, PHONE, report)
    yield visit
    assert visit.outside() == []
    assert visit.wrong == []
    visit.context.close()


def test_it_opens_and_asks_for_nothing(visit, tmp_path):
    picture = tmp_path / "desktop.png"
    visit.page.screenshot(path=picture)
    assert picture.stat().st_size > 10_000
    assert visit.page.title() == f"Landslides: {HOSTILE}"
    assert visit.page.locator("body img:not(.leaflet-image-layer)").count() == 0
    assert visit.page.locator("img.leaflet-image-layer").count() == 5


def test_the_policy_stops_whatever_would_ask(visit):
    """Were there a hole in the page, the browser would still not ask: a server beside it hears nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        for attempt in (
            f"fetch('{address}').then(() => 'asked', () => 'stopped')",
            "new Promise(done => { const i = new Image(); i.onload = () => done('asked');"
            f" i.onerror = () => done('stopped'); i.src = '{address}x.png'; }})",
            "new Promise(done => { const s = document.createElement('script'); s.text = 'window.ran = 1';"
            " document.body.append(s); done(window.ran ? 'ran' : 'stopped'); })",
        ):
            assert visit.page.evaluate(attempt) == "stopped"
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()
    assert any("Content Security Policy" in line for line in visit.wrong)
    visit.wrong.clear()
    visit.asked.clear()


def test_layers_can_be_switched_off_and_on(visit):
    visit.eventually(lambda: visit.pixel(60, 60) != visit.pixel(-400, 0))
    landslide = visit.pixel(60, 60)
    visit.page.uncheck("#layer-probability")
    assert visit.page.locator(".leaflet-probability-pane img").count() == 0
    visit.eventually(lambda: visit.pixel(60, 60) != landslide)
    bare = visit.pixel(60, 60)
    visit.page.check("#layer-probability")
    visit.eventually(lambda: visit.pixel(60, 60) == landslide)
    visit.page.fill("#opacity", "0")
    visit.eventually(lambda: np.abs(np.subtract(visit.pixel(60, 60), bare)).max() <= 3)
    for layer, pane in (("unobserved", "before-gaps"), ("unobserved", "after-gaps")):
        image = visit.page.locator(f".leaflet-{pane}-pane img")
        visit.page.uncheck(f"#layer-{layer}")
        assert image.count() == 0
        visit.page.check(f"#layer-{layer}")
        assert image.count() == 1
    visit.page.uncheck("#layer-landslides")
    visit.page.mouse.click(*visit.middle(60, 60))
    assert visit.page.locator("#card").is_hidden()


def test_the_divider_moves_by_hand_and_by_key(visit):
    width = visit.page.locator("#stage").bounding_box()["width"]
    (left, cut), (start, right) = visit.edge("before"), visit.edge("after")
    assert (left, cut) == pytest.approx((0, width / 2), abs=2)
    assert (start, right) == pytest.approx((width / 2, width), abs=2)
    visit.eventually(lambda: max(visit.pixel(-300, 200)) < 60)
    visit.eventually(lambda: min(visit.pixel(300, -200)) > 180)

    visit.page.mouse.move(*visit.middle(0, 150))
    visit.page.mouse.down()
    visit.page.mouse.move(*visit.middle(width / 4, 150), steps=4)
    visit.page.mouse.up()
    assert visit.edge("before")[1] == pytest.approx(0.75 * width, abs=3)
    assert visit.edge("after-gaps")[0] == pytest.approx(0.75 * width, abs=3)

    divider = visit.page.locator("#divider")
    divider.focus()
    divider.press("ArrowLeft")
    assert divider.get_attribute("aria-valuenow") == "73"
    divider.press("Home")
    assert visit.edge("before")[1] == pytest.approx(0, abs=2)
    visit.eventually(lambda: min(visit.pixel(-300, 200)) > 180)
    visit.page.check("input[value=before]")
    assert divider.is_hidden()
    visit.eventually(lambda: max(visit.pixel(300, -200)) < 60)


def test_the_divider_stays_where_it_is_when_the_map_moves(visit):
    width = visit.page.locator("#stage").bounding_box()["width"]
    pane = "document.querySelector('.leaflet-before-pane img').getBoundingClientRect()"
    visit.page.locator("#map").focus()
    for key, measure in (("ArrowRight", "left"), ("+", "width")):
        earlier = visit.page.evaluate(pane)[measure]
        visit.page.keyboard.press(key)
        visit.eventually(lambda e=earlier, m=measure: abs(visit.page.evaluate(pane)[m] - e) > 20)
        visit.eventually(lambda: visit.edge("before")[1] == pytest.approx(width / 2, abs=3))


def card(visit) -> dict[str, str]:
    names = visit.page.locator("#card dt").all_text_contents()
    return dict(zip(names, visit.page.locator("#card dd").all_text_contents(), strict=True))


def test_a_landslide_opens_by_click_and_closes_by_key(visit):
    visit.page.mouse.click(*visit.middle(60, 60))
    assert visit.page.locator("#card-title").text_content() == "Landslide 1"
    known = card(visit)
    assert known["Area"] == "40,000 m²"
    assert known["Mean probability"] == "0.90"
    assert known["Mean slope"] == "31.2°"
    assert known["Image after"] == "2018-10-01"
    assert re.fullmatch(r"42\.\d{5}° N, 141\.\d{5}° E", known["Within it"])
    visit.page.keyboard.press("Escape")
    assert visit.page.locator("#card").is_hidden()


def on_screen(visit, column: float, row: float) -> tuple[float, float]:
    """Where a pixel of the map is."""
    frame = visit.page.locator(".leaflet-before-pane img").bounding_box()
    rows, columns = SHAPE
    return (
        frame["x"] + frame["width"] * column / columns,
        frame["y"] + frame["height"] * row / rows,
    )


def test_the_card_does_not_lie_on_what_it_describes(visit, phone):
    for seen, place, number in ((visit, (71, 6), 3), (phone, (6.5, 51.5), 2)):
        x, y = on_screen(seen, *place)
        seen.page.mouse.click(x, y)
        assert seen.page.locator("#card-title").text_content() == f"Landslide {number}"
        box = seen.page.locator("#card").bounding_box()
        inside = box["x"] <= x <= box["x"] + box["width"]
        assert not (inside and box["y"] <= y <= box["y"] + box["height"])


def test_landslides_are_reached_by_keyboard_alone(visit):
    """Tab from the order of the list to the second landslide, open it, and go back to the next one."""
    visit.page.locator("#order").focus()
    for _ in range(4):
        visit.page.keyboard.press("Tab")
    visit.page.keyboard.press("Enter")
    assert visit.page.locator("#card-title").text_content() == "Landslide 2"
    assert card(visit)["Image after"] == HOSTILE
    visit.eventually(lambda: in_view(visit, "#card"))
    visit.page.keyboard.press("Escape")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert visit.page.evaluate(focused) == "Landslide 2 900 m², 0.70"
    visit.page.keyboard.press("Tab")
    visit.page.keyboard.press("Space")
    assert card(visit)["Image after"] == "not known"
    assert visit.page.locator("[aria-current=true]").count() == 1
    visit.eventually(lambda: in_view(visit, "#card"))


def in_view(visit, name: str) -> bool:
    """Whether all of an element is on the screen."""
    box, size = visit.page.locator(name).bounding_box(), visit.page.viewport_size
    return box is not None and box["y"] >= -1 and box["y"] + box["height"] <= size["height"] + 1


SMALL_PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
LAPTOP = {"viewport": {"width": 1280, "height": 700}}


@pytest.mark.parametrize("device", [SMALL_PHONE, LAPTOP], ids=["phone", "laptop"])
@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_what_is_chosen_from_the_list_comes_into_view_and_leads_back(
    browser, report, device, motion
):
    visit = Visit(browser, {**device, "reduced_motion": motion}, report)
    page, active = visit.page, "document.activeElement.id || document.activeElement.dataset.place"
    button = page.locator("#list button").nth(1)
    button.scroll_into_view_if_needed()
    page.evaluate(
        "scrollTo(0, document.getElementById('list').getBoundingClientRect().top + scrollY)"
    )
    visit.eventually(lambda: not in_view(visit, "#stage"))
    button.tap() if "has_touch" in device else button.click()
    visit.eventually(lambda: in_view(visit, "#card") and in_view(visit, "#stage"))
    assert page.locator("#card-title").text_content() == "Landslide 2"
    assert page.evaluate(active) == "card"
    back = page.locator("#card-back")
    back.tap() if "has_touch" in device else back.click()
    assert page.locator("#card").is_hidden()
    assert page.evaluate(active) == "1"
    visit.eventually(lambda: in_view(visit, "#list li:nth-child(2)"))
    assert (visit.outside(), visit.wrong) == ([], [])
    visit.context.close()


def test_a_number_is_found_and_one_that_is_not_is_said(visit):
    page = visit.page
    page.fill("#find", "2")
    assert "Landslide 2 is chosen" in page.locator("#found").text_content()
    assert page.evaluate("document.activeElement.id") == "find"  # while it is typed
    page.keyboard.press("Enter")
    visit.eventually(lambda: in_view(visit, "#card"))
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "find"
    page.fill("#find", "3")
    page.fill("#find", "99999")
    assert (
        page.locator("#found").text_content() == "No landslide 99999 among the 3 that are listed."
    )
    assert page.locator("#found").get_attribute("aria-live") == "polite"
    assert page.locator("#card").is_hidden()
    page.keyboard.press("Enter")
    assert page.locator("#card").is_hidden()
    page.fill("#find", "")
    assert page.locator("#found").text_content() == ""
    page.fill("#find", "4")
    page.locator("#list button").first.click()
    assert page.locator("#found").text_content() == ""
    page.fill("#find", "3")
    page.click("#show")
    visit.eventually(lambda: in_view(visit, "#card"))


def test_a_landslide_chosen_on_the_map_leaves_the_page_where_it_is(visit):
    visit.page.mouse.click(*visit.middle(60, 60))
    assert visit.page.locator("#card-back").is_hidden()
    visit.page.click("#card-close")
    assert visit.page.evaluate("scrollY") == 0


def test_everything_on_the_page_can_be_focused_in_its_order(visit):
    seen = []
    for _ in range(14):
        visit.page.keyboard.press("Tab")
        seen.append(
            visit.page.evaluate("document.activeElement.id || document.activeElement.className")
        )
    assert seen[0] == "skip"
    order = [
        seen.index(name) for name in ("map", "divider", "layer-probability", "opacity", "order")
    ]
    assert order == sorted(order)
    visit.page.locator(".skip").focus()
    visit.page.keyboard.press("Enter")
    assert visit.page.evaluate("document.activeElement.id") == "list-section"


def test_the_list_is_ordered_and_searched(visit):
    first = visit.page.locator("#list button").first
    assert first.get_attribute("aria-label").startswith("Landslide 1 ")
    visit.page.select_option("#order", "mean_probability")
    assert first.get_attribute("aria-label").startswith("Landslide 3 ")
    visit.page.fill("#find", "2")
    assert visit.page.locator("#card-title").text_content() == "Landslide 2"


def test_every_control_has_a_name(visit):
    unnamed = visit.page.evaluate(
        """() => [...document.querySelectorAll("input, select, button, [role=slider], [tabindex='0']")]
          .filter(e => !(e.labels?.length || e.getAttribute("aria-label") || e.textContent.trim()))
          .map(e => e.outerHTML)"""
    )
    assert unnamed == []


def test_charts_are_drawn(visit):
    for name in ("sizes", "probability"):
        assert visit.page.locator(f"#chart-{name} canvas").bounding_box()["width"] > 200
        assert "numbers are in the table" in visit.page.locator(f"#chart-{name}").get_attribute(
            "aria-label"
        )


def test_on_a_phone_nothing_is_cut_off_and_a_tap_opens_a_landslide(phone, tmp_path):
    inner, whole = phone.page.evaluate("[innerWidth, document.documentElement.scrollWidth]")
    assert whole <= inner
    phone.page.touchscreen.tap(*phone.middle(30, 30))
    box, stage = (phone.page.locator(name).bounding_box() for name in ("#card", "#stage"))
    assert box["y"] >= stage["y"] + stage["height"] / 3
    assert box["y"] + box["height"] <= stage["y"] + stage["height"]
    phone.page.screenshot(path=tmp_path / "phone.png", full_page=True)


def test_a_page_with_many_landslides_has_pages_of_them(browser, tmp_path):
    frame = made_inventory(*(square(2 * (n % 39), 2 * (n // 39)) for n in range(60)))
    write_report(
        tmp_path / "r.html",
        made_map(np.full(SHAPE, 0.5)),
        ReportContents(inventory=frame),
        ReportSettings(polygons=50),
    )
    visit = Visit(browser, DESKTOP, tmp_path / "r.html")
    assert visit.page.locator("#no-images").is_visible()
    assert visit.page.locator("#page").text_content() == "1 to 24 of 50"
    visit.page.click("#later")
    visit.page.click("#later")
    assert visit.page.locator("#page").text_content() == "49 to 50 of 50"
    assert visit.page.locator("#later").is_disabled()
    assert (visit.outside(), visit.wrong) == ([], [])
    visit.context.close()


def test_a_notebooks_map_works_in_its_frame(browser, tmp_path):
    frame = made_inventory(square(30, 20, 20))
    shown = explore(made_map(np.full(SHAPE, 0.5)), ReportContents(inventory=frame))
    (tmp_path / "notebook.html").write_text(
        # Scripts are allowed by their hashes: no encoding may change them.
        "<!DOCTYPE html><html data-ready='true'><meta charset='windows-1252'>"
        f"<body>{shown._repr_html_()}</body></html>"
    )
    visit = Visit(browser, DESKTOP, tmp_path / "notebook.html")
    inside = visit.page.frame_locator("iframe")
    inside.locator("#list button").first.click()
    assert inside.locator("#card-title").text_content() == "Landslide 1"
    assert inside.locator("h1").is_hidden()
    assert [url for url in visit.outside() if not url.startswith("about:srcdoc")] == []
    assert visit.wrong == []
    visit.context.close()
