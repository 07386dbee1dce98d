"""Which providers may answer a request, in which order, and which cannot and why. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from adapters.base import Adapter
from proxy.candidate import Candidate
from proxy.errors import ApiError, model_not_found
from proxy.limits.retired import Retired
from proxy.limits.unable import Unable
from proxy.routing.operations.operation import Operations, Pin
from proxy.routing.operations.table import OPERATIONS
from proxy.routing.planning.aliases import alias_of
from proxy.routing.planning.demands import demands
from proxy.routing.planning.home import at_home
from proxy.routing.planning.lacking import lacks, must_be_configured, unable, unsupported
from proxy.routing.planning.narrow import permitted
from proxy.routing.planning.plan import Plan, Skipped
from proxy.routing.planning.pool_names import NO_POOLS, PoolNames
from proxy.routing.planning.preference import Preference, unasked

ANY_MODEL = "default"
"""The name by which a client says that any model will do."""


class Chooser:
    """Chooses by the client's `model` first, then by the preference, then by the fallback order.

    `listed` tells which providers list a model of this name, `has_told` whether a provider has
    given its list; `last_resort` which provider, if any, stands in when nothing is set up yet: no
    choice, no key, no answer; `retired` which model answers for one that is gone, `cannot` what
    models have refused.
    """

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        *,
        listed: Callable[[str], Sequence[str]],
        last_resort: Callable[[Preference], str | None],
        has_told: Callable[[str], bool] = lambda _provider: True,
        retired: Retired | None = None,
        cannot: Unable | None = None,
        operations: Operations = OPERATIONS,
        pools: Mapping[str, Sequence[str]] = NO_POOLS,
    ) -> None:
        self._adapters = adapters
        self._has_told = has_told
        self._models = {name: adapter.settings.model for name, adapter in adapters.items()}
        self._unasked = unasked(adapters)
        self._listed = listed
        self.stand_in = last_resort
        self.retired = retired or Retired({}, wall=lambda: 0)
        self._serving = self.retired.serving
        self.cannot = cannot or Unable(lambda: 0)
        ids = "|".join(map(re.escape, adapters))
        # Ids are in lower case, names in any: who names a provider wants no other to answer.
        self._pin = re.compile(rf"({ids})(?:([/:])(.*))?", re.ASCII | re.IGNORECASE | re.DOTALL)
        self._pool_names = PoolNames(pools, adapters) if pools else None
        self._operations = operations

    def is_named(self, model: str) -> bool:
        """Whether the client's name for the model begins with a provider's, in whatever case."""
        return self._pin.fullmatch(model) is not None

    def to_look_up(self, model: str) -> str | None:
        """What of the client's name for the model is to be looked up in lists."""
        if self._pool_names and (pool := self._pool_names.found(model)):
            return pool[2] or None
        return None if self._pin.fullmatch(model) else model

    def plan(self, request: Any, preference: Preference, *, fallback: bool | None = None) -> Plan:
        """The plan for a request. Raises ApiError 404, 400 unsupported_feature, or 503.

        `fallback` False leaves the first candidate only, True adds the others to a pinned one.
        """
        plan = self._plan(request, preference, fallback)
        if preference.local_only:
            own = at_home(plan.candidates, self._adapters, pinned=plan.pinned)
            plan = replace(plan, candidates=own)
        if preference.allowed:
            own = permitted(plan.candidates, preference.allowed)
            plan = replace(plan, candidates=own)
        return replace(plan, candidates=plan.candidates[:1]) if fallback is False else plan

    def _plan(self, request: Any, preference: Preference, fallback: bool | None) -> Plan:
        operation = self._operations[type(request)]
        if operation.pin is not None and operation.model is not None:
            return self._fixed(operation.pin, operation.model, request.model, preference)
        plan = self._named(request.model, preference)
        if fallback and (plan.pinned or self._pool(request.model)):
            named = plan.candidates
            asked = [one.provider for one in named]
            plan = Plan((*named, *self._others(self._order(preference), asked, preference)))
        if operation.model is not None:
            plan = self._doing(operation.model, plan, request.model, preference)
        plan = self._capable(plan, operation.needs(request))
        if self.cannot.known:
            plan = self._willing(plan, demands(request))
        return plan

    def _fixed(
        self,
        pin: Pin,
        model_for: Callable[[Adapter], str | None],
        named: str,
        preference: Preference,
    ) -> Plan:
        """One model alone: the one that is named, else the pinned one, whatever is switched on.

        Raises ApiError 404, 400, or 503.
        """
        able = {n: model_for(one) for n, one in self._adapters.items()}
        own = {name: model for name, model in able.items() if model is not None}
        ready = [name for name in own if self._may_join(name, preference)]
        if self.is_named(named):
            return Plan((self._named_of(own, named),), pinned=True)
        if self._pool_names and (pool := self._pool_names.members(named, own.get, self._listed)):
            return Plan(pool[:1], pinned=True)
        alias = alias_of(preference.aliases, named)
        known = [Candidate(name, alias[name]) for name in ready if name in alias]
        listing = self._listed(named)
        known += [Candidate(name, named) for name in ready if name in listing]
        if known:
            return Plan((known[0],), pinned=True)
        # A provider that needs a key has been set up by the user; a local one may not be running.
        ready.sort(key=lambda name: self._adapters[name].settings.api_key is None)
        if not (pinned := pin.name or next((name for name in ready if own[name]), "")):
            raise unable(self._adapters.values())
        untold = [name for name in ready if not self._has_told(name)]
        if untold and not pin.stands_for.fullmatch(named) and not pinned.endswith(f"/{named}"):
            raise self._unsure(named, untold)
        unknown = None if named == ANY_MODEL else named
        return Plan((self._named_of(own, pinned),), pinned=True, unknown=unknown)

    def _named_of(self, own: Mapping[str, str], named: str) -> Candidate:
        """The candidate of a name that begins with a provider's; `own` holds a model of each."""
        found = self._pin.fullmatch(named)
        if found is None or (found[2] and not found[3]):
            raise model_not_found(named)
        provider = found[1].lower()
        if not (found[3] or own.get(provider)) or provider not in own:
            raise unable([self._adapters[provider]])
        must_be_configured(self._adapters[provider])
        return Candidate(provider, found[3] or own[provider])

    def _unsure(self, named: str, untold: Sequence[str]) -> ApiError:
        """503: to answer with another model than is meant would be worse than not to answer."""
        who = ", ".join(self._adapters[name].title for name in untold)
        return ApiError(
            503,
            f"Nobody lists the model '{named}', and {who} cannot be asked yet. Put the provider"
            f" before its name, or send '{ANY_MODEL}' for the model that is set.",
            type_="service_unavailable_error",
            code="no_provider_available",
            param="model",
            retry_after_s=2.0,
            should_retry=True,
        )

    def _doing(
        self,
        model_for: Callable[[Adapter], str | None],
        plan: Plan,
        named: str,
        preference: Preference,
    ) -> Plan:
        """Those who do something else than chats, each with its model for that unless one is named.

        Raises ApiError 400 where nobody does.
        """
        found: list[Candidate] = []
        for one in plan.candidates:
            model = model_for(self._adapters[one.provider])
            is_chosen = named in (one.model, str(one))
            if not is_chosen and one.model == self.model_of(one.provider, preference):
                one = Candidate(one.provider, model or "")
            if model is not None and one.model:
                found.append(one)
        if not found:
            raise unable(self._adapters[one.provider] for one in plan.candidates)
        return replace(plan, candidates=tuple(found))

    def _may_join(self, name: str, preference: Preference) -> bool:
        """Whether a provider may be asked that the request does not name: one that costs money
        only where the user has named it.
        """
        adapter = self._adapters[name]
        if adapter.unconfigured is not None:
            return False
        chosen = (preference.provider, *preference.fallback, *preference.split)
        if preference.allowed and preference.allowed.providers:
            chosen = preference.allowed.providers
            if name not in chosen:
                return False
        return adapter.settings.joins_unasked or name in chosen

    def _pinned(self, provider: str, model: str, preference: Preference) -> Candidate | None:
        """The candidate of a name `provider/model`; None where it is somebody else's own name.

        Many models are called as a maker who is a provider as well: openai/gpt-oss-120b.
        """
        whole = f"{provider}/{model}"
        listing = self._listed(whole)
        if not listing or provider in self._listed(model):
            return Candidate(provider, model)
        if provider in listing:
            return Candidate(provider, whole)
        is_anothers = any(self._may_join(one, preference) for one in listing)
        return None if is_anothers else Candidate(provider, model)

    def _named(self, model: str, preference: Preference) -> Plan:
        if pin := self._pin.fullmatch(model):
            provider, separator, rest = pin[1].lower(), pin[2], pin[3]
            if separator and not rest:
                raise model_not_found(model)
            own = Candidate(provider, rest or self.model_of(provider, preference))
            one = self._pinned(provider, rest, preference) if separator == "/" else own
            if one is not None:
                must_be_configured(self._adapters[provider])
                return Plan((one,), True)
        if self._pool_names:
            own_model = partial(self.model_of, preference=preference)
            if pool := self._pool_names.members(model, own_model, self._listed):
                return Plan(pool)
        order = self._order(preference)
        if preference.aliases and (alias := alias_of(preference.aliases, model)):
            named_too = (n for n in alias if n in self._adapters and n not in self._unasked)
            there = [n for n in named_too if self._adapters[n].unconfigured is None]
            models = {name: alias.get(name) for name in dict.fromkeys((*order, *there))}
            named = [
                Candidate(name, self._serving[name, found])
                for name, found in models.items()
                if found
            ]
            return Plan((*named, *self._others(order, alias, preference)))
        if model[:7] == "models/" and not self._listed(model):  # as Gemini's clients write it
            model = model[7:]
        listing = [name for name in self._listed(model) if self._may_join(name, preference)]
        listing.sort(key=lambda name: order.index(name) if name in order else len(order))
        first = [Candidate(name, self._serving[name, model]) for name in listing]
        others = self._others(order, listing, preference)
        unknown = None if first or model == ANY_MODEL else model
        return Plan((*first, *others), unknown=unknown)

    def _others(
        self,
        order: Sequence[str],
        without: Sequence[str] | Mapping[str, str],
        preference: Preference,
    ) -> list[Candidate]:
        return [
            Candidate(name, self.model_of(name, preference))
            for name in order
            if name not in without
        ]

    def model_of(self, provider: str, preference: Preference) -> str:
        """The model that a provider answers with when the client has named none of its own."""
        return self._serving[provider, preference.models.get(provider) or self._models[provider]]

    def wanted_of(self, provider: str, preference: Preference) -> str:
        """The model that is set for a provider, be it gone or not."""
        return preference.models.get(provider) or self._models[provider]

    def replaced_by(self, candidate: Candidate, asked: str, preference: Preference) -> str | None:
        """The configured model in whose place `candidate` is asked, as it is gone; else None.

        `asked` is the client's name for the model.
        """
        provider, model = candidate.provider, candidate.model
        if self.names_model(asked):
            return None
        was = alias_of(preference.aliases, asked).get(provider)
        if was is None and provider in self._listed(asked):
            was = asked
        was = was or self.wanted_of(provider, preference)
        return was if was != model and self._serving[provider, was] == model else None

    def names_model(self, model: str) -> bool:
        """Whether the client's name pins a model, and not a provider alone."""
        pin, pool = self._pin.fullmatch(model), self._pool(model)
        return bool(pin and pin[3]) or bool(pool and pool[2])

    def _pool(self, named: str) -> re.Match[str] | None:
        return self._pool_names.found(named) if self._pool_names else None

    def _order(self, preference: Preference) -> list[str]:
        """Preferred, then fallback, without those that are not set up. Raises ApiError 503."""
        others = preference.fallback or self._unasked
        if preference.local_only:
            others = (*others, *self._unasked)
        if preference.allowed:
            allowed = [one for one in preference.allowed.providers if one in self._adapters]
            others = (*others, *(allowed or self._unasked))
        order = list(dict.fromkeys([preference.provider, *others, *preference.split]))
        order = [name for name in order if self._adapters[name].unconfigured is None]
        stand_in = self.stand_in(preference)
        if stand_in and stand_in not in order:
            order.append(stand_in)
        if not order:
            raise ApiError(
                503,
                f"{self.cure_of_choice(preference)}Nothing can answer yet. "
                + self.ways_to_an_answer(),
                type_="service_unavailable_error",
                code="no_provider_available",
                should_retry=False,
            )
        return order

    def ways_to_an_answer(self) -> str:
        """What to do so that some provider answers, one sentence a provider."""
        return " ".join(f"{adapter.title}: {adapter.setup}." for adapter in self._adapters.values())

    def cure_of_choice(self, preference: Preference) -> str:
        """What to do where a provider was chosen that is not set up, else nothing."""
        adapter = self._adapters[preference.provider]
        if not preference.chosen or adapter.unconfigured is None:
            return ""
        reason = f"{adapter.title} is chosen, but not set up: {adapter.unconfigured}."
        return f"{reason} To do: {adapter.setup}. "

    def _capable(self, plan: Plan, needs: Mapping[str, str]) -> Plan:
        if not needs:
            return plan
        able: list[Candidate] = []
        skipped: list[Skipped] = []
        for candidate in plan.candidates:
            can = self._adapters[candidate.provider].capabilities(candidate.model)
            lacking = lacks(can, needs)
            if lacking is None:
                able.append(candidate)
            else:
                skipped.append(Skipped(candidate, lacking))
        if not able:
            could = [
                name
                for name, adapter in self._adapters.items()
                if not adapter.unconfigured
                and not lacks(adapter.capabilities(adapter.settings.model), needs)
            ]
            raise unsupported(skipped, needs, could)
        return replace(plan, candidates=tuple(able), skipped=tuple(skipped))

    def _willing(self, plan: Plan, asked: Mapping[str, int]) -> Plan:
        """Without those who have refused such a request before, unless that leaves nobody."""
        refusing = {c: what for c in plan.candidates if (what := self.cannot.lacks(c, asked))}
        willing = tuple(c for c in plan.candidates if c not in refusing)
        if not (refusing and willing):
            return plan
        skipped = [Skipped(candidate, what) for candidate, what in refusing.items()]
        return replace(plan, candidates=willing, skipped=(*plan.skipped, *skipped))
