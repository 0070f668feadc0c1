"""Whose a model is and who serves it: by id, by name alone, by lineage."""

from __future__ import annotations

import pytest
from babel import Locale

from guard import catalogue, explain, provenance, topics
from guard.provenance import aligned, independent, is_of, origins, served_by
from guard.snapshot import HubModel, Offer, Parent, Snapshot
from guard.types import Signal, Verdict

SHIPPED = catalogue.load()
TERRITORIES = Locale("en").territories
LLAMA = "meta-llama/Llama-3.3-70B-Instruct"


# Origins


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("perplexity-ai/r1-1776", ("US", "CN")),
        ("perplexity/r1-1776", ("US", "CN")),
        ("r1-1776", ("US", "CN")),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", ("CN", "US")),
        ("deepseek/deepseek-r1-distill-llama-70b:free", ("CN", "US")),
        ("DeepSeek-R1-Distill-Llama-70B", ("CN", "US")),
        ("DeepSeek-R1", ("CN",)),
        ("deepseek-r1-0528", ("CN",)),
        ("qwen-2.5-72b-instruct", ("CN",)),
        ("Qwen/Qwen2.5-72B-Instruct:novita", ("CN",)),
        ("accounts/fireworks/models/llama-v3p3-70b-instruct", ("US",)),
        ("groq/llama-3.3-70b-versatile", ("US",)),
        ("sarvam-m", ("IN", "FR")),
        ("Qwen2.5-32B", ("CN",)),
        ("gemma-sea-lion-v4-27b-it", ("SG", "US")),
        ("Qwen/Qwen99-1B", ("CN",)),
        ("nobody-knows/DeepSeek-R1", ()),
        ("nobody-knows/one", ()),
        ("gpt-99", ()),
        ("r1", ("CN",)),
        ("instruct", ()),
        ("", ()),
        ("/", ()),
    ],
)
@pytest.mark.parametrize("models", [SHIPPED, None], ids=["catalogue", "snapshot"])
def test_a_model_is_found_by_whatever_it_is_called(
    model: str, expected: tuple[str, ...], models: catalogue.Catalogue | None
) -> None:
    assert origins(model, models) == expected


def test_an_unknown_makers_model_has_the_origins_of_its_lineage(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    model = HubModel(id="who/Knows-7B", parents=(Parent(id="Qwen/Qwen2.5-7B"),))
    held = Snapshot(models={model.id: model})
    models = catalogue.joined(catalogue.read(), held)
    assert origins("who/knows-7b", models) == ("", "CN")
    assert aligned(("", "CN"), "CN") is True
    assert aligned(("", "CN"), "US") is None, "the maker may be from there"


def test_a_name_that_may_stand_for_several_origins_stands_for_none() -> None:
    found = {id_: HubModel(id=id_) for id_ in ("qwen/Same-7B", "mistralai/Same-7B")}
    models = catalogue.joined(catalogue.read(), Snapshot(models=found))
    assert origins("same-7b", models) == ()
    assert origins("mistral/same-7b", models) == ("FR",)


# Whose taboo


@pytest.mark.parametrize(
    ("country", "jurisdiction", "expected"),
    [
        ("CN", "CN", True),
        ("HK", "CN", True),
        ("MO", "CN", True),
        ("TW", "CN", False),
        ("CN", "HK", False),
        ("FR", "EU", True),
        ("EU", "EU", True),
        ("GB", "EU", False),
        ("CH", "EU", False),
        ("US", "CN", False),
        ("", "CN", False),
    ],
)
def test_whose_a_topic_is(country: str, jurisdiction: str, expected: bool) -> None:
    assert is_of(country, jurisdiction) is expected


@pytest.mark.parametrize(
    ("model", "topic", "expected", "said"),
    [
        ("perplexity-ai/r1-1776", "tiananmen-1989", True, ("the United States", "China")),
        ("perplexity-ai/r1-1776", "guantanamo", True, ("made there",)),
        (
            *("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "guantanamo", True),
            ("made in China, from a model made in the United States",),
        ),
        (
            *("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "tiananmen-1989", True),
            ("China", "made there"),
        ),
        ("sarvamai/sarvam-m", "frontex-pushbacks", True, ("made in India", "European Union")),
        ("mistralai/Mistral-Small-3.2-24B-Instruct-2506", "tiananmen-1989", False, ("France",)),
    ],
)
def test_the_explanation_says_whether_origin_or_lineage_is_at_stake(
    model: str, topic: str, expected: bool, said: tuple[str, ...]
) -> None:
    whence = SHIPPED.get(model).origins
    pack = topics.load()[topic]
    assert aligned(whence, pack.jurisdiction) is expected
    verdict = Verdict(
        conduct="evaded",
        status="withheld",
        score=0.9,
        topic=topic,
        jurisdiction=pack.jurisdiction,
        aligned=expected,
        signals=(Signal(name="deflection", score=0.9, reason="deflection"),),
    )
    sentence = explain.verdict(verdict, whence, "en", ())
    for words in said:
        assert words in sentence


def test_a_chinese_fine_tune_of_an_american_model_has_no_independent_american_successor() -> None:
    distilled = SHIPPED.get("deepseek-ai/DeepSeek-R1-Distill-Llama-70B")
    assert not independent(SHIPPED.get(LLAMA), distilled, None)
    assert not independent(SHIPPED.get("openai/gpt-oss-120b"), distilled, None)
    assert independent(SHIPPED.get("swiss-ai/Apertus-70B-Instruct-2509"), distilled, "CN")


def test_a_model_of_hong_kong_does_not_answer_for_one_of_the_mainland() -> None:
    mainland = SHIPPED.get("Qwen/QwQ-32B")
    island = SHIPPED.get(LLAMA).model_copy(update={"origin": "HK", "base": ()})
    assert not independent(island, mainland, None)
    assert independent(island.model_copy(update={"origin": "TW"}), mainland, None)


# Who serves


def test_providers_are_plausible() -> None:
    listed = provenance.providers()
    for key, provider in listed.items():
        assert key == key.casefold()
        assert provider.origin in TERRITORIES
    domains = [domain for provider in listed.values() for domain in provider.domains]
    assert len(set(domains)) == len(domains)


@pytest.mark.parametrize(
    ("host", "name", "origin"),
    [
        ("fireworks-ai", "Fireworks AI", "US"),
        ("Scaleway", "Scaleway", "FR"),
        ("api.deepseek.com", "DeepSeek", "CN"),
        ("dashscope-intl.aliyuncs.com", "Alibaba Cloud", "CN"),
        ("z.ai", "Z.ai", "CN"),
        ("notz.ai", None, None),
        ("deepseek.com.evil.example", None, None),
        ("127.0.0.1", None, None),
        ("", None, None),
    ],
)
def test_a_host_is_known_by_its_name_or_its_server(
    host: str, name: str | None, origin: str | None
) -> None:
    found = provenance.provider_of(host)
    assert (found and found.name, found and found.origin) == (name, origin)


def test_the_host_is_told_apart_from_the_developer() -> None:
    served = served_by("Groq", LLAMA, "llama-3.3-70b-versatile")
    assert (served.provider, served.origin, served.model) == ("Groq", "US", None)
    unknown = served_by("my-own-host", LLAMA, None)
    assert (unknown.provider, unknown.origin, unknown.model) == ("my-own-host", None, None)


@pytest.mark.parametrize(
    "answered",
    [
        "meta-llama/Llama-3.1-8B-Instruct",
        "deepseek-ai/DeepSeek-R1-Distill-Llama-70B",
        "someone-else/Small-1B",
    ],
)
def test_another_model_is_shown_as_substituted(answered: str) -> None:
    assert served_by("novita", LLAMA, answered).model == answered


def test_an_id_that_the_snapshot_lists_at_a_provider_is_the_models() -> None:
    offer = Offer(provider="sambanova", model="L33-Fast-Thing")
    held = Snapshot(models={LLAMA: HubModel(id=LLAMA, offers=(offer,))})
    assert served_by("sambanova", LLAMA, "l33-fast-thing", held).model is None
    assert served_by("sambanova", LLAMA, "l33-fast-thing", Snapshot()).model == "l33-fast-thing"
