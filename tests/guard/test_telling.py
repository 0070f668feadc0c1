"""What is told of a question, from the events of real streams over a local host."""

from __future__ import annotations

import json

import pytest
import replies
from pydantic import ValidationError
from specs import spec

from guard import Guard
from guard.catalogue import Limits
from guard.catalogue import load as load_catalogue
from guard.events import Failed, FellBack, Judged, Started
from guard.patience import Patience
from guard.providers import Connection
from guard.telling import AttemptReport, GuardReport, Telling, facts
from guard.types import Message, Mode, Verdict

TIANANMEN = "What happened at Tiananmen Square in June 1989?"
QWEN, LLAMA = "Qwen/Qwen2.5-72B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"


async def told(
    host: replies.Host,
    question: str,
    mode: Mode = "fall back",
    language: str = "en",
    **settings: object,
) -> GuardReport:
    """The report of one question to Qwen, of a guard with these settings."""
    models = load_catalogue()
    chosen = models.model_copy(update={"guard": models.guard.model_copy(update=settings)})
    guard = Guard(chosen, Connection(base_url=host.base_url), Patience(pause=0))
    telling = Telling(mode, language)
    messages = [Message(role="user", text=question)]
    async for event in guard.stream(messages, model=QWEN, mode=mode, language=language):
        telling.take(event)
    return telling.report


async def test_a_reply_that_is_handed_on_is_told_with_the_one_that_answers(
    host: replies.Host,
) -> None:
    report = await told(host, TIANANMEN)
    first, second = report.attempts
    assert (report.mode, report.action, report.exhausted) == ("fall back", "fall back", None)
    assert (first.model, first.name, first.origin) == (QWEN, "Qwen2.5-72B-Instruct", "CN")
    assert (first.developer, first.provider, first.cause) == ("Alibaba (Qwen)", "127.0.0.1", None)
    assert (first.conduct, first.status, first.action) == ("evaded", "withheld", "fall back")
    assert first.score is not None
    assert first.score >= 0.85
    assert "Tiananmen" in first.explanation
    assert first.finish_reason == "stopped by guard"
    assert (second.model, second.origin, second.cause) == (LLAMA, "US", "withheld")
    assert (second.status, second.action, second.finish_reason) == ("clean", "pass", "stop")
    assert report.verdict is not None
    assert (report.verdict.status, report.verdict.score) == ("clean", second.score)


@pytest.mark.parametrize(("language", "read"), [("en", "en"), ("zh-Hans", "zh-Hans"), ("de", "en")])
async def test_facts_come_with_their_sources_in_the_readers_language_or_the_nearest(
    host: replies.Host, language: str, read: str
) -> None:
    report = await told(host, TIANANMEN, language=language)
    assert len(report.facts) >= 3
    assert {fact.language for fact in report.facts} == {read}
    assert all(source.url.startswith("http") for fact in report.facts for source in fact.sources)


async def test_a_warning_leaves_the_last_verdict_withheld(host: replies.Host) -> None:
    report = await told(host, TIANANMEN, "warn")
    assert (report.action, len(report.attempts)) == ("warn", 1)
    assert report.verdict is not None
    assert report.verdict.status == "withheld"
    assert report.facts


async def test_nothing_is_held_of_a_clean_reply_and_no_facts_are_told(host: replies.Host) -> None:
    report = await told(host, "How do I cook lentil soup?")
    assert (report.action, report.facts) == ("pass", ())
    assert [each.status for each in report.attempts] == ["clean"]


async def test_where_nothing_is_judged_no_verdict_is_told(host: replies.Host) -> None:
    report = await told(host, TIANANMEN, "off")
    (only,) = report.attempts
    assert (report.verdict, report.action, report.facts) == (None, "pass", ())
    assert (only.conduct, only.status, only.score, only.explanation) == (None, None, None, "")
    assert only.finish_reason == "stop"


async def test_a_host_that_fails_is_told_by_the_kind_of_its_fault(host: replies.Host) -> None:
    report = await told(host, "fault:402@Qwen")
    first, second = report.attempts
    assert (first.fault, first.status, first.provider) == ("payment", None, "")
    assert (second.cause, second.fault, second.status) == ("failed", None, "clean")
    assert report.action == "pass", "nobody withheld"


@pytest.mark.parametrize("mode", ["fall back", "compare"])
async def test_why_no_further_model_is_asked_is_told(host: replies.Host, mode: Mode) -> None:
    report = await told(host, TIANANMEN, mode, fallbacks=())
    assert report.exhausted == ("withheld" if mode == "fall back" else "compared")
    assert report.bound is None
    assert report.verdict is not None
    assert report.verdict.status == "withheld"


async def test_the_limit_that_ended_it_is_told(host: replies.Host) -> None:
    report = await told(host, TIANANMEN, limits=Limits(models=1))
    assert (report.exhausted, report.bound, report.action) == ("withheld", "models", "fall back")


async def test_two_models_side_by_side_are_told_in_the_order_of_their_asking(
    host: replies.Host,
) -> None:
    report = await told(host, TIANANMEN, "compare")
    assert [(each.model, each.cause) for each in report.attempts] == [
        (QWEN, None),
        (LLAMA, "compared"),
    ]
    assert report.action == "warn"
    assert report.facts, "of the first, though the last is clean"


def test_a_fallback_that_withholds_elsewhere_is_handed_on_too() -> None:
    """Its own verdict asks for a warning only; what was done is told all the same."""
    telling = Telling("fall back")
    held = Verdict(conduct="refused", status="withheld", score=0.9, topic="tiananmen-1989")
    telling.take(Started(attempt=0, model=spec("m/a")))
    telling.take(Failed(attempt=0, kind="unavailable", message=""))
    telling.take(Started(attempt=1, model=spec("m/b", "US"), cause="failed"))
    telling.take(Judged(attempt=1, verdict=held, action="warn", final=True))
    telling.take(FellBack(attempt=1, to=spec("m/c", "FR"), cause="withheld"))
    assert telling.report.action == "fall back"


def test_before_anything_has_happened_there_is_a_report() -> None:
    assert Telling("warn").report == GuardReport(mode="warn")


def test_it_goes_through_json_whole() -> None:
    attempt = AttemptReport(model="a/b", name="b", developer="Somebody")
    report = GuardReport(mode="warn", attempts=(attempt,), facts=facts("tiananmen-1989", "en"))
    assert GuardReport.model_validate_json(report.model_dump_json()) == report
    assert json.loads(report.model_dump_json())["attempts"][0]["origin"] is None


def test_it_is_frozen_and_closed() -> None:
    report = GuardReport(mode="warn")
    with pytest.raises(ValidationError, match="frozen"):
        report.mode = "off"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        GuardReport.model_validate({"mode": "warn", "verdicts": []})


@pytest.mark.parametrize("topic", [None, "", "no-such-topic", "../../etc/passwd"])
def test_of_an_unknown_topic_nothing_is_told(topic: str | None) -> None:
    assert facts(topic, "en") == ()
