"""The table of presets as docs/providers.md shows it, made from their profiles."""

from __future__ import annotations

from adapters import PRESETS as SET_UP
from adapters.openai.profiles import OPENAIS, PRESETS, Profile

HEAD = (
    "| provider | where your text goes | set up by | default model | rotation "
    "| what parameters become |"
)
RULE = "| --- | --- | --- | --- | --- | --- |"


def table() -> str:
    """One row a preset."""
    return "\n".join([HEAD, RULE, *(_row(name, profile) for name, profile in PRESETS.items())])


def _row(name: str, profile: Profile) -> str:
    preset = SET_UP[name]
    named = f"`POINTSMAN_PROVIDERS={name}` and `{profile.key or 'OPENAI_API_KEY'}`"
    ways = [f"`{one}`" for one in preset.sets_up]
    ways += [named] if profile.key or not ways else []
    where = "stays with that server" if profile.local else profile.title.partition(" (")[0]
    model = f"`{profile.model}`" if profile.model else "the first it lists"
    joins = "only where named" if profile.paid else "yes"
    cells = (f"`{name}`", f"{where} (`{profile.base_url}`)", " or ".join(ways), model, joins)
    return f"| {' | '.join([*cells, '; '.join(_changes(profile))])} |"


def _changes(profile: Profile) -> list[str]:
    lost = sorted(OPENAIS - profile.takes)
    found = [f"`max_tokens` → `{profile.max_tokens}`"]
    found += [f"`{ours}` → `{theirs}`" for ours, theirs in profile.spelled.items()]
    if profile.required != "required":
        found.append(f"`tool_choice: required` → `{profile.required}`")
    match profile.effort:
        case "":
            found.append("no reasoning effort")
        case "reasoning":
            found.append("`reasoning_effort` → `reasoning`")
    if not profile.schemas:
        found.append("schemas become an instruction")
    if not profile.many:
        found.append("`n` becomes several calls")
    if profile.open:
        found.append("what OpenAI does not define goes along")
    if lost:
        found.append(f"without {', '.join(f'`{one}`' for one in lost)}")
    return found
