"""What a refusal says that a model cannot do: one reading of words for all providers. Pure.

None of them has a code for it. Whatever is read here rotates, since another model may be able to;
what is said of the model and not of the one request is remembered of it besides.
"""

from __future__ import annotations

import re

from adapters.errors import Cannot, ErrorKind

_TEXT_ALONE = (
    r"\bcontent['`\"]?\W{0,4}(?:value )?must be (?:a )?string"
    r"|'content' type\. expected one of: \['str'\]"
    r"|\bonly text\b.{0,40}\bsupported"
)
_LACKS = re.compile(
    r"(\bnot|n't|no longer)( yet| currently)?( be)? (support|enabled|available|allowed|capable)"
    r"|\bno endpoints? found that"
    r"|unsupported|no support for|only support(s|ed)?|supports? only|incapable"
    r"|supported (string )?values|missing data required for|requires? --|\bnot a (multi-?modal|vlm)"
    rf"|unknown variant|{_TEXT_ALONE}",
    re.IGNORECASE,
)
_FAILS = re.compile(
    r"(\b(can)?not|n't|unable to) (process|handle|accept|see|view|read|load|decode|open|interpret)"
    r"|fail(ed|s)? to (process|load|decode|read|open)|(bad|broken|corrupt\w*|invalid) (image|audio)"
    r"|(image|audio)\b.{0,40}\b(not valid|invalid|corrupt\w*)|unknown format|unrecogni[sz]ed",
    re.IGNORECASE,
)
_MANY = re.compile(
    r"too many|at most|up to|more than|exceed|maximum|\blimit|too (large|big)|larger than",
    re.IGNORECASE,
)
_LARGE = re.compile(
    r"too (large|big)|larger|\bsize|\bbytes|\b[kmg]i?b\b|pixel|dimension|resolution|width|height",
    re.IGNORECASE,
)
_INTRICATE = re.compile(
    r"too many states|\bfailed to parse grammar|\berror parsing grammar|\bgrammar error"
    r"|\binvalid grammar|\bconvert the grammar|\bschema conversion failed"
    r"|\bschemas?\b.{0,80}\b(too (large|complex|deep|many)|exceed|nesting)"
    r"|\b(too (large|complex|deep)|nesting depth)\b.{0,80}\bschema\b",
    re.IGNORECASE | re.DOTALL,
)
_OF_THE_MODEL = re.compile(
    r"\bmodels?\b|does(n't| not) support (tools|functions?|images?|vision|audio)"
    rf"|{_TEXT_ALONE}",
    re.IGNORECASE,
)
_FORMAT = re.compile(
    r"\b(?:image/)?(gif|webp|bmp|heic|heif|avif|tiff|png|jpe?g|svg)\b", re.IGNORECASE
)
_UNSUPPORTED = re.compile(
    r"does(?:n't| not) support|not supported (?:with|by|on|for this)\b|\bonly supports\b"
    r"|is unsupported|unsupported parameter|extra (?:inputs|fields)(?: are)? not permitted"
    r"|unrecognized request argument"
    r"|unknown name \S+ cannot find field|not a valid \w+ flavou?red json schema"
    r"|\bjinja\b|\bfor this template\b|\bprompt template\b"
    r"|\b(?:roles|messages?\(s\)) (?:must|should) (?:be )?alternat|\bdoes not work with the spec"
    r"|\bcannot (?:be disabled|both be specified)|\bis (?:unavailable now|deprecated for this)",
    re.IGNORECASE,
)
_SUBJECTS: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (what, param, re.compile(words, re.IGNORECASE))
    for what, param, words in (
        ("modalities", "modalities", r"modalit(y|ies) \(|response.{0,4}modalit|output modalit"),
        ("tools", "tools", r"--(enable-auto-tool-choice|jinja)\b"),
        ("tool_choice", "tool_choice", r"tool.?choice|parallel.?tool|forc(ed|ing) (tool|function)"),
        ("tools", "tools", r"\btools?\b|tool.?(call|use)|function.?(call|declaration)"),
        ("logprobs", "logprobs", r"log.?prob"),
        ("images", "messages", r"\bimages?(_url)?\b|\bvision\b|\bpictures?\b|multi-?modal|\bvlm\b"),
        ("images", "messages", _TEXT_ALONE),
        ("audio", "messages", r"(\b|_)audio\b"),
        ("files", "messages", r"\b(pdf|documents?|files?|video)\b|application/"),
        ("json_schema", "response_format", r"response.?(format|mime|schema)|json.?(schema|mode)"),
    )
)
_TOOLS_SENT = re.compile(r"\b(tools|functions|function.?declarations)\b", re.IGNORECASE)
"""Not what was called and answered, of which there may be too many as well."""
_WISHES = frozenset(("modalities", "tool_choice"))
"""What may be asked for in another way: a refusal of one says nothing of the next."""
_COUNTED = frozenset(("tools", "images"))


def lacking(kind: ErrorKind, message: str) -> tuple[ErrorKind, Cannot | None]:
    """The kind of a refusal in the light of its words, and what the model cannot do by them."""
    if kind not in (ErrorKind.BAD_REQUEST, ErrorKind.UNSUPPORTED, ErrorKind.TOO_LARGE):
        return kind, None
    found = cannot(message)
    is_mistake = found is None and not is_unsupported(message)
    return kind if is_mistake or kind is ErrorKind.TOO_LARGE else ErrorKind.UNSUPPORTED, found


def is_unsupported(message: str) -> bool:
    """Whether somebody else may do what is refused: only the words tell that from a mistake."""
    return _UNSUPPORTED.search(message) is not None


def cannot(message: str) -> Cannot | None:
    """What the model cannot do by the words of its refusal; None if they say no such thing."""
    about = [(what, param) for what, param, words in _SUBJECTS if words.search(message)]
    if _INTRICATE.search(message):
        is_of_tools = ("tools", "tools") in about
        return Cannot("schema", "tools" if is_of_tools else "response_format", lasts=True)
    lacks, fails = _LACKS.search(message), _FAILS.search(message)
    if lacks or fails:
        if kind := _kind_of_picture(message):
            return Cannot(kind, "messages", lasts=lacks is not None)
        for what, param in about:
            is_ability = what not in _WISHES and _OF_THE_MODEL.search(message)
            return Cannot(what, param, lasts=bool(lacks and is_ability))
    if _MANY.search(message):
        for what, param in about:
            if what == "tools" and not _TOOLS_SENT.search(message):
                continue
            if what == "images" and _LARGE.search(message):
                what = "image_size"
            is_counted = what in _COUNTED or what == "image_size"
            return Cannot(what, param, lasts=is_counted, is_limit=True)
    return None


def _kind_of_picture(message: str) -> str | None:
    """The media type that is refused: the only one that is named, as what is taken is in lists."""
    named = {found.lower() for found in _FORMAT.findall(message)}
    return f"image/{named.pop()}" if len(named) == 1 else None
