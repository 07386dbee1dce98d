"""The fakes as a process, for use by hand and for benchmarks."""

from __future__ import annotations

import argparse
import contextlib
import signal

from tests.fakes import (
    BEDROCK_KEY,
    GEMINI_KEY,
    GROQ_KEY,
    OPENAI_KEY,
    BedrockFake,
    GeminiFake,
    GroqFake,
    OllamaFake,
    OpenAIFake,
)

FAKES = {
    "groq": GroqFake,
    "gemini": GeminiFake,
    "ollama": OllamaFake,
    "openai": OpenAIFake,
    "bedrock": BedrockFake,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes", description=__doc__)
    for name in FAKES:
        parser.add_argument(f"--{name}", type=int, metavar="PORT", help="0 takes a free one")
    parser.add_argument("--delay-ms", type=float, default=0, help="before each answer")
    parser.add_argument("--interval-ms", type=float, default=0, help="between a stream's writes")
    parser.add_argument("--canned", action="store_true", help="give the first answer ever again")
    args = parser.parse_args()
    with contextlib.ExitStack() as stack:
        for name, kind in FAKES.items():
            port = getattr(args, name)
            if port is None:
                continue
            fake = kind(
                port=port,
                delay_s=args.delay_ms / 1000,
                interval_s=args.interval_ms / 1000,
                canned=args.canned,
            )
            stack.enter_context(fake)
            print(f"{name} {fake.url}", flush=True)  # noqa: T201 # it is a command
        print(f"keys: {GROQ_KEY} {GEMINI_KEY} {OPENAI_KEY} {BEDROCK_KEY}", flush=True)  # noqa: T201
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
