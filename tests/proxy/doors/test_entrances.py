"""Whose words are spoken at which path."""

from __future__ import annotations

from proxy.doors import Entrance, speller_of
from proxy.doors.chat import ChatDoor
from proxy.doors.gemini import GenerateDoor
from proxy.doors.responses import ResponsesDoor


def test_a_path_with_names_in_it_is_that_and_no_other() -> None:
    entrance = Entrance(ChatDoor(), ("/v1/models/{model}:ask", "/tags"), beneath=("/api/",))
    for path in ("/v1/models/one:ask", "/v1/models/one:8b:ask", "/tags", "/api/anything"):
        assert entrance.speaks_at(path), path
    for path in ("/v1/models/one", "/v1/models/one/two:ask", "/v1/models/", "/tags/", "/api"):
        assert not entrance.speaks_at(path), path


def test_each_path_is_answered_in_the_words_of_its_door() -> None:
    assert isinstance(speller_of("/v1/chat/completions"), ChatDoor)
    assert isinstance(speller_of("/openai/v1/responses"), ResponsesDoor)
    assert isinstance(speller_of("/v1beta/openai/nothing"), ChatDoor)
    assert isinstance(speller_of("/v1beta/nothing"), GenerateDoor)
    assert speller_of("/v1/responses/resp_1/input_items").refusal is not None
