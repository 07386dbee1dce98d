"""No money is spent unasked; and whose a name is that begins as a provider's."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.base import ProviderSettings
from proxy.routing.planning.candidates import Chooser
from proxy.routing.planning.preference import Preference
from tests.proxy import kit

FREE = kit.adapter("free")


class Paid(ProviderSettings):
    """Costs money wherever it is asked."""

    kind = "costly"  # type: ignore[misc] # the class's own


def chooser(**listed: list[str]) -> Chooser:
    paid = kit.adapter_class("paid")(Paid(name="paid", model="paid-model", billed=True))
    adapters: dict[str, Any] = {"free": FREE, "paid": paid, "other": kit.adapter("other")}
    return Chooser(
        adapters,
        listed=lambda model: [name for name, models in listed.items() if model in models],
        last_resort=lambda _: None,
    )


def asked(model: str, preference: Preference, **listed: list[str]) -> list[str]:
    return [str(one) for one in chooser(**listed).plan(kit.request(model), preference).candidates]


def test_rotation_comes_to_a_paid_one_only_where_it_is_named() -> None:
    assert asked("default", Preference("free")) == ["free/free-model", "other/other-model"]
    assert asked("default", Preference("free", fallback=("paid",)))[1:] == ["paid/paid-model"]
    assert asked("default", Preference("paid"))[0] == "paid/paid-model"
    assert asked("paid/x", Preference("free")) == ["paid/x"]


def test_a_name_that_only_a_paid_one_lists_does_not_send_there() -> None:
    assert "paid/gpt" not in asked("gpt", Preference("free"), paid=["gpt"])
    assert asked("gpt", Preference("paid"), paid=["gpt"])[0] == "paid/gpt"
    assert asked("gpt", Preference("free"), paid=["gpt"], other=["gpt"])[0] == "other/gpt"


def test_an_alias_names_whom_it_lists() -> None:
    preference = Preference("free", aliases={"smart": {"paid": "big"}})

    assert asked("smart", preference)[0] == "paid/big"


@pytest.mark.parametrize(
    ("model", "listed", "expected"),
    [
        ("paid/oss", {"other": ["paid/oss"]}, "other/paid/oss"),
        ("paid/oss", {"other": ["paid/oss"], "paid": ["oss"]}, "paid/oss"),
        ("paid/oss", {}, "paid/oss"),
        ("other/own", {"other": ["other/own"]}, "other/other/own"),
        ("other:own", {"free": ["other:own"]}, "other/own"),
    ],
)
def test_a_name_is_whose_list_has_it(
    model: str, listed: dict[str, list[str]], expected: str
) -> None:
    assert asked(model, Preference("free"), **listed)[0] == expected
