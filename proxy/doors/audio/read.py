"""A client's form -> TranscriptionRequest, checked. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.tasks import TranscriptionRequest
from proxy.doors.door import Asked
from proxy.doors.frames.multipart import File, Form
from proxy.doors.openai import check_model_name
from proxy.doors.reading.checks import out_of_range
from proxy.errors import ApiError, bad_request

FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
TIMED = frozenset({"srt", "verbose_json", "vtt"})
GRANULARITIES = ("segment", "word")
KNOWN = frozenset(
    {
        *("file", "model", "language", "prompt", "response_format", "temperature", "stream"),
        *("timestamp_granularities", "timestamp_granularities[]"),
    }
)
MAX_LANGUAGE = 35
MAX_NAMED = 32


class Parsed(Asked, frozen=True):
    form: str = "json"
    is_extended: bool = False


def parse_request(form: Form, kind: type[TranscriptionRequest]) -> Parsed:
    file = _file(form)
    model = check_model_name(_one(form, "model"))
    wanted = _one(form, "response_format") or "json"
    if wanted not in FORMATS:
        raise out_of_range("response_format", f"one of {', '.join(FORMATS)}")
    request = kind(
        model=model,
        audio=file.data,
        file_name=file.name or "audio",
        mime_type=file.mime_type,
        language=_language(form),
        prompt=_one(form, "prompt") or None,
        temperature=_temperature(form),
        times=_times(form, wanted),
        dropped=_dropped(form),
    )
    return Parsed(request, stream=_flag(form, "stream") and wanted not in TIMED, form=wanted)


def _file(form: Form) -> File:
    if (file := form.files.get("file")) is None:
        raise bad_request("You must provide a file.", param="file")
    if not file.data:
        raise bad_request("The file is empty.", param="file", code="invalid_value")
    for name in form.files:
        if name != "file":
            raise bad_request(f"There is no file '{name[:64]}' to send.", param=name)
    return file


def _one(form: Form, name: str) -> str | None:
    values = form.all(name)
    if len(values) > 1:
        raise bad_request(f"'{name}' must come once.", param=name, code="invalid_value")
    return values[0] if values else None


def _language(form: Form) -> str | None:
    language = _one(form, "language") or None
    if language and not (len(language) <= MAX_LANGUAGE and language.replace("-", "").isalnum()):
        raise out_of_range("language", "a language's code, such as en")
    return language


def _temperature(form: Form) -> float | None:
    text = _one(form, "temperature")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise out_of_range("temperature", "a number between 0 and 1")
    return value


def _flag(form: Form, name: str) -> bool:
    text = (_one(form, name) or "false").lower()
    if text not in ("true", "false", "1", "0"):
        raise out_of_range(name, "true or false")
    return text in ("true", "1")


def _times(form: Form, wanted: str) -> tuple[str, ...]:
    told = form.all("timestamp_granularities")
    if any(one not in GRANULARITIES for one in told):
        raise _wrong_times(f"one of {', '.join(GRANULARITIES)}")
    if told and wanted != "verbose_json":
        raise _wrong_times("left out unless 'response_format' is verbose_json")
    if wanted not in TIMED:
        return ()
    return tuple(dict.fromkeys(told)) or ("segment",)


def _wrong_times(expected: str) -> ApiError:
    return out_of_range("timestamp_granularities", expected)


def _dropped(form: Form) -> tuple[str, ...]:
    names: Sequence[str] = [name.removesuffix("[]") for name, _ in form.fields if name not in KNOWN]
    return tuple(dict.fromkeys(name[:MAX_NAMED] for name in names))
