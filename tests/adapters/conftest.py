"""What every test of an adapter may use."""

from __future__ import annotations

# Loaded once; else each adapter of the tests would ask a process of its own for what the SDK knows.
import google.genai  # noqa: F401
import groq  # noqa: F401
