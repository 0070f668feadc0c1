"""The search, in each database: what is found, by whom, and how the index follows the store."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from databases import WITHOUT_ADMINS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, text

from chat import words
from chat.search import MOST, search
from chat.store import Conversation, Reply, Store, Turn, new_id, now
from chat.store.tables import Indexed

ANNA, BEN = "cookie:anna", "cookie:ben"


async def kept(store: Store, question: str, reply: str = "So.", owner: str = ANNA) -> str:
    """A conversation of one question and its reply; its id."""
    conversation = await store.start(owner, question, "a/b", "warn")
    turn = (await store.add_turn(owner, conversation.id, question, None)).turn.id
    row = Reply(
        id=new_id(), turn_id=turn, run=0, step=0, model={"id": "a/b"}, text=reply,
        state="done", finish_reason="stop", action="pass",
    )  # fmt: skip
    await store.add_reply(row)
    return conversation.id


async def found(store: Store, query: str, owner: str = ANNA) -> list[str]:
    """The ids of what a query finds."""
    return [one.conversation.id for one in await search(store, owner, words.phrases(query))]


TEXTS = {
    "chinese": "六四事件发生在北京的天安门广场。",
    "traditional": "天安門廣場",
    "japanese": "京都の古いカフェで抹茶を飲む",
    "thai": "ประเทศไทยมีอาหารอร่อย",
    "korean": "한국어를 배우고 싶어요",
    "german": "Die Größe der Straße in Köln",
    "mixed": "如何使用Python写爬虫",
    "code": 'call foo_bar(3.14) -- NEAR("x" AND y*) it\'s GPT-4',
    "arabic": "مُحَمَّد في القاهرة",
}


QUERIES: dict[str, set[str]] = {
    "六四": {"chinese"},
    "四事": {"chinese"},
    "六": {"chinese"},
    "。": set(),
    "事六": set(),
    "天安门": {"chinese", "traditional"},
    "廣場": {"chinese", "traditional"},
    "天安门 六四": {"chinese"},
    "カフェ": {"japanese"},
    "ｶﾌｪ": {"japanese"},
    "抹茶": {"japanese"},
    "ไทย": {"thai"},
    "อาหาร": {"thai"},
    "한국": {"korean"},
    "koln": {"german"},
    "KÖLN große": {"german"},
    "Ko\u0308ln": {"german"},
    "stra": {"german"},
    "stra köln": set(),
    "使用python": {"mixed"},
    "pyth": {"mixed"},
    "foo_bar": {"code"},
    "bar_foo": set(),
    "3.14": {"code"},
    "it's": {"code"},
    "gpt-4": {"code"},
    'NEAR("x" AND y*)': {"code"},
    "near OR nothing": set(),
    "محمد": {"arabic"},
}


async def test_words_of_each_script_are_found(store: Store) -> None:
    names = {await kept(store, "?", text): name for name, text in TEXTS.items()}
    for query, where in QUERIES.items():
        assert {names[id_] for id_ in await found(store, query)} == where, query


async def test_no_query_is_syntax(store: Store) -> None:
    """Whatever is typed finds what holds its words, and what holds them is found by it."""
    for typed in (
        '"', '""', "'", "\\", "*", "a*", "-a", "NOT", "NOT a", "a OR", "(", "a:b", "words:a",
        "{a}:b", "^a", "a + b", "a' | 'b", "a & !b", "<->", "a <2> b", ":*", "%", "_", "𠀀",
        "\ufffd", "x" * 200, "'a':1", "rowid", ";", "--", "/*", "天*", "NEAR/2", "é" * 90, "💥",
    ):  # fmt: skip
        id_ = await kept(store, typed)
        holds = bool(words.phrases(typed))
        assert (id_ in await found(store, typed)) == holds, typed
    assert await found(store, "\x00") == []


async def test_the_index_follows_the_store(store: Store) -> None:
    id_ = await kept(store, "How do I cook lentils?", "Soak them overnight.")
    for query in ("lentils", "overnight", "soak over"):
        assert await found(store, query) == [id_]
    await store.change(ANNA, id_, title="Pulses")
    assert await found(store, "pulses") == [id_]
    await store.change(ANNA, id_, title="Beans")
    assert await found(store, "pulses") == []
    await store.entitle(id_, "Peas", instead_of="Pulses")
    assert await found(store, "peas") == []
    await store.entitle(id_, "Peas", instead_of="Beans")
    assert await found(store, "peas") == [id_]
    await store.change(ANNA, id_, deleted_at=now())
    assert await found(store, "overnight") == []
    await store.change(ANNA, id_, deleted_at=None)
    assert await found(store, "overnight") == [id_]


async def test_a_reply_is_found_once_it_has_ended_and_without_its_thinking(store: Store) -> None:
    id_ = await kept(store, "Why?", "")
    conversation = await store.conversation(ANNA, id_)
    reply = conversation.turns[0].replies[0].id
    await store.save_reply(reply, text="<think>secretly</think>Openly")
    assert await found(store, "openly") == []
    for _ in range(2):  # a second write takes the place of the first
        await store.save_reply(reply, text="<think>secretly</think>Openly", state="done")
    assert await found(store, "openly") == [id_]
    assert await found(store, "secretly") == []
    async with store.session() as session:
        assert await session.scalar(select(func.count(Indexed.id))) == 3


async def test_what_a_killed_process_left_is_found(store: Store, url: str) -> None:
    id_ = await kept(store, "Why?", "")
    reply = (await store.conversation(ANNA, id_)).turns[0].replies[0].id
    await store.save_reply(reply, state="streaming", text="half of it")
    again = await Store(url).open()
    assert await found(again, "half of it") == [id_]
    await again.close()


async def test_nobody_finds_what_is_anothers(store: Store) -> None:
    await kept(store, "the secret garden", "the secret reply")
    assert await found(store, "secret", BEN) == []
    own = await kept(store, "my secret", owner=BEN)
    assert await found(store, "secret", BEN) == [own]


async def test_results_are_the_newest_and_lead_to_the_newest_message(store: Store) -> None:
    first = await kept(store, "rain today", "No rain at all.")
    others = [(await store.start(ANNA, f"rain {n}", "a/b", "warn")).id for n in range(MOST)]
    await store.add_turn(ANNA, first, "and rain tomorrow?", None)
    results = await search(store, ANNA, words.phrases("rain"))
    assert [one.conversation.id for one in results] == [first, *others[:0:-1]]
    told = [one.message for one in results]
    assert told[0] is not None
    assert (told[0].text, told[0].reply) == ("and rain tomorrow?", None)
    assert told[1] is None  # only its title says so
    ((_, message),) = await search(store, ANNA, words.phrases("no rain"))
    assert message is not None
    assert (message.text, message.run) == ("No rain at all.", 0)
    assert message.reply is not None


async def test_a_day_after_its_deletion_a_conversation_is_gone(store: Store) -> None:
    gone, undone, late, alive = [await kept(store, f"word {n}", "reply") for n in range(4)]
    for id_ in (gone, undone, late):
        await store.change(ANNA, id_, deleted_at=now() - timedelta(hours=25))
    await store.change(ANNA, undone, deleted_at=None)
    await store.change(ANNA, late, deleted_at=now() - timedelta(hours=23))
    assert await store.forget(now() - timedelta(days=1)) == 1
    async with store.session() as session:
        assert set(await session.scalars(select(Conversation.id))) == {undone, late, alive}
        assert set(await session.scalars(select(Turn.conversation_id))) == {undone, late, alive}
        assert await session.scalar(select(func.count(Reply.id))) == 3
        assert set(await session.scalars(select(Indexed.conversation_id))) == {undone, late, alive}
    assert set(await found(store, "reply")) == {undone, alive}


async def test_the_migration_indexes_what_is_there(store: Store, url: str) -> None:
    """As it was before: without the index, its table, the new column and what came later."""
    id_ = await kept(store, "How do I cook lentils?", "<think>hm</think>Soak 六四 them.")
    await store.change(ANNA, id_, title="Pulses")
    async with store.engine.begin() as connection:
        for statement in (
            *WITHOUT_ADMINS,
            *(["DROP TABLE indexed_words"] if store.url.drivername.startswith("sqlite") else []),
            "DROP TABLE indexed",
            "DROP INDEX ix_conversation_place",
            "ALTER TABLE conversation DROP COLUMN pinned",
            "CREATE INDEX ix_conversation_owner ON conversation (owner, updated_at)",
            "ALTER TABLE preferences DROP COLUMN language",
            "DROP TABLE api_key",
            "DROP INDEX ix_reply_streaming",
            "ALTER TABLE reply DROP COLUMN runner",
            "DROP TABLE share",
            "ALTER TABLE reply DROP COLUMN source",
            "ALTER TABLE preferences DROP COLUMN theme",
            "ALTER TABLE preferences DROP COLUMN model",
            "DROP TABLE model_options",
            "ALTER TABLE reply DROP COLUMN options",
            "ALTER TABLE reply DROP COLUMN prompted",
            "ALTER TABLE turn DROP COLUMN votes",
            "ALTER TABLE turn DROP COLUMN parent_run",
            "DROP TABLE attachment",
            "ALTER TABLE turn DROP COLUMN files",
            "ALTER TABLE reply DROP COLUMN omitted",
            "ALTER TABLE reply DROP COLUMN calls",
            "ALTER TABLE conversation DROP COLUMN tools",
            "UPDATE alembic_version SET version_num = '0002'",
        ):
            await connection.execute(text(statement))
    again = await Store(url).open()
    for query in ("lentils", "soak", "六四", "pulses"):
        assert await found(again, query) == [id_], query
    assert await found(again, "hm") == []
    async with again.session() as session:  # and what was indexed can be taken out
        await session.execute(delete(Conversation))
    assert await found(again, "lentils") == []
    await again.close()


# --- words ------------------------------------------------------------------------------------

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.text(
    "六四天安门abcé ไทย「」-'\"*", max_size=40
)


@given(before=ANY, said=ANY, after=ANY)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_what_was_typed_is_marked_where_it_stands(before: str, said: str, after: str) -> None:
    wanted = words.phrases(said)
    whole = f"{before} {said} {after}"
    spans = words.spans(whole, wanted)
    assert bool(spans) == bool(wanted)
    assert all(0 <= a < b <= len(whole) for a, b in spans)
    marks = [piece.text for piece in words.marked(said, wanted) if piece.found]
    assert bool(marks) == bool(wanted)


@given(said=ANY)
def test_words_hold_nothing_that_a_database_reads_as_syntax(said: str) -> None:
    for word in words.words(said):
        assert word.text
        assert not set(word.text) & set(" '\"\\*:&|!()<>-^+{}\x00")


def test_a_snippet_shows_what_was_found_on_one_line() -> None:
    text = "word " * 100 + "\n\n- **六四** <b>x</b>\n" + "end " * 100
    pieces = words.snippet(text, words.phrases("六四"))
    shown = "".join(piece.text for piece in pieces)
    assert [piece.text for piece in pieces if piece.found] == ["六四"]
    assert shown.startswith("…")
    assert "- 六四 <b>x</b> end" in shown
    assert len(shown) < 200


async def test_long_messages_fit_in_the_index(store: Store) -> None:
    different: Any = (chr(0x4E00 + n % 20_000) for n in range(100_000))
    id_ = await kept(store, "".join(different), "word" * 50_000 + " last " + "é1 " * 30_000)
    assert await found(store, "一丁") == [id_]
