"""The dashboard in a real browser: headless Chromium on a run that is really served."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from onsight_edge.backends.fake import FakeBackend
from onsight_edge.classifier import Classifier
from onsight_edge.frame import Notice
from onsight_edge.judge import Judge, Settings, make_judge
from onsight_edge.sources.synthetic import SyntheticSource
from onsight_edge.spec import ModelSpec
from onsight_edge.web.address import Address

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

CHROMIUM = shutil.which("chromium")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
COLOURS = ("red", "green", "blue")
TOKEN = "t" * 32

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def seen(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Which channel is the brightest: right for the scene `colours`."""
    shares = batch[0].reshape(-1, 3).mean(0).astype(np.float32) + 1
    return (shares / shares.sum())[None]


def judge(classes: tuple[str, ...] = COLOURS, answer: Callable[..., Any] = seen, threshold: float = 0.0) -> Judge:
    spec = ModelSpec("colours", classes, (32, 32))
    settings = Settings(threshold, smooth=0.0, agree=1, hysteresis=0.0)
    return make_judge(Classifier(spec, FakeBackend(spec, answer)), settings, sentinel=False)


class Opened:
    """A page, and whatever went wrong on it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.faults: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda asked: self.hosts.add(re.sub(r"^(\w+://[^/]*).*", r"\1", asked.url)))

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).inner_text())

    def wait(self, script: str, argument: Any = None) -> None:
        self.page.wait_for_function(script, arg=argument, timeout=30_000)

    def shown(self, selector: str, text: str) -> None:
        """Wait until that stands there."""
        self.page.locator(selector).filter(has_text=text).first.wait_for(timeout=30_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield launched
        launched.close()


Open = Callable[..., contextlib.AbstractContextManager[Opened]]


@pytest.fixture(scope="module")
def open_page(browser: Any) -> Open:
    @contextlib.contextmanager
    def opened(served: Any, size: dict[str, int] = DESKTOP, scheme: str = "light", path: str = "/") -> Iterator[Opened]:
        context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
        page = Opened(context.new_page())
        page.page.goto(f"http://127.0.0.1:{served.port}{path}")
        try:
            yield page
        finally:
            context.close()

    return opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def served(serve: Any, folder: Path) -> Iterator[Any]:
    source = SyntheticSource(30, (320, 240), scene="colours")
    with serve(source=source, judge=judge(), savable=True, folder=folder) as one:
        yield one


def test_the_picture_lives_and_the_answer_is_the_truth(served: Any, open_page: Open) -> None:
    with open_page(served) as page:
        page.wait("() => document.getElementById('live').naturalWidth > 0")
        first = page.page.locator("#live").screenshot()
        for colour in COLOURS:  # each is shown for a second, in turn
            page.shown("#label", colour)
            page.wait("c => document.querySelector('#bars .name')?.textContent === c", colour)
        widths = page.page.eval_on_selector_all(
            "#bars li",
            "rows => rows.map(r => [r.querySelector('.fill').style.width, r.querySelector('.share').innerText])",
        )
        for width, share in widths:
            assert abs(float(width.rstrip("%")) - float(share.rstrip(" %"))) <= 0.51, "a bar is as long as it says"
        assert page.page.locator("#live").screenshot() != first
        page.shown("#status", "live")
        assert page.faults == [] and page.hosts == {f"http://127.0.0.1:{served.port}"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_serious_stands_in_anybodys_way(
    served: Any, open_page: Open, size: dict[str, int], scheme: str
) -> None:
    with open_page(served, size, scheme) as page:
        page.shown("#facts", "fake")
        page.shown("#device", "Running for")
        assert page.page.evaluate("document.documentElement.scrollWidth") <= size["width"], "no sideways scrolling"
        ground = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
        dark = sum(map(int, re.findall(r"\d+", ground)[:3])) < 200
        assert dark == (scheme == "dark")
        found = axe.Axe().run(page.page).response["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert not serious, [(one["id"], one["nodes"][0]["html"]) for one in serious]
        page.page.keyboard.press("?")
        assert page.page.locator("#shortcuts").is_visible()
        assert not [one for one in axe.Axe().run(page.page).response["violations"] if one["impact"] == "critical"]


def test_sliders_act_on_the_run_and_are_saved(served: Any, open_page: Open, until: Callable[..., Any]) -> None:
    with open_page(served) as page:
        slider = page.page.locator("#setting-threshold")
        slider.wait_for()
        slider.focus()
        page.page.keyboard.press("End")
        until(lambda: served.control.judge.settings.threshold == 1.0)
        page.shown("#label", "unknown")
        page.shown("#bars-note", "No class reaches the threshold")
        page.page.locator("#settings-save").click()
        page.shown("#settings-note", "Saved")
        assert served.saved[-1].threshold == 1.0
        page.page.locator("#settings-back").click()
        until(lambda: served.control.judge.settings.threshold == 0.0)
        page.wait("() => document.getElementById('setting-threshold').value === '0'")
        assert page.faults == []


def test_another_client_moves_the_sliders_too(served: Any, open_page: Open) -> None:
    with open_page(served) as page:
        page.page.locator("#setting-agree").wait_for()
        assert served.ask("PUT", "/api/settings", {"agree": 7}).status == 200
        page.shown(".setting", "7 in a row")
        assert served.ask("PUT", "/api/settings", {"agree": 1}).status == 200
        page.shown(".setting", "1 in a row")


def test_a_key_collects_the_picture(served: Any, open_page: Open, folder: Path) -> None:
    with open_page(served) as page:
        page.shown("#chips", "green")
        green = page.page.locator("#chips button").filter(has_text="green")
        key = green.locator("kbd").inner_text()
        page.page.keyboard.press(key)
        page.shown("#collect-note", "saved as green: 1 now")
        page.page.keyboard.press("c")
        page.page.keyboard.type("light blue")
        page.page.keyboard.press("Enter")
        page.shown("#collect-note", "saved as light blue: 1 now")
        page.page.locator("#class-name").fill("../up")
        page.page.keyboard.press("Enter")
        page.shown("#collect-note", "Not saved")
    found = sorted(str(file.parent.relative_to(folder)) for file in folder.rglob("*.jpg"))
    assert found == ["collected/green", "collected/light blue"]
    picture = cv2.imread(str(next((folder / "collected" / "green").iterdir())))
    assert picture is not None and picture.shape == (240, 320, 3)


def test_a_held_picture_is_the_one_that_is_collected(served: Any, open_page: Open, folder: Path) -> None:
    with open_page(served) as page:
        page.shown("#status", "live")
        page.page.locator("#live").click()
        page.page.keyboard.press("Space")
        page.shown("#frame-tag", "held: frame")
        number = page.text("#frame-tag").split()[-1]
        page.page.keyboard.press("1")
        page.shown("#collect-note", f"Frame {number} saved as")
        page.page.keyboard.press("Space")
        page.wait("() => document.getElementById('frame-tag').hidden")
        assert page.faults == []


def test_a_recording(served: Any, open_page: Open, folder: Path, until: Callable[..., Any]) -> None:
    with open_page(served) as page:
        page.page.locator("#record").click()
        page.shown("#record", "Stop 00:01")
        page.page.locator("#record").click()
        page.shown("#picture-note", "Recorded:")
        film = until(lambda: list((folder / "recordings").glob("*.mp4")))[0]
        assert cv2.VideoCapture(str(film)).get(cv2.CAP_PROP_FRAME_COUNT) > 10


def test_a_snapshot_is_a_download(served: Any, open_page: Open) -> None:
    with open_page(served) as page:
        page.shown("#status", "live")
        with page.page.expect_download() as coming:
            page.page.keyboard.press("s")
        assert re.fullmatch(r"onsight-\d+\.jpg", coming.value.suggested_filename)


def test_everything_is_reached_by_tab(served: Any, open_page: Open) -> None:
    with open_page(served) as page:
        page.shown("#chips", "green")
        page.page.locator("#setting-hysteresis").wait_for()
        wanted = {"theme", "help", "pause", "snapshot", "record", "overlay", "full", "class-name", "events"}
        wanted |= {"setting-threshold", "setting-smooth", "setting-agree", "setting-hysteresis", "settings-save"}
        page.page.keyboard.press("Tab")
        assert page.page.evaluate("document.activeElement.className") == "skip"
        reached = set()
        for _ in range(60):
            page.page.keyboard.press("Tab")
            reached.add(page.page.evaluate("document.activeElement.id"))
            if wanted <= reached:
                break
        assert wanted <= reached, wanted - reached


def test_the_theme_is_kept(served: Any, open_page: Open) -> None:
    with open_page(served, scheme="light") as page:
        for wanted in ("light", "dark"):
            page.page.locator("#theme").click()
            assert page.page.evaluate("document.documentElement.dataset.theme") == wanted
        page.page.reload()
        assert page.page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_what_cannot_be_done_says_why(serve: Any, open_page: Open) -> None:
    with serve(judge=judge()) as bare, open_page(bare) as page:
        page.shown("#collect-why", "--web-folder")
        page.shown("#settings-note", "--config")
        assert page.page.locator("#record").is_disabled() and page.page.locator("#settings-save").is_disabled()
        assert not page.page.locator("#collect").is_visible()


def test_a_thousand_classes_with_names_that_would_be_markup(serve: Any, open_page: Open) -> None:
    classes = (*(f"class {n} " + "x" * 80 for n in range(999)), "<img src=x onerror=alert(1)>")
    scores = np.zeros((1, 1000), np.float32)
    scores[0, -1] = 1.0
    with serve(judge=judge(classes, lambda batch: scores)) as many, open_page(many, PHONE) as page:
        page.shown("#label", "<img src=x onerror=alert(1)>")
        assert page.page.locator("#label img").count() == 0
        assert page.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert page.page.locator("#bars li").count() == 5 and page.faults == []


def test_a_camera_that_is_lost_and_a_notice(serve: Any, open_page: Open, scripted: Any) -> None:
    source = scripted()
    with serve(source=source, judge=judge()) as one, open_page(one) as page:
        page.shown("#status", "live")
        source.on_notice(Notice("dark", "the pictures are dark", 0))
        page.shown("#notices", "the pictures are dark")
        page.shown("#events", "the pictures are dark")
        source.held.set()
        page.shown("#status", "no picture")
        page.shown("#frame-note", "No new picture for")
        source.held.clear()
        page.shown("#status", "live")
        source.on_notice(Notice("dark", "the pictures are dark", 0, over=True))
        page.wait("() => document.getElementById('notices').children.length === 0")


def test_a_server_that_goes_and_comes_back(serve: Any, open_page: Open) -> None:
    with serve(judge=judge()) as first, open_page(first) as page:
        page.shown("#status", "live")
        first.web.close()  # the server ends under the page's eyes
        page.wait("() => document.getElementById('status').dataset.state === 'gone'")
        with serve(judge=judge(), address=Address("127.0.0.1", first.port)):
            page.shown("#status", "live")


def test_the_token_is_asked_for(serve: Any, open_page: Open) -> None:
    with serve(judge=judge(), token=TOKEN) as locked, open_page(locked, PHONE) as page:
        page.shown("h1", "This camera is locked")
        assert not [one for one in axe.Axe().run(page.page).response["violations"] if one["impact"] == "serious"]
        page.page.locator("#token").fill("wrong")
        page.page.keyboard.press("Enter")
        page.shown("[role=alert]", "That is not the token")
        page.page.locator("#token").fill(TOKEN)
        page.page.keyboard.press("Enter")
        page.shown("#status", "live")
        assert TOKEN not in page.page.url
