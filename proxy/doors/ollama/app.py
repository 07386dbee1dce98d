"""Which variables Ollama's clients read. Pure."""

from __future__ import annotations

from proxy.doors.apps import App

NAME = "ollama"

APP = App(
    {"OLLAMA_HOST": ""},
    note="Where pointsman itself runs, OLLAMA_BASE_URL names the real server.",
)
