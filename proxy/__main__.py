"""The command: `pointsman` serves; `pointsman --help` tells the rest."""

from __future__ import annotations

import errno
import gc
import os
import socket
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.command.commands import COMMANDS, EXIT_BAD_SETTING as EXIT_BAD_SETTING, Given, Stop
from proxy.command.keys import keys
from proxy.command.migrate_to import migrate_to
from proxy.command.usage import usage

if TYPE_CHECKING:
    from proxy.settings import Settings


@click.group(
    commands=(*COMMANDS, keys, migrate_to, usage),
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--host", help="Address to listen on (POINTSMAN_HOST, 127.0.0.1).")
@click.option("--port", help="Port to listen on (POINTSMAN_PORT, 8000).")
@click.option("--workers", help="Processes that serve, on this machine (POINTSMAN_WORKERS, 1).")
@click.option(
    "--env-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File of settings, one NAME=value a line (.env in this folder).",
)
@click.version_option(version("pointsman"), prog_name="pointsman")
@click.pass_context
def main(
    context: click.Context,
    host: str | None,
    port: str | None,
    workers: str | None,
    env_file: Path | None,
) -> None:
    """One local OpenAI-compatible endpoint in front of Ollama, Gemini and Groq.

    Without a command it starts the server. Point an OpenAI SDK's base URL at it, once.
    """
    _open_standard_files()
    context.obj = Given(env_file or Path(".env"), host, port, workers)
    if context.invoked_subcommand is None:
        # Until the server runs nothing is garbage; looking for it took a tenth of the start.
        gc.disable()
        context.call_on_close(gc.enable)
        settings = context.obj.settings()
        context.obj.warn(settings)
        serve(settings)


def serve(settings: Settings) -> None:
    """Listen, print the banner, and serve until a signal comes."""
    if not settings.is_loopback and not settings.client_keys:
        raise Stop(
            f"POINTSMAN_HOST={settings.host!r} lets other machines in: set POINTSMAN_API_KEYS"
            " to a key that clients must send, or listen on 127.0.0.1"
        )
    if settings.workers > 1:
        _check_workers(settings)
    listener = _listen(settings)
    run = _runner(settings)
    from proxy.command.loops import apart
    from proxy.settings import SettingsError, forget_secrets

    forget_secrets(settings)

    try:
        settings = apart(settings, *listener.getsockname()[:2])
        reason = run(settings, listener)
    except SettingsError as error:
        raise Stop(str(error)) from None
    if reason:
        raise Stop(reason)


def _runner(settings: Settings) -> Callable[[Settings, socket.socket], str | None]:
    """What serves: this process, or as many as are wanted."""
    if settings.workers == 1:
        from proxy.server import run

        return run
    from proxy.workers import run_all

    return run_all


def _check_workers(settings: Settings) -> None:
    from proxy.workers import refusal

    if reason := refusal(settings):
        raise Stop(reason)


def _open_standard_files() -> None:
    """Give a closed stdin, stdout or stderr to nobody else: the next file opened would take it."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named as TCP, else asyncio (where there is no uvloop) leaves streams to Nagle's algorithm.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # On Windows, SO_REUSEADDR would let another program listen here, too; elsewhere it lets us
    # listen again at once.
    if exclusive := getattr(socket, "SO_EXCLUSIVEADDRUSE", None):
        listener.setsockopt(socket.SOL_SOCKET, exclusive, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise Stop(
                f"port {settings.port} is in use: take another with --port {settings.port + 1}"
                " or POINTSMAN_PORT"
            ) from None
        reason = error.strerror or error
        raise Stop(f"cannot listen on {settings.host} port {settings.port}: {reason}") from None
    return listener


if __name__ == "__main__":
    main()
