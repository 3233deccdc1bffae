"""Parts of the page at /ui, alone in a browser: its reader of events, and what it makes of a value."""

import json
from collections.abc import Iterator

import pytest
from integration.browser import Page
from integration.conftest import Serve
from integration.page_serving import browser, show
from testing.server import Server

pytestmark = pytest.mark.ours("operations.md 4: the peer has no page")


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    with serve("echo") as running:
        yield running


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        show(opened, server)
        yield opened


EVENTS = """import("./api.js").then(async ({ events }) => {
  const read = async (text, size) => {
    const bytes = new TextEncoder().encode(text);
    let at = 0;
    const body = new ReadableStream({ pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    } });
    const found = [];
    for await (const { name, data } of events(new Response(body))) found.push([name, data]);
    return found;
  };
  %s
})"""


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_events_arrive_in_any_pieces(page: Page, size: int) -> None:
    text = ': keep-alive\n\nevent: a\ndata: "\u20ac"\n\n\n\r\ndata: 1\r\n\r\nevent: b\ndata: [2]\n\n'
    script = EVENTS % f"return read({json.dumps(text)}, {size});"
    assert page.run(script) == [["a", "\u20ac"], ["message", 1], ["b", [2]]]


def test_a_large_event_is_read_once(page: Page) -> None:
    script = (
        EVENTS
        % """
      let scanned = 0;
      const split = String.prototype.split;
      String.prototype.split = function (by) { scanned += this.length; return split.call(this, by); };
      const [[, data]] = await read(`data: "${"x".repeat(8_000_000)}"\\n\\n`, 65_536);
      String.prototype.split = split;
      return [data.length, scanned < 20_000_000];
    """
    )
    assert page.run(script) == [8_000_000, True]


def test_who_gives_no_token_is_not_asked_again_for_a_request_of_before(page: Page) -> None:
    asked, is_last_asked, statuses = page.run(
        """import("./api.js").then(async ({ ApiServer }) => {
          let asked = 0, refuse;
          const server = new ApiServer("http://none", async () => { asked += 1; return null; });
          const late = new Promise((resolve) => { refuse = resolve; });
          server.send = async (_, path) => (path === "/late" && await late, { status: 401 });
          const slow = server.fetch("GET", "/late");
          const statuses = [(await server.fetch("GET", "/soon")).status];
          refuse();
          statuses.push((await slow).status);
          const before = asked;
          await server.fetch("GET", "/later");
          return [before, asked === 2, statuses];
        })"""
    )
    assert (asked, is_last_asked, statuses) == (1, True, [401, 401])


def shown(page: Page, output: str, *, joins: bool) -> list[str]:
    """Return the tags and texts of what the page shows of an output, a JavaScript expression."""
    script = f"""import("./output.js").then(({{ OutputView }}) => {{
      const place = document.createElement("div");
      new OutputView(place).show({output}, {str(joins).lower()});
      const size = (each) => each.querySelector("pre")?.textContent.length;
      return [...place.children].map((each) => `${{each.tagName}} ${{size(each)}}`);
    }})"""
    found: list[str] = page.run(script)
    return found


def test_text_that_begins_as_a_url_is_text(page: Page) -> None:
    assert shown(page, '"https://a.example/b"', joins=False) == ["FIGURE undefined"]
    assert shown(page, '"https://a.example is a site"', joins=False) == ["DIV 27"]
    assert shown(page, '"http://" + "x".repeat(1_000_000)', joins=False) == ["DIV 100000"]
    assert shown(page, '["See ", "https://", "a.example", "."]', joins=True) == ["DIV 22"]


def test_a_made_up_type_hides_nothing_after_it(page: Page) -> None:
    output = '["data:constructor/x,", "data:__proto__/x,", "end"]'
    assert shown(page, output, joins=False) == ["FIGURE undefined", "FIGURE undefined", "DIV 3"]


def test_many_reasons_of_restarts_fit_on_a_phone(page: Page, server: Server) -> None:
    show(page, server, "server")
    page.resize(390, 844)
    # In one piece: the next event of the server shows its own workers again.
    workers, wider = page.run("""import("./server.js").then(({ ServerView }) => {
      new ServerView().server({
        status: "READY", slots: { total: 1, busy: 0 }, queue: { size: 0, capacity: 0 },
        started_at: "2026-01-01",
        workers: [{ pid: 1, state: "ready", memory_bytes: 5e9, ends: [],
          replacements: { crashed: 20, setup_failed: 10, reloaded: 1200, did_not_answer: 3 } }],
      });
      const { scrollWidth, clientWidth } = document.documentElement;
      return [document.querySelector("#workers").textContent, scrollWidth - clientWidth];
    })""")
    assert "1200 reloaded" in workers
    assert wider == 0
