"""What the names of models and documents tell."""

from __future__ import annotations

import pytest

from adapters.bedrock.names import bare, family, title, version

ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile"


@pytest.mark.parametrize(
    ("model", "whose", "number"),
    [
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic", (4, 5)),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "anthropic", (4, 0)),
        ("global.anthropic.claude-opus-4-6-v1", "anthropic", (4, 6)),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", "anthropic", (3, 7)),
        (f"{ARN}/us-gov.anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic", (4, 5)),
        ("anthropic.claude-next", "anthropic", None),
        ("apac.amazon.nova-2-lite-v1:0", "amazon", (2, 0)),
        ("openai.gpt-5.1-v1:0", "openai", (5, 0)),
        ("zai.glm-4.7", "zai", (4, 0)),
        (f"{ARN}/abc123def456", "abc123def456", None),
    ],
)
def test_a_models_name_tells_whose_it_is_and_which(
    model: str, whose: str, number: tuple[int, int] | None
) -> None:
    assert (family(model), version(model)) == (whose, number)


def test_where_a_model_runs_is_not_its_name() -> None:
    name = "anthropic.claude-opus-4-6-v1"
    assert {bare(one) for one in (name, f"eu.{name}", f"{ARN}/us.{name}")} == {name}


def test_names_are_made_fit_without_two_becoming_one() -> None:
    assert title("C:\\x\\Report  (final).v2.pdf") == "Report (final) v2"
    assert title("…") == "document"
