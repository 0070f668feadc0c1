"""Reads models from the Hugging Face Hub, and who serves them at what price from its router.

A lineage may run in a circle or never end, a host may be busy or broken: what cannot be read stays
as it was known before, and a warning names the model. Not covered: files other than the card, and
models that the token does not open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import ValidationError

from .card import Card, fit_id, label
from .plain import one_line
from .snapshot import HubModel, Offer, Snapshot

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ExpandModelProperty_T, ModelInfo

T = TypeVar("T")
Advance = Callable[[int, int], None]  # models read, models known of so far
ROUTER = "https://router.huggingface.co/v1"
PLAIN: list[ExpandModelProperty_T] = ["author", "gated", "tags"]
WHOLE: list[ExpandModelProperty_T] = [
    *PLAIN,
    *("baseModels", "cardData", "createdAt"),
    *("inferenceProviderMapping", "lastModified", "safetensors"),
]
AT_ONCE = 8  # requests
ATTEMPTS = 5
SECONDS = 30.0  # of silence
LONGEST_WAIT = 60.0  # seconds that a host may ask us to wait
DEEPEST = 20  # steps of a lineage
MOST_MODELS = 1000
MOST_WARNINGS = 500
NOT_FOUND, TOO_MANY, BROKEN = 404, 429, 500  # HTTP statuses
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
CHAT_TASKS = {"conversational", "text-generation", "None"}
FIGURES = ("context", "input_price", "output_price", "throughput")


@dataclass(frozen=True)
class Hub:
    """Where to ask; an `endpoint` of None is huggingface_hub's own setting, `HF_ENDPOINT`."""

    endpoint: str | None = None
    router: str = ROUTER

    def model(self, id_: str, expand: list[ExpandModelProperty_T]) -> ModelInfo:
        """What the Hub says of a model.

        Raises:
            httpx2.HTTPError: it says nothing, after several attempts.
            OSError: huggingface_hub is set to stay offline.
        """
        from huggingface_hub import HfApi

        api = HfApi(endpoint=self.endpoint)
        return patiently(lambda: api.model_info(id_, expand=expand, timeout=SECONDS))

    def configuration(self, model: str) -> Any:
        """A model's `config.json`; raises as `json` does."""
        from huggingface_hub import hf_hub_url

        return self.json(hf_hub_url(model, "config.json", endpoint=self.endpoint))

    def json(self, address: str) -> Any:
        """What lies at a public address; raises as `model` does, or ValueError."""
        from huggingface_hub import get_session, hf_raise_for_status

        def ask() -> Any:
            response = get_session().get(address, timeout=SECONDS)
            hf_raise_for_status(response)
            return response.json()

        return patiently(ask)


class Refreshed(NamedTuple):
    """A new snapshot; which models could not be read, and which that were asked for are not there.

    What was known of either stays as it was.
    """

    snapshot: Snapshot
    failed: tuple[str, ...]
    missing: tuple[str, ...]


class LookedUp(NamedTuple):
    """One model: as it was before where it `failed`, None where nothing is known of it at all."""

    asked: str
    model: HubModel | None
    warnings: tuple[str, ...] = ()
    failed: bool = False


def refresh(
    models: Iterable[str],
    before: Snapshot,
    *,
    hub: Hub,
    today: date,
    keep: bool = False,
    advance: Advance = lambda done, known: None,
) -> Refreshed:
    """Read models and all they were made from.

    Args:
        models: ids; one that cannot be read stays as it was before.
        keep: whether all other models stay as they were; else they are left out.
    """
    asked = unique(models)
    reading = Reading(hub, before, today, advance)
    reading.prices = reading.routed()
    reading.climb(asked, held=set(before.by_name) if keep else set())
    entries = merged(looked.model for looked in reading.found.values() if looked.model)
    warnings = reading.told()
    if keep:
        former = {old for model in entries.values() for old in model.renamed_from}
        kept = {id_: model for id_, model in before.models.items() if id_ not in former}
        entries = {**kept, **entries}
        warnings += [said for said in before.warnings if reading.says_nothing_of(said)]
    bounded = tuple(one_line(warning, 300) for warning in sorted(set(warnings))[:MOST_WARNINGS])
    failed = tuple(looked.asked for looked in reading.found.values() if looked.failed)
    missing = tuple(id_ for id_ in asked if is_missing(reading.found[id_.casefold()]))
    return Refreshed(Snapshot(taken=today, warnings=bounded, models=entries), failed, missing)


def is_missing(looked: LookedUp) -> bool:
    return looked.model is not None and looked.model.missing


def unique(models: Iterable[str]) -> list[str]:
    """Each id once, whatever the case of its letters, in their order."""
    found: dict[str, str] = {}
    for id_ in models:
        found.setdefault(id_.casefold(), id_)
    return list(found.values())


def merged(models: Iterable[HubModel]) -> dict[str, HubModel]:
    """Models by id; one that was found by two of its names is held once, with both."""
    by_id: dict[str, HubModel] = {}
    for model in models:
        twin = by_id.get(model.id)
        names = {*model.renamed_from, *(twin.renamed_from if twin else ())}
        by_id[model.id] = model.model_copy(update={"renamed_from": tuple(sorted(names))})
    return by_id


@dataclass
class Reading:
    """Models as they are read, one level of the lineages after the other.

    `found` is by id in lower case; `prices` is what the router told of each model's providers, None
    where it could not be asked.
    """

    hub: Hub
    before: Snapshot
    today: date
    advance: Advance
    prices: dict[str, list[dict[str, Any]]] | None = None
    found: dict[str, LookedUp] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def told(self) -> list[str]:
        return self.warnings + [said for looked in self.found.values() for said in looked.warnings]

    def says_nothing_of(self, warning: str) -> bool:
        """Whether an earlier warning is of a model that was not read this time."""
        subject = warning.partition(": ")[0]
        return fit_id(subject) is not None and subject.casefold() not in self.found

    def climb(self, asked: list[str], held: set[str]) -> None:
        """Read what was asked for, then its parents and theirs, but for those that are `held`."""
        level, steps = asked, 0
        while level:
            if steps > DEEPEST or len(self.found) + len(level) > MOST_MODELS:
                self.warnings += [
                    f"{id_}: too far from the models on offer; not read" for id_ in level
                ]
                return
            self.look_up(level)
            level = [
                id_ for id_ in self.parents(level) if id_.casefold() not in held | self.found.keys()
            ]
            steps += 1

    def look_up(self, level: list[str]) -> None:
        """Read models side by side."""
        done, known = len(self.found), len(self.found) + len(level)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for id_, looked in zip(level, pool.map(self.one, level), strict=True):
                self.found[id_.casefold()] = looked
                done += 1
                self.advance(done, known)

    def parents(self, level: list[str]) -> list[str]:
        models = [self.found[id_.casefold()].model for id_ in level]
        return unique(parent.id for model in models if model for parent in model.parents)

    def one(self, asked: str) -> LookedUp:
        """Read one model; where that fails, what was known before stays."""
        import httpx2
        from huggingface_hub.errors import (
            DisabledRepoError,
            HfHubHTTPError,
            RepositoryNotFoundError,
        )

        known = self.before.get(asked)
        try:
            info, warnings = told_of(self.hub, asked)
            in_part = bool(warnings)
            model = Card(asked, info, warnings).model(self.today, self.offers)
            model = laid_over(known, model) if known and in_part else model
        except (RepositoryNotFoundError, DisabledRepoError) as error:
            return self.hidden(asked, error)
        except HfHubHTTPError as error:
            if error.response.status_code == NOT_FOUND:
                return self.hidden(asked, error)
            reason = f"status {error.response.status_code}"
            return LookedUp(asked, known, (f"{asked}: could not be read: {reason}",), failed=True)
        except (httpx2.HTTPError, OSError, *MALFORMED) as error:
            reason = one_line(str(error)) or type(error).__name__
            return LookedUp(asked, known, (f"{asked}: could not be read: {reason}",), failed=True)
        return LookedUp(asked, model, tuple(f"{asked}: {said}" for said in warnings))

    def hidden(self, asked: str, error: Exception) -> LookedUp:
        """A model that the Hub does not show; what was known of it stays."""
        from huggingface_hub.errors import GatedRepoError

        known = self.before.get(asked) or HubModel(id=asked)
        gated = isinstance(error, GatedRepoError)
        now: dict[str, Any] = {"missing": True, "read": self.today, "offers": ()}
        now |= {"gated": "yes"} if gated else {}
        said = "is gated and not shown to us" if gated else "is not on the Hub, or not shown to us"
        return LookedUp(asked, known.model_copy(update=now), (f"{asked}: {said}",))

    def routed(self) -> dict[str, list[dict[str, Any]]] | None:
        """Who serves each model by its id in lower case, as the router lists it."""
        import httpx2

        try:
            listed = self.hub.json(f"{self.hub.router}/models")["data"]
            return {str(m.get("id")).casefold(): dicts(m.get("providers")) for m in dicts(listed)}
        except (httpx2.HTTPError, OSError, *MALFORMED) as error:
            reason = one_line(str(error).partition("\n")[0]) or type(error).__name__
            self.warnings.append(f"the router's prices could not be read: {reason}")
            return None

    def offers(self, model: str, mapped: Iterable[Any]) -> Iterator[Offer]:
        """Each provider once: as the Hub lists it, with the router's figures where it has some."""
        known = self.before.get(model)
        prior = {offer.provider: offer for offer in known.offers} if known else {}
        told = (self.prices or {}).get(model.casefold(), ())
        priced = {n: p for p in told if (n := label(p.get("provider")))}
        ids = {n: m for m in mapped if str(m.task) in CHAT_TASKS and (n := label(m.provider))}
        for provider in sorted(ids | priced):
            entry = figures(priced[provider]) if provider in priced else {}
            if self.prices is None and provider in prior:
                entry = prior[provider].model_dump(include=set(FIGURES))
            if provider in ids:
                entry |= {
                    "model": label(ids[provider].provider_id),
                    "live": ids[provider].status == "live",
                }
            with suppress(ValidationError):  # a provider of an odd name or figure is left out
                yield Offer.model_validate({"provider": provider, "model": model, **entry})


def told_of(hub: Hub, model: str) -> tuple[ModelInfo, list[str]]:
    """What the Hub says of a model, without its card where that cannot be read, and warnings."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return hub.model(model, WHOLE), []
    except HfHubHTTPError:
        raise
    except MALFORMED as error:
        cause = one_line(f"{type(error).__name__}: {error}")
        said = f"what the Hub says of its card cannot be read ({cause}); its tags were used"
        return hub.model(model, PLAIN), [said]


def laid_over(known: HubModel, read: HubModel) -> HubModel:
    """What was read in part, with what was known before in its gaps."""
    fresh = {name: value for name, value in read if value not in (None, ())}
    return known.model_copy(update={**fresh, "missing": False})


def patiently(ask: Callable[[], T]) -> T:
    """Ask again where a host is busy or broken, after the time that it says."""
    from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
    from tenacity.wait import wait_exponential_jitter

    backoff = wait_exponential_jitter(multiplier=0.5, max=LONGEST_WAIT)

    def pause(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = wait_of(error)
        return backoff(state) if asked is None else min(asked, LONGEST_WAIT)

    attempts = stop_after_attempt(ATTEMPTS)
    trying = Retrying(stop=attempts, wait=pause, retry=retry_if_exception(passes), reraise=True)
    return trying(ask)


def passes(error: BaseException) -> bool:
    """Whether it may go better next time."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return status == TOO_MANY or status >= BROKEN
    return isinstance(error, httpx2.TransportError) and not isinstance(error, httpx2.ConnectError)


def wait_of(error: BaseException | None) -> float | None:
    """The seconds that a host asks to wait; None where it does not say."""
    from huggingface_hub.errors import HfHubHTTPError

    if not isinstance(error, HfHubHTTPError):
        return None
    headers = error.response.headers
    seconds = re.fullmatch(r"\s*(\d+)\s*", headers.get("retry-after", ""))
    if error.response.status_code == TOO_MANY:
        seconds = seconds or re.search(r"\bt\s*=\s*(\d+)", headers.get("ratelimit", ""))
    return float(seconds[1]) if seconds else None


def dicts(listed: Any) -> list[dict[str, Any]]:
    items = listed if isinstance(listed, list) else []
    return [item for item in items if isinstance(item, dict)]


def figures(priced: dict[str, Any]) -> dict[str, Any]:
    """The router's figures of one provider; prices are in US dollars per million tokens."""
    pricing = priced.get("pricing")
    prices = pricing if isinstance(pricing, dict) else {}
    told = {
        "context": priced.get("context_length"),
        "input_price": prices.get("input"),
        "output_price": prices.get("output"),
        "throughput": priced.get("throughput"),
    }
    numbers = {name: figure for name, figure in told.items() if is_number(figure)}
    return {"live": priced.get("status") == "live", **numbers}


def is_number(figure: Any) -> bool:
    return isinstance(figure, int | float) and not isinstance(figure, bool) and figure >= 0
