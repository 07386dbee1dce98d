"""A hostile page in a real Chromium: it can neither read what the server says nor cause anything.

It is tried from another site, from another port of this machine, and by a name of the attacker's
that has come to mean this machine (rebinding), in which case the browser takes it for same-origin.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.browser import chromium
from tests.security.kit import (
    PATIENCE_S,
    Fakes,
    Threaded,
    ask,
    body_of,
    request,
    serving,
    settings_for,
    sized,
)

pytestmark = pytest.mark.browser

SITES = {
    "another site": "http://evil.example:7001",
    "another port": "http://127.0.0.1:7001",
    "a file": "null",
    "a name rebound to us": "http://rebound.example:{port}",
}
TARGETS = ("http://127.0.0.1", "http://localhost")[: sized(1, 2)]
FLAGS = (
    "--host-resolver-rules=MAP *.example 127.0.0.1",
    # A newer browser would ask its user first; older and other ones do not.
    "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
)
ATTACK = """
async ([url, body, patience]) => {
  const read = [];
  const said = (what) => (text) => { if (text) read.push([what, String(text).slice(0, 200)]); };
  const attempt = (what, work) => Promise.race([
    Promise.resolve().then(work).then(said(what), () => {}),
    new Promise((late) => setTimeout(late, patience)),
  ]);
  const json = { "content-type": "application/json" };
  const plain = { "content-type": "text/plain" };
  const get = (path, given) => fetch(url + path, given)
    .then(async (r) => r.ok ? `${r.status} ${await r.text()}` : "");
  const chat = "/v1/chat/completions";
  const change = JSON.stringify({ default_llm_provider: "gemini" });
  const tasks = [];
  for (const path of ["/v1/models", "/admin", "/admin/api/status", "/api/user/preferences",
                      "/health/ready", "/openai/v1/models"]) {
    for (const given of [{}, { mode: "no-cors" }, { credentials: "include" }, { headers: json }]) {
      tasks.push(attempt(`fetch ${path}`, () => get(path, given)));
    }
  }
  for (const path of [chat, "/openai/v1/chat/completions", "/admin/api/chat", "/admin/api/test",
                      "/admin/api/explain", "/admin/api/login"]) {
    for (const given of [
      { headers: json }, { headers: plain }, { mode: "no-cors", headers: plain }, {},
      { mode: "no-cors", body: new Blob([body]) },
      { mode: "no-cors", body: new Blob([body], { type: "application/json" }) },
      { mode: "no-cors", body: new URLSearchParams({ [body]: "" }) },
      { headers: { ...json, authorization: "Bearer app-x" }, credentials: "include" },
    ]) {
      tasks.push(attempt(`post ${path}`, () => get(path, { method: "POST", body, ...given })));
    }
  }
  for (const method of ["PUT", "DELETE", "POST", "PATCH"]) {
    for (const headers of [json, plain]) {
      tasks.push(attempt(`${method} preferences`, () =>
        get("/api/user/preferences?app=x", { method, headers, body: change })));
    }
  }
  tasks.push(attempt("xhr", () => new Promise((done) => {
    const xhr = new XMLHttpRequest();
    xhr.open("POST", url + chat);
    xhr.onloadend = () => done(xhr.status === 200 && xhr.responseText);
    xhr.send(body);
  })));
  tasks.push(attempt("beacon", () => { navigator.sendBeacon(url + chat, body); }));
  tasks.push(attempt("socket", () => new Promise((done, fail) => {
    const socket = new WebSocket(url.replace("http", "ws") + chat);
    socket.onopen = () => done("open");
    socket.onerror = fail;
  })));
  tasks.push(attempt("events", () => new Promise((done, fail) => {
    const events = new EventSource(url + "/admin/api/events");
    events.onopen = () => done("open");
    events.onerror = () => { events.close(); fail(); };
  })));
  for (const path of ["/admin/assets/icon.svg", "/v1/models", chat]) {
    tasks.push(attempt(`image ${path}`, () => new Promise((done, fail) => {
      const image = new Image();
      image.onload = () => done("loaded");
      image.onerror = fail;
      image.src = url + path;
    })));
  }
  for (const path of ["/admin/assets/page.js", "/admin/api/status"]) {
    tasks.push(attempt(`script ${path}`, () => new Promise((done, fail) => {
      const script = document.createElement("script");
      script.onload = () => done("loaded");
      script.onerror = fail;
      script.src = url + path;
      document.body.append(script);
    })));
  }
  for (const [i, enctype] of
       ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"].entries()) {
    for (const path of [chat, "/admin/api/chat", "/api/user/preferences"]) {
      const frame = document.createElement("iframe");
      frame.name = `frame-${i}-${path}`;
      const form = document.createElement("form");
      Object.assign(form, { method: "POST", enctype, action: url + path, target: frame.name });
      const input = document.createElement("input");
      const half = Math.floor(body.indexOf(":") + 1);
      Object.assign(input, { type: "hidden", name: body.slice(0, half), value: body.slice(half) });
      form.append(input);
      document.body.append(frame, form);
      form.submit();
    }
  }
  for (const path of ["/admin", "/admin/api/status", "/v1/models"]) {
    const frame = document.createElement("iframe");
    frame.name = "looked-at";
    frame.src = url + path;
    document.body.append(frame);
    tasks.push(attempt(`frame ${path}`, () => new Promise((done) => {
      frame.onload = () => {
        try { done(frame.contentDocument?.body.innerText); } catch { done(""); }
      };
    })));
  }
  await Promise.all(tasks);
  return read;
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(*FLAGS) as browser:
        yield browser


@pytest.fixture
def server(fakes: Fakes, tmp_path: Path) -> Iterator[Threaded]:
    with serving(settings_for(fakes, tmp_path)) as one:
        yield one


def hostile_page(browser: Browser, site: str, port: int, folder: Path) -> Page:
    """A page that is really there, at the attacker's address."""
    html = "<!doctype html><title>Nice</title><body>Nothing to see here."
    page = browser.new_page()
    if site == "null":
        path = folder / "page.html"
        path.write_text(html, encoding="utf-8")
        page.goto(path.as_uri())
        return page
    # The name answers with the attacker's page once, and is this server from then on.
    address = f"{site.format(port=port)}/nice-page"

    def answer(route: Route) -> None:
        route.fulfill(content_type="text/html", body=html)

    page.route(address, answer)
    page.goto(address)
    return page


def preferences(server: Threaded) -> Any:
    return ask(server.port, request("GET", "/api/user/preferences")).json


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("site", SITES.values(), ids=SITES.keys())
def test_no_page_of_another_origin_reads_or_causes_anything(
    browser: Browser, server: Threaded, fakes: Fakes, tmp_path: Path, site: str, target: str
) -> None:
    rebound = "rebound" in site
    url = site.format(port=server.port) if rebound else f"{target}:{server.port}"
    before = preferences(server)
    page = hostile_page(browser, site, server.port, tmp_path)
    read = page.evaluate(ATTACK, [url, json.dumps(body_of()), PATIENCE_S * 1000])
    assert read_by_the_page(read) == []
    for frame in page.frames[1:]:
        assert "ointsman" not in frame.title()
        assert "choices" not in frame.content()
    page.close()
    assert fakes.chats == 0
    assert preferences(server) == before
    assert server.parts.monitors.recorder.apps() == {}


def read_by_the_page(read: list[list[str]]) -> list[list[str]]:
    """What is more than a refusal, which a rebound page may read in its frames."""
    return [[what, text] for what, text in read if '"error"' not in text]


def test_the_same_attack_works_from_the_server_s_own_page(
    browser: Browser, server: Threaded, fakes: Fakes, tmp_path: Path
) -> None:
    page = browser.new_page()
    page.route("**/nice-page", lambda route: route.fulfill(content_type="text/html", body="<p>"))
    url = f"http://127.0.0.1:{server.port}"
    page.goto(f"{url}/nice-page")
    read = page.evaluate(ATTACK, [url, json.dumps(body_of()), PATIENCE_S * 1000])
    page.close()
    assert {"post /v1/chat/completions", "fetch /v1/models", "events"} <= {what for what, _ in read}
    assert fakes.chats > 0
