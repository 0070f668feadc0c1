"""Limits as operators write them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from chat.limits import Bound, limits_now, network, parsed
from chat.settings import Settings
from guard.errors import ConfigError

ALL = "20/minute, 500/day, 4 streams, 20000 characters, 200000 tokens/day, 1.50 dollars/day"


def test_all_that_can_be_limited() -> None:
    assert parsed(ALL) == (
        Bound(most=4, counts="streams"),
        Bound(most=20_000, counts="characters"),
        Bound(most=20, counts="messages", per="minute"),
        Bound(most=500, counts="messages", per="day"),
        Bound(most=200_000, counts="tokens", per="day"),
        Bound(most=1.5, counts="dollars", per="day"),
    )


@pytest.mark.parametrize("text", ["1 message / hour", "1 MESSAGES/HOUR", " 1/hour "])
def test_spaces_cases_and_plurals_do_not_matter(text: str) -> None:
    assert parsed(text) == (Bound(most=1, counts="messages", per="hour"),)


@pytest.mark.parametrize("text", ["none", " None "])
def test_none_is_no_limit(text: str) -> None:
    assert parsed(text) == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a limit is written as"),
        ("many", "a limit is written as"),
        ("20/minute,", "a limit is written as"),
        ("-1/minute", "a limit is written as"),
        ("20/minute; 5/day", "a limit is written as"),
        ("20", "'20': messages need a period: /minute, /hour or /day"),
        ("20 mesages/day", "nothing counts 'mesages' Did you mean 'messages'?"),
        ("20/fortnight", "a period is a minute, an hour or a day"),
        ("20/dy", "Did you mean 'day'?"),
        ("4 streams/day", "streams have no period"),
        ("4.5/day", "messages are whole"),
        ("0/day", "lies between 0 and"),
        ("99999999999 tokens/day", "lies between 0 and"),
        ("5/day, 5 streams, 6/day", "'6/day': it is limited twice"),
        ("٥/day", "a limit is written as"),
        ("1e3/day", "a limit is written as"),
        ("x" * 10_000, "a limit is written as"),
    ],
)
def test_what_is_wrong_is_named(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parsed(text, "CANDOR_LIMITS_ADDRESS")
    words = str(raised.value)
    assert words.startswith("CANDOR_LIMITS_ADDRESS: ")
    assert told in words
    assert len(words) < 400


def test_where_nobody_can_sign_in_all_are_bound_alike_and_no_address_is() -> None:
    alone = limits_now(Settings(space_id=None, oidc_issuer=None))
    assert alone.anonymous == alone.reader != ()
    assert alone.address == ()


def test_who_could_sign_in_and_does_not_may_less() -> None:
    limits = limits_now(Settings(oidc_issuer="https://login.example"))
    per_day = {one.counts: one.most for one in limits.anonymous if one.per == "day"}
    signed_in = {one.counts: one.most for one in limits.reader if one.per == "day"}
    assert per_day["messages"] < signed_in["messages"]
    assert "tokens" in per_day


def test_a_space_bounds_addresses() -> None:
    assert limits_now(Settings(space_id="me/candor")).address != ()
    assert limits_now(Settings(space_id="me/candor", limits_address="none")).address == ()


def test_each_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CANDOR_LIMITS", "CANDOR_LIMITS_ANONYMOUS", "CANDOR_LIMITS_ADDRESS"):
        monkeypatch.setenv(name, f"{len(name)}/day")
    limits = limits_now(Settings())
    assert [one.most for (one,) in (limits.reader, limits.anonymous, limits.address)] == [
        13,
        23,
        21,
    ]


def test_what_replaces_a_variable_holds_at_once_and_only_if_it_is_right(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings, replaced = Settings(limits="5/day"), dict[str, str]()

    def overrides() -> Mapping[str, str]:
        return replaced

    assert limits_now(settings, overrides).reader == parsed("5/day")
    replaced["CANDOR_LIMITS"] = "7/day"
    assert limits_now(settings, overrides).reader == parsed("7/day")
    replaced["CANDOR_LIMITS"] = "none"
    assert limits_now(settings, overrides).reader == ()
    replaced |= {"CANDOR_LIMITS": "seven a day", "PATH": "1/day"}
    for _ in range(3):
        assert limits_now(settings, overrides).reader == parsed("5/day")
    assert caplog.text.count("'seven a day'") == 1


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("testclient", "testclient"),
        ("x" * 1000, "x" * 100),
    ],
)
def test_an_address_is_counted_with_those_its_owner_has_beside_it(
    address: str, counted: str
) -> None:
    assert network(address) == counted
