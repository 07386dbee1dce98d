"""Every route of the server, by whose words it speaks and who may ask there."""

from __future__ import annotations

from proxy.doors import NAMING, PREFIXES
from proxy.doors.ollama.local import CHANGING
from tests.security.kit import CHAT

ASKING = (*PREFIXES, *(one.replace("{model:path}", "m") for one in NAMING))
"""In front of what asks a model, by its name in the body or in the path."""
EVENTS = "/admin/api/events"
"""The one answer that does not end."""
GEMINI_ACTIONS = (
    *(
        ("POST", action)
        for action in (
            *("generateContent", "streamGenerateContent", "countTokens"),
            *("embedContent", "batchEmbedContents"),
        )
    ),
    *(
        (method, action)
        for action in (
            *("predict", "predictLongRunning", "batchGenerateContent"),
            *("asyncBatchEmbedContent", "generateAnswer", "computeTokens"),
        )
        for method in ("GET", "POST", "PATCH", "DELETE")
    ),
)
GEMINI_ROUTES = (
    *(
        (method, f"/{version}/models/m:{action}")
        for version in ("v1", "v1beta")
        for method, action in GEMINI_ACTIONS
    ),
    *((method, "/v1beta/anything") for method in ("GET", "POST", "PATCH", "DELETE")),
    ("GET", "/v1beta/models"),
    ("GET", "/v1beta/models/m"),
)
ANTHROPIC_ROUTES = (("POST", "/v1/messages"), ("POST", "/v1/messages/count_tokens"))
STRICT_ROUTES = (
    ("POST", CHAT),
    *(("POST", f"{prefix}/chat/completions") for prefix in ASKING[1:]),
    *(
        ("POST", f"{prefix}/{rest}")
        for prefix in ASKING
        for rest in ("embeddings", "completions", "audio/speech", "images/generations")
    ),
    *(
        (method, f"{prefix}/responses{rest}")
        for prefix in PREFIXES
        for method, rest in (
            ("POST", ""),
            ("POST", "/input_tokens"),
            ("GET", "/none"),
            ("DELETE", "/none"),
            ("GET", "/none/input_items"),
            ("POST", "/none/cancel"),
            ("POST", "/compact"),
        )
    ),
    *(
        (method, f"{prefix}/conversations{rest}")
        for prefix in PREFIXES
        for method, rest in (
            ("POST", ""),
            *((method, "/none") for method in ("GET", "POST", "DELETE")),
            *((method, "/none/items") for method in ("GET", "POST")),
            *((method, "/none/items/none") for method in ("GET", "DELETE")),
        )
    ),
    *GEMINI_ROUTES,
    *ANTHROPIC_ROUTES,
    *(("GET", f"{prefix}/models{rest}") for prefix in PREFIXES for rest in ("", "/llama3.2")),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/api/user/preferences"),
    ("PUT", "/api/user/preferences"),
    ("DELETE", "/api/user/preferences?app=notes"),
    ("GET", "/admin"),
    ("GET", "/admin/assets/page.js"),
    ("GET", "/admin/api/status"),
    ("POST", "/admin/api/test"),
    ("POST", "/admin/api/again"),
    ("POST", "/admin/api/verdict"),
    ("POST", "/admin/api/chat"),
    ("POST", "/admin/api/explain"),
    ("POST", "/admin/api/login"),
    ("POST", "/admin/api/logout"),
    ("GET", EVENTS),
    ("GET", "/admin/api/usage"),
    ("GET", "/admin/api/arms"),
    ("GET", "/admin/api/requests"),
    ("GET", "/admin/api/requests.csv"),
    ("GET", "/admin/api/requests.json"),
    ("GET", "/admin/api/requests/none"),
    ("GET", "/admin/api/kept"),
    ("PUT", "/admin/api/kept"),
    ("DELETE", "/admin/api/kept"),
    ("GET", "/admin/api/kept/none"),
    ("GET", "/admin/api/responses"),
    ("DELETE", "/admin/api/responses"),
    ("GET", "/admin/api/keys"),
    ("POST", "/admin/api/keys"),
    ("PATCH", "/admin/api/keys?name=none"),
    ("DELETE", "/admin/api/keys?name=none"),
    ("GET", "/admin/api/cache"),
    ("DELETE", "/admin/api/cache"),
    ("GET", "/admin/api/me"),
    ("GET", "/metrics"),
    ("GET", "/nowhere"),
    ("GET", "/"),
)
CHANGE = {path.format(digest="none", key="none") for path in CHANGING}
"""What is refused to everybody, by the door and not by the guard."""
FOR_DESKTOPS = (
    ("POST", "/api/chat"),
    ("POST", "/api/generate"),
    ("POST", "/api/embed"),
    ("POST", "/api/embeddings"),
    ("POST", "/api/show"),
    ("POST", "/api/pull"),
    ("GET", "/api/version"),
    ("GET", "/api/tags"),
    ("GET", "/api/ps"),
    *((each[0], path.format(digest="none", key="none")) for path, (each, _) in CHANGING.items()),
)
"""Where programs ask that name no content type, or that have an origin no page can have."""
FORMS = tuple(
    ("POST", f"{prefix}/{rest}")
    for prefix in ASKING
    for rest in ("audio/transcriptions", "audio/translations", "images/edits")
)
"""Where forms with files are taken, which a page could send, too: Origin is what gives it away."""
FORM_PATHS = {path for _, path in FORMS}
ROUTES = (*STRICT_ROUTES, *FOR_DESKTOPS, *FORMS)
OLLAMAS = {"/", *(path for _, path in FOR_DESKTOPS)}
NO_415 = {path for _, path in (*GEMINI_ROUTES, *ANTHROPIC_ROUTES)}
"""Where APIs are spoken that do not have this status, so that it is told as the nearest, 400."""
NO_CODES = OLLAMAS | NO_415
"""Where errors have no code of ours."""
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
