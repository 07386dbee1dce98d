"""Which variables Gemini's clients read. Pure."""

from __future__ import annotations

from proxy.doors.apps import App

NAME = "gemini"

# This server reads the variable too, and takes this word for no key.
APP = App({"GOOGLE_GEMINI_BASE_URL": ""}, "GEMINI_API_KEY", unused="none")
