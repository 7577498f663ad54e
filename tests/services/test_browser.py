"""What an engineer sees in Dagster's UI, in a real browser. The pictures are kept in build/screenshots."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.command import PROJECT, Penstock
from tests.unit.workers.test_up import free_port, processes_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PATIENCE_MS = 120_000
PICTURES = PROJECT / "build" / "screenshots"

TEAS = """\
version: "1"
name: teas
stages:
  - {name: ingest, type: IngestStage}
  - {name: parse, type: ParseStage, depends_on: [ingest]}
"""

pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(900),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine: apt install chromium"),
]


@pytest.fixture(scope="module")
def penstock(tmp_path_factory: pytest.TempPathFactory) -> Penstock:
    """A home in which one document has been done and one has failed."""
    folder = tmp_path_factory.mktemp("browser")
    made = Penstock.at(folder)
    (folder / "documents").mkdir()
    (folder / "documents" / "tea.md").write_text("# Tea\n\nGreen tea is a drink.\n")
    (folder / "documents" / "torn.json").write_text('{"title": "torn')
    return made


@pytest.fixture(scope="module")
def run(penstock: Penstock) -> str:
    report = penstock.run("auto", "documents", codes=(1,))
    return str(report["runs"][0])


@pytest.fixture(scope="module")
def address(penstock: Penstock, run: str) -> Iterator[str]:
    """The address of the UI of a running `penstock up`."""
    port = free_port()
    up = penstock.start("up", "--port", port)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, up)
        yield address
    finally:
        up.send_signal(signal.SIGTERM)
        try:
            up.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            for pid in processes_of(penstock.home):
                if pid != os.getpid():
                    os.kill(pid, signal.SIGKILL)
            up.communicate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page; what it shows at the end is kept, also where the test has failed."""
    page = browser.new_page(viewport={"width": 1500, "height": 1000})
    page.set_default_timeout(PATIENCE_MS)
    yield page
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{request.node.name.removeprefix('test_')}.png")
    page.close()


def test_the_graph_is_as_declared(page: Page, address: str) -> None:
    page.goto(f"{address}/locations/penstock.definitions/jobs/auto_pipeline_job")
    drawn = page.locator("svg foreignObject")
    expect(drawn.filter(has_text="ir_validation").first).to_be_visible(timeout=PATIENCE_MS)
    heights = {name: _top(page, name) for name in ("ingest", "parse", "ir_validation", "chunk", "embed", "index", "kg")}
    assert list(heights) == sorted(heights, key=lambda name: heights[name]), "from top to bottom, as in the YAML"
    expect(page.get_by_text("Version 1.0, digest").first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("name: ir_validation").first).to_be_attached(timeout=PATIENCE_MS)


def test_a_finished_run_tells_what_failed_and_why(page: Page, address: str, run: str) -> None:
    page.goto(f"{address}/runs/{run}")
    expect(page.get_by_text("Success").first).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_placeholder("Filter…").first.fill("step:parse type:STEP_OUTPUT")
    expect(page.get_by_text("file:torn.json").first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("parse_failed").first).to_be_visible(timeout=PATIENCE_MS)


def test_the_sensor_says_what_it_does(page: Page, address: str) -> None:
    page.goto(f"{address}/locations/penstock.definitions/sensors/penstock_queue_sensor")
    expect(page.get_by_text(re.compile("Starts a run for each batch")).first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("cell", name="0 runs requested").first).to_be_visible(timeout=PATIENCE_MS)


def test_an_edit_is_there_after_a_reload(page: Page, address: str, penstock: Penstock) -> None:
    file = penstock.config / "pipelines" / "teas.yaml"
    file.write_text(TEAS)
    job = f"{address}/locations/penstock.definitions/jobs/teas_pipeline_job"
    _reload_until(page, job, "parse")
    expect(page.locator("svg foreignObject").get_by_text("steep", exact=True)).to_have_count(0)
    file.write_text(TEAS + "  - {name: steep, type: ValidateStage, depends_on: [parse]}\n")
    _reload_until(page, job, "steep")
    assert _top(page, "parse") < _top(page, "steep"), "below what it takes its input from"


def _reload_until(page: Page, address: str, stage: str) -> None:
    """Load a job's page again, as a person does, until it draws a stage."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    drawn = page.locator("svg foreignObject").get_by_text(stage, exact=True).first
    while not drawn.is_visible():
        assert time.monotonic() < deadline, f"`{stage}` is not drawn"
        page.goto(address)
        page.wait_for_timeout(3_000)


def _top(page: Page, name: str) -> float:
    box = page.locator("svg foreignObject").get_by_text(name, exact=True).first.bounding_box()
    assert box is not None, f"`{name}` is not drawn"
    return box["y"]


def _wait_for(address: str, up: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            with urlopen(f"{address}/server_info", timeout=5) as answer:
                assert answer.status == 200
                return
        except (URLError, TimeoutError):
            assert up.poll() is None, "`penstock up` has ended by itself"
            assert time.monotonic() < deadline, "the UI does not answer"
            time.sleep(0.5)
