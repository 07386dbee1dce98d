"""Good answers, as clients and OpenAI's SDK see them, and the line that the log has of them."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from adapters.base import Capabilities, ErrorKind, Finish, Start, Text, ToolCall, Warn
from proxy.doors.chat.write import ChunkStream, Fold
from tests.proxy.doors.serving.kit import HELLO, PATH, STREAM, Build, Station
from tests.proxy.kit import failure

# Good answers


def test_a_plain_answer(station: Station) -> None:
    response = station.post()

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    completion = ChatCompletion.model_validate(response.json())
    assert completion.choices[0].message.content == "Hello"
    assert completion.usage is not None and completion.usage.total_tokens == 5


def test_a_stream(station: Station) -> None:
    *chunks, end = station.events()

    assert end == "[DONE]"
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "Hello"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("path", [PATH, f"/openai{PATH}"])
def test_both_prefixes_serve(station: Station, path: str) -> None:
    assert station.client.post(path, json=HELLO).status_code == 200
    assert station.client.get(path.replace("chat/completions", "models")).status_code == 200


def test_an_answer_carries_its_receipt(station: Station) -> None:
    station.north.play([failure(ErrorKind.RATE_LIMIT, "north", status=429, retry_after_s=5)])
    station.south.play([[Warn("dropped=logit_bias"), Start(model="s-2")], [Finish("stop")]])

    headers = station.post(headers={"x-request-id": "mine-1"}).headers

    assert headers["x-request-id"] == "mine-1"
    assert headers["x-pointsman-provider"] == "south"
    assert headers["x-pointsman-model"] == "s-2"
    assert headers["x-pointsman-attempts"] == "north:429,south:200"
    assert headers["x-pointsman-warnings"] == "unknown_model=gpt-4o; dropped=logit_bias"


def test_an_id_is_made_where_the_client_gives_none(station: Station) -> None:
    ids = [station.post().headers.get_list("x-request-id") for _ in range(2)]

    assert len(ids[0]) == len(ids[1]) == 1 and ids[0] != ids[1]


def test_what_a_provider_says_cannot_break_a_header(station: Station) -> None:
    start = Start(model="modèle\r\nset-cookie: a=1" + "x" * 2000, request_id="id\u2028")
    station.north.play([[start], [Finish("stop")]])

    headers = station.post().headers

    assert "set-cookie" not in headers
    assert headers["x-pointsman-model"].startswith("mod?le??set-cookie")
    assert len(headers["x-pointsman-model"]) <= 1024


def test_the_sdk_reads_answer_and_stream(station: Station) -> None:
    messages: Any = HELLO["messages"]
    answer = station.sdk.chat.completions.create(model="x", messages=messages)
    assert answer.choices[0].message.content == "Hello"

    with station.sdk.chat.completions.stream(
        model="x", messages=messages, stream_options={"include_usage": True}
    ) as stream:
        completion = stream.get_final_completion()
    assert completion.choices[0].message.content == "Hello"
    assert completion.usage is not None and completion.usage.total_tokens == 5


def test_several_choices_and_older_functions_come_through(station: Station) -> None:
    station.north.abilities = Capabilities(image_urls=True, n=False)
    assert [choice["index"] for choice in station.post(HELLO | {"n": 2}).json()["choices"]] == [
        0,
        1,
    ]
    station.north.play([[ToolCall(0, "f", "{}"), Finish("tool_calls")]])

    choice = station.post(HELLO | {"functions": [{"name": "f"}]}).json()["choices"][0]

    assert choice["message"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert choice["finish_reason"] == "function_call"


@pytest.mark.parametrize(("tags", "content"), [("split", "b"), ("keep", "<think>a</think>b")])
def test_thoughts_in_tags_are_split_off_where_wanted(build: Build, tags: str, content: str) -> None:
    station = build(think_tags=tags)
    station.north.play([[Text("<think>a</thi")], [Text("nk>b"), Finish("stop")]])

    message = station.post().json()["choices"][0]["message"]

    assert message["content"] == content
    assert message.get("reasoning_content") == ("a" if tags == "split" else None)


def test_many_answers_at_once_stay_apart(station: Station) -> None:
    texts = [f"answer {i:02}" for i in range(24)]
    station.north.play(*[[[Text(text)], [Text("!"), Finish("stop")]] for text in texts])

    def ask(i: int) -> str:
        data = station.post(STREAM if i % 2 else HELLO).text
        [found] = [text for text in texts if f'"{text}' in data]
        return found

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(ask, range(24))) == sorted(texts)


# The log


def test_the_log_tells_the_way_and_no_word_of_the_talk(
    station: Station, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    station.north.play([failure(ErrorKind.RATE_LIMIT, "north", status=429, retry_after_s=5)])

    station.post(headers={"x-request-id": "mine-1", "authorization": "Bearer k-secret"})

    lines: list[str] = []
    for _ in range(500):  # it is written when the answer has left
        names = (record for record in caplog.records if record.name == "pointsman.request")
        if lines := [record.getMessage() for record in names]:
            break
        time.sleep(0.01)
    assert len(lines) == 1
    assert "mine-1 200 south/toy-1" in lines[0] and "attempts=north:429,south:200" in lines[0]
    own = [record.getMessage() for record in caplog.records if record.name.startswith("pointsman")]
    assert not any(word in line for line in own for word in ("4711", "Hello", "k-secret"))


@pytest.mark.parametrize("count", [1, 200])
def test_a_large_plain_answer_is_put_together_in_a_thread(
    station: Station, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    where: list[str] = []
    end = Fold.end

    def watched(fold: Fold) -> bytes:
        where.append(threading.current_thread().name.partition("_")[0])
        return end(fold)

    monkeypatch.setattr(Fold, "end", watched)
    piece = "a" * (1024 if count > 1 else 10)
    station.north.play([[Text(piece)], *[[Text(piece)]] * (count - 1), [Finish("stop")]])

    assert station.post().json()["choices"][0]["message"]["content"] == piece * count
    assert [name == "large" for name in where] == [count > 1]


def test_what_may_end_in_a_large_stream_is_told_in_a_thread(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: list[tuple[str, str]] = []
    feed = ChunkStream.feed

    def watched(stream: ChunkStream, events: Any) -> bytes:
        thread = threading.current_thread().name.partition("_")[0]
        where.append((type(events[0]).__name__, thread))
        return feed(stream, events)

    monkeypatch.setattr(ChunkStream, "feed", watched)
    call, more = [ToolCall(0, "f", "{")], [ToolCall(0, "", "a" * 200_000)]
    station.north.play([[Text("a")], call, more, more, [Text("b")], [Text("c")], [Finish("stop")]])
    station.events()

    assert [kind for kind, thread in where if thread == "large"] == [
        *("ToolCall", "ToolCall", "Text", "Finish")
    ]
    assert [kind for kind, _ in where].count("Text") == 3
