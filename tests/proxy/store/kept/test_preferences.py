"""The choice in memory: which row stands over which, and when a change takes effect."""

from __future__ import annotations

import pytest

from proxy.routing.planning.preference import Preference
from proxy.store.kept.preferences import Preferences, StoredPreference

PROVIDERS = ("near", "far")
SETTINGS = Preference(provider="near", chosen=False, fallback=PROVIDERS)


def preferences(*rows: StoredPreference) -> Preferences:
    made = Preferences(SETTINGS, PROVIDERS)
    made.replace(rows)
    return made


def test_the_settings_hold_without_a_row() -> None:
    assert preferences().get(None) == preferences().get("notes") == SETTINGS


def test_the_default_row_stands_over_the_settings() -> None:
    chosen = preferences(StoredPreference(provider="far", fallback=("far",)))

    for app in (None, "notes"):
        assert chosen.get(app).provider == "far"
        assert chosen.get(app).fallback == ("far",)


def test_an_apps_row_stands_over_the_default_one() -> None:
    chosen = preferences(
        StoredPreference(
            provider="far", models={"far": "big", "near": "tiny"}, aliases={"fast": {"far": "s"}}
        ),
        StoredPreference("notes", models={"far": "small"}, aliases={"slow": {"far": "l"}}),
    )

    notes = chosen.get("notes")
    assert notes.provider == "far"
    assert notes.models == {"far": "small", "near": "tiny"}
    assert notes.aliases == {"fast": {"far": "s"}, "slow": {"far": "l"}}
    assert chosen.get(None).models == {"far": "big", "near": "tiny"}
    assert chosen.get("mail") == chosen.get(None)


def test_an_empty_row_changes_nothing() -> None:
    assert preferences(StoredPreference(), StoredPreference("notes")).get("notes") == SETTINGS


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ((), False),
        ((StoredPreference(models={"far": "big"}),), False),
        ((StoredPreference(provider="near"),), True),
        ((StoredPreference("notes", provider="near"),), True),
    ],
    ids=["nothing", "a model only", "default", "app"],
)
def test_a_choice_is_one_when_a_provider_is_named(
    rows: tuple[StoredPreference, ...], chosen: bool
) -> None:
    assert preferences(*rows).get("notes").chosen is chosen


def test_a_choice_in_the_settings_is_a_choice() -> None:
    made = Preferences(Preference(provider="near", chosen=True, fallback=()), PROVIDERS)
    made.replace([StoredPreference(models={"far": "big"})])

    assert made.get(None).chosen


def test_a_provider_that_there_is_no_longer_does_not_hold() -> None:
    chosen = preferences(
        StoredPreference(provider="gone", fallback=("gone", "far")),
        StoredPreference("notes", provider="far", fallback=("gone",)),
    )

    assert (chosen.get(None).provider, chosen.get(None).chosen) == ("near", False)
    assert chosen.get(None).fallback == chosen.get("notes").fallback == ("far",)
    assert chosen.get("notes").provider == "far"
    assert chosen.row("default").provider == "gone"


def test_a_change_holds_at_once_for_all_that_look() -> None:
    chosen = preferences(StoredPreference("notes", models={"far": "small"}))
    assert [chosen.get(app).provider for app in (None, "notes", "mail")] == ["near"] * 3

    chosen.replace([*chosen.rows(), StoredPreference(provider="far")])

    assert [chosen.get(app).provider for app in (None, "notes", "mail")] == ["far"] * 3


def test_a_removed_row_lets_the_default_one_hold() -> None:
    chosen = preferences(StoredPreference("notes", provider="far"))
    assert chosen.get("notes").provider == "far"

    chosen.replace([])

    assert chosen.get("notes") == SETTINGS
    assert chosen.rows() == []


def test_whoever_watches_is_told_of_changes_only() -> None:
    chosen = preferences(StoredPreference(provider="far"))
    with chosen.watch() as changed:
        chosen.replace([StoredPreference(provider="far")])
        assert not changed.is_set()

        chosen.replace([StoredPreference(provider="near")])
        assert changed.is_set()
        changed.clear()

        chosen.replace([])
        assert changed.is_set()
        changed.clear()

    chosen.replace([StoredPreference(provider="far")])
    assert not changed.is_set()


def test_a_choice_of_one_that_is_gone_waits_and_is_told() -> None:
    chosen = preferences(
        StoredPreference(provider="gone"), StoredPreference("notes", fallback=["far", "lost"])
    )

    assert chosen.lost() == {"gone", "lost"}
    assert chosen.get(None).provider != "gone"
    assert chosen.row("default").provider == "gone"
