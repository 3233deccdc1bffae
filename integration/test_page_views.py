"""The page at /ui in a browser: Predictions and Server, with 1,000 records and a worker that died."""

import base64
import io
import json
import re
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from integration.browser import Page
from integration.conftest import Serve
from integration.page_models import ANYTHING
from integration.page_serving import browser, fill, run, show, text
from testing.model import Model
from testing.server import Server
from testing.waiting import wait_for

from coglet_supervisor.metrics.history import Sample

pytestmark = pytest.mark.ours("operations.md 4: the peer has no page")

RECORDS = 1000


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    """A server that keeps 1,000 records, of which ten failed and the last killed its worker."""
    with serve(Model(ANYTHING), variables={"COG_QUEUE_SIZE": "100"}) as running:
        with ThreadPoolExecutor(8) as pool:
            values = ["1"] * (RECORDS - 11) + ["not JSON"] * 10
            assert {
                answer.status for answer in pool.map(lambda value: running.predict({"value": value}), values)
            } == {200}
        assert running.predict({"die": True}, id="deadly").json()["status"] == "failed"
        wait_for(lambda: running.health()["status"] == "READY", "new worker")
        yield running


SET_HIDDEN = (
    "Object.defineProperty(document, 'hidden', {{value: {}, configurable: true}});"
    "document.dispatchEvent(new Event('visibilitychange', {{bubbles: true}}))"
)
# What the page would have done, and one request more.
FOLLOW_UNSEEN = """
fetch("data/progress?id=unseen").then((response) => response.text())
  .then(() => fetch("../predictions/unseen")).then((response) => response.text())
  .then((text) => { globalThis.later = text; });
undefined"""
COUNT = "document.querySelectorAll('#rows tr').length"


def test_a_thousand_records_page_by_page(page: Page, server: Server) -> None:
    show(page, server, "predictions")
    page.wait(f"{COUNT} === 50")
    seen = set(page.run("[...document.querySelectorAll('#rows a')].map((each) => each.textContent)"))
    for _ in range(19):
        first = text(page, "#rows a")
        page.run("document.querySelector('#older').click()")
        page.wait(f"text('#rows a') !== {first!r}")
        seen |= set(page.run("[...document.querySelectorAll('#rows a')].map((each) => each.textContent)"))
    assert len(seen) == RECORDS
    assert page.run("document.querySelector('#older').disabled")
    assert page.complaints == []


def test_filters_by_status(page: Page, server: Server) -> None:
    show(page, server, "predictions")
    page.wait(f"{COUNT} === 50")
    choose = (
        "const f = document.querySelector('#filter'); f.value = '{}'; f.dispatchEvent(new Event('change'))"
    )
    page.run(f"(() => {{ {choose.format('failed')} }})()")
    page.wait(f"{COUNT} === 11")
    assert text(page, "#rows a") == "deadly"
    page.run(f"(() => {{ {choose.format('canceled')} }})()")
    page.wait(f"{COUNT} === 0")
    assert text(page, "#no-rows") == "No prediction is canceled."


def test_one_prediction_from_its_start_to_its_end_and_again(page: Page, server: Server) -> None:
    show(page, server, "predictions")
    page.wait(f"{COUNT} === 50")
    lists = [url for url in page.requested if "/predictions?" in url]
    assert server.start({"say": "<i>hello</i>", "sleep": 60}, id="slow").status == 202
    page.wait("text('#rows a') === 'slow' && text('#rows .badge') === 'processing'")
    assert [url for url in page.requested if "/predictions?" in url] == lists  # the event had the row
    page.run("document.querySelector('#rows a').click()")
    page.wait("text('#record-logs') === '<i>hello</i>\\n'")
    assert text(page, "#record-inputs h4") == "say"
    page.run("document.querySelector('#record-cancel').click()")
    page.wait("text('#record-status') === 'canceled'")
    assert page.run("document.querySelector('#record-cancel').hidden")
    assert page.run("document.querySelector('.timeline').ariaLabel").startswith("waited ")
    page.run("document.querySelector('#record-edit').click()")
    assert page.wait("document.querySelector('#input-sleep')?.value") == "60"
    assert page.complaints == []


def test_what_a_prediction_prints_is_followed(page: Page, server: Server) -> None:
    assert server.start({"sleep": 60}, id="blocks").status == 202
    assert server.start({"say": "late", "sleep": 60}, id="follows").status == 202
    show(page, server, "predictions/follows")
    page.wait("text('#record-status') === 'starting'")
    server.cancel("blocks")
    page.wait("text('#record-status') === 'processing' && text('#record-logs') === 'late\\n'")
    server.cancel("follows")
    page.wait("text('#record-status') === 'canceled'")


def test_more_than_the_latest_are_followed(page: Page, server: Server) -> None:
    show(page, server, "predictions")
    choose = "const f = document.querySelector('#filter'); f.value = 'starting'"
    page.run(f"(() => {{ {choose}; f.dispatchEvent(new Event('change')) }})()")
    page.wait(f"{COUNT} === 0")
    assert server.start({"sleep": 60}, id="holds").status == 202
    for count in (30, 60):
        assert {server.start({}).status for _ in range(30)} == {202}
        page.wait(f"{COUNT} === {count}")
    server.cancel("holds")
    page.wait(f"{COUNT} === 0")


def test_a_hidden_page_follows_nothing(page: Page, server: Server) -> None:
    assert server.start({"say": "one", "sleep": 60}, id="unseen").status == 202
    show(page, server, "predictions/unseen")
    page.wait("text('#record-logs') === 'one\\n'")
    page.run(SET_HIDDEN.format("true"))
    page.run(FOLLOW_UNSEEN)
    server.cancel("unseen")
    page.wait("globalThis.later")
    assert text(page, "#record-status") == "processing"
    page.run(SET_HIDDEN.format("false"))
    page.wait("text('#record-status') === 'canceled'")
    assert text(page, "#record-logs") == "one\n"


def test_run_again_runs_with_the_same_inputs(page: Page, server: Server) -> None:
    assert server.predict({"value": '"the same"'}, id="first").status == 200
    show(page, server, "predictions/first")
    page.wait("text('#record-output') === 'the same'")
    page.run("document.querySelector('#record-again').click()")
    page.wait("!document.querySelector('#try').hidden && text('#status').startsWith('succeeded')")
    assert text(page, "#output") == "the same"


def test_run_again_does_not_use_defaults_for_empty_inputs(page: Page, server: Server) -> None:
    assert server.predict({"value": ""}, id="empty").json()["status"] == "failed"
    show(page, server, "predictions/empty")
    page.wait("text('#record-status') === 'failed'")
    page.run("document.querySelector('#record-again').click()")
    page.wait("/^(succeeded|failed)/.test(text('#status'))")
    assert text(page, "#status").startswith("failed")


HOLD_THE_RECORD = """
globalThis.fetchNow = globalThis.fetch;
globalThis.fetch = async (url, options) => {
  const isHeld = options?.headers?.Prefer === "wait=60";
  if (isHeld) await new Promise((resolve) => { globalThis.release = resolve; });
  return fetchNow(url, options);
};
undefined"""


def test_the_end_is_shown_with_the_output(page: Page, server: Server) -> None:
    show(page, server)
    page.run(HOLD_THE_RECORD)
    fill(page, say="printed", sleep=1)
    page.run("document.querySelector('#run').click()")
    page.wait("globalThis.release !== undefined")  # what the model printed was followed until the end
    assert not text(page, "#status").startswith("succeeded")
    page.run("release()")
    page.wait("text('#status').startsWith('succeeded')")
    assert text(page, "#output") == "1"


@pytest.mark.parametrize(
    ("prediction_id", "problem"), [("never", "The server does not know this prediction.")]
)
def test_a_prediction_without_a_record(page: Page, server: Server, prediction_id: str, problem: str) -> None:
    show(page, server, f"predictions/{prediction_id}")
    page.wait(f"text('#record-problem') === {problem!r}")


def test_the_server_and_why_its_worker_was_restarted(page: Page, server: Server) -> None:
    show(page, server, "server")
    page.wait("text('#server-facts').includes('0 of 1 busy')")
    requested = list(page.requested)
    assert server.start({"sleep": 60}, id="busy").status == 202
    assert server.start({}, id="waiting").status == 202
    page.wait("text('#server-facts').includes('1 of 1 busy') && text('#server-facts').includes('1 of 100')")
    server.cancel("busy")
    page.wait("text('#server-facts').includes('0 of 1 busy')")
    assert page.run("[...document.querySelectorAll('#workers td')].at(-1).textContent") == "1 crashed"
    assert text(page, "#end-list li").endswith("worker 0: Worker crashed: it exited with code 3")
    assert "MiB" in text(page, "#workers")
    assert "<b>setup</b>" in text(page, "#server-setup")
    assert not page.run("document.querySelector('#plots').hidden")
    assert page.requested == requested  # all came as events
    assert page.complaints == []


def test_the_plots_show_what_the_server_samples(page: Page, server: Server) -> None:
    show(page, server, "server")
    samples = [
        Sample(
            at=number * 10.0,
            predictions_per_s=1.0,
            p50_s=0.1,
            p95_s=0.2,
            p99_s=0.3,
            queue_length=1,
            in_progress=2,
            memory_bytes=1000,
            worker_memory_bytes=[2000],
        )
        for number in range(3)
    ]
    lines = page.run(
        f"""import("./server.js").then(({{ ServerView }}) => {{
          const view = new ServerView();
          view.use();
          view.history({msgspec.json.encode(samples).decode()});
          const paths = (plot) => [...plot.svg.querySelectorAll("path")];
          return view.plots.map((plot) => paths(plot).map((path) => path.getAttribute("d")));
        }})"""
    )
    assert [len(drawn) for drawn in lines] == [1, 3, 2, 2]
    # A series without values has no line.
    assert [
        d for drawn in lines for d in drawn if not re.fullmatch(r"M[\d.]+ [\d.]+h0.5(L[\d. ]+)+", d)
    ] == []


PLOT = """import("./plot.js").then(({ Plot }) => {
  const plot = new Plot(document.querySelector("#plot-rate"), "Rate", ["a", "b"], (s) => s.values, String);
  plot.draw([{at: 0, values: [40, null]}, {at: 10, values: [30, null]}, {at: 3600, values: [15, 5]}]);
  return [...plot.svg.querySelectorAll("path")].map((path) => path.getAttribute("d"));
})"""


def test_a_plot_draws_a_line_for_each_series_and_leaves_gaps(page: Page, server: Server) -> None:
    show(page, server, "server")
    # From 52 to 314 across, and from 90 up to 8, which is 50: samples at most 30 s apart are joined.
    assert page.run(PLOT) == ["M52.0 24.4h0.5L52.7 40.8M314.0 65.4h0.5", "M314.0 81.8h0.5"]
    assert page.run("document.querySelector('#plot-rate svg').getAttribute('aria-label')") == (
        "Rate, the last 60 minutes, at most 40"
    )
    assert text(page, "#plot-rate .latest") == "a 15b 5"


def test_sound_can_be_played_and_a_damaged_video_says_so(page: Page, server: Server) -> None:
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(bytes(800))
    show(page, server)
    fill(page, value=json.dumps(f"data:audio/wav;base64,{base64.b64encode(sound.getvalue()).decode()}"))
    assert run(page).startswith("succeeded · ")
    assert page.wait("document.querySelector('#output audio')?.duration") == pytest.approx(0.1)
    fill(page, value='"data:video/webm;base64,AAAA"')
    assert run(page).startswith("succeeded · ")
    page.wait("text('#output').includes('This video cannot be shown')")


HOSTILE = [
    '"<script>hit = 1</script><img src=x onerror=\\"hit = 1\\">"',
    json.dumps(
        'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" onload="hit = 1">'
        "<script>hit = 1</script></svg>"
    ),
    '"data:text/html,<script>parent.hit = 1</script>"',
    '["data:constructor/x,", "data:__proto__/x,", "http://127.0.0.1:1/x.constructor"]',
    '"javascript:hit = 1"',
    '{"<img src=x onerror=hit=1>": ["javascript:hit = 1", "data:text/html,<script>hit = 1</script>"]}',
    '"data:image/png;base64,bm90IGFuIGltYWdl"',
    '"data:video/mp4;base64,AAAA"',
    '["data:image/png,x", "data:,x", "http://127.0.0.1:1/x.png", null, 5]',
    '"https://server.example/</script><script>hit = 1</script>"',
    "[" * 400 + "]" * 400,
]


@pytest.mark.parametrize("value", HOSTILE)
def test_output_never_runs_and_the_page_stays_alive(page: Page, server: Server, value: str) -> None:
    show(page, server)
    fill(page, value=value, say=value)
    assert run(page).startswith("succeeded · ")
    page.wait("document.querySelector('#output').hasChildNodes()")
    settled = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
    page.run(settled)
    assert page.run("globalThis.hit") is None
    # Only what the page itself makes; the link of a data URL saves it.
    tags = page.run(
        "[...new Set([...document.querySelectorAll('#output *, #logs *')].map((e) => e.tagName))]"
    )
    assert set(tags) <= set("A AUDIO BUTTON DIV FIGCAPTION FIGURE IMG P PRE SPAN VIDEO".split())
    assert page.run(
        "[...document.querySelectorAll('#output a')].every((a) => a.download || /^https?:/.test(a.href))"
    )
    assert [url for url in page.requested if "server.example" in url or ":1/" in url] == []
    assert run(page).startswith("succeeded · ")


def test_damaged_images_say_so(page: Page, server: Server) -> None:
    show(page, server)
    fill(page, value='"data:image/png;base64,bm90IGFuIGltYWdl"')
    run(page)
    page.wait("text('#output').startsWith('This image cannot be shown')")


def test_a_huge_text_is_cut_and_can_be_saved(page: Page, server: Server) -> None:
    show(page, server)
    fill(page, value=json.dumps("wide" * 1_000_000))
    assert run(page).startswith("succeeded · ")
    assert page.run("document.querySelector('#output pre').textContent.length") == 100_000
    assert text(page, "#output .text p").startswith("The first 100,000 of 4,000,000 characters.")


def test_ten_thousand_items_are_shown_in_steps(page: Page, server: Server) -> None:
    show(page, server)
    fill(page, value=json.dumps([f"item {number}" for number in range(10_000)]))
    assert run(page).startswith("succeeded · ")
    assert page.wait("document.querySelectorAll('#output pre').length") == 100
    page.run("document.querySelector('.more').click()")
    assert page.wait("document.querySelectorAll('#output pre').length") == 200
    assert text(page, ".more") == "Show more (9800 of 10000 are hidden)"


def test_no_view_is_wider_than_a_phone(page: Page, server: Server) -> None:
    wide = "w" * 200
    assert (
        server.predict({"value": f'["{wide}", {{"{wide}": "{wide}"}}]', "say": wide}, id=wide).status == 200
    )
    for view in ("try", "predictions", f"predictions/{wide}", "server"):
        show(page, server, view)
        page.resize(390, 844)
        if view == "try":
            fill(page, value=f'["{wide}"]', say=wide)
            run(page)
        elif view.startswith("predictions"):
            page.wait(f"document.body.innerText.includes({wide!r})")
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.run(wider) == 0, view
        assert page.run("document.documentElement.clientWidth") == 390
