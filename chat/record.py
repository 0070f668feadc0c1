"""A conversation as a value: the form `candor-conversation-1` of exports, and shared snapshots.

It names no owner and holds no secret: neither where a model is reached nor a host's own error
message. Turns and replies have no ids but their places in their lists; a turn's parent stands
before it, so that a file can hold no circle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, model_validator

from guard.characters import repaired
from guard.errors import FaultKind
from guard.events import Bound, Cause
from guard.provenance import Served
from guard.text import split_thinking
from guard.types import (
    Action,
    Mode,
    ModelSpec,
    Omitted,
    Options,
    Signal,
    Span,
    ToolFault,
    Value,
    Verdict,
)

from .foreign import ForeignModel, model_of
from .reading import MOST_FILES, READ_LIMIT, Kind, named
from .store import Attachment, Conversation, Reply, Turn, new_id
from .store.tables import Vote
from .store.titles import on_one_line

FORM = "candor-conversation-1"
MOST_CALLS = 200  # of one reply; more than the guard lets one make
EPOCH, FAR = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

Source = Literal["candor", "chatgpt", "open-webui"]
Model = ModelSpec | ForeignModel


def tame_each(value: Any) -> Any:
    return {key: repaired(one) for key, one in value.items()} if isinstance(value, dict) else value


def in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


Words = Annotated[str, BeforeValidator(repaired)]
Label = Annotated[Words, Field(max_length=400)]
Moment = Annotated[AwareDatetime, Field(ge=EPOCH, lt=FAR), AfterValidator(in_utc)]
Count = Annotated[int, Field(gt=-(2**31), lt=2**31)]
Amount = Annotated[float, Field(allow_inf_nan=False)]
Place = Annotated[int, Field(ge=0)]
Number = Annotated[int, Field(ge=0, lt=10_000)]


class Trouble(Value):
    """Why a reply failed; `retry_after` counts seconds."""

    kind: FaultKind
    retry_after: Amount | None = None


class CallRecord(Value):
    """A call of a tool, or (without `call`) tools that could not be offered.

    `text` is what came back: text from outside. `seconds` are None while it runs, or where it was
    broken off; `cut`: there was more text.
    """

    call: Number | None = None
    server: Label = ""
    title: Label = ""
    search: bool = False
    tool: Label = ""
    arguments: Annotated[Words, Field(max_length=20_000)] = ""
    text: Annotated[Words, Field(max_length=100_000)] = ""
    fault: ToolFault | None = None
    cut: bool = False
    seconds: Amount | None = None


class ReplyRecord(Value):
    """One model's reply. `model` is `{id, name}` alone where nothing else is known of it.

    `run`: a retry is the next run; `step`: a fallback is the next step of its run; `lane` is 1 for
    what stands beside the picked model's. `source`: the file that the reply was imported from.
    `options`: what the reader had set for the model; `prompted`: with a system prompt of their own,
    whose words are not in what is shared.
    """

    run: Number
    step: Number
    lane: Annotated[int, Field(ge=0, le=1)] = 0
    model: Model
    text: Words
    thoughts: Words | None = None
    calls: Annotated[tuple[CallRecord, ...], Field(max_length=MOST_CALLS)] = ()
    state: Literal["done", "stopped", "interrupted", "failed"]
    finish_reason: Words = ""
    seconds: Amount | None = None
    tokens: Count | None = None
    dollars: Amount | None = None
    served: Served | None = None
    verdict: Verdict | None = None
    action: Action = "pass"
    fault: Trouble | None = None
    cause: Cause | None = None
    exhausted: Cause | None = None
    bound: Bound | None = None
    feedback: Literal["good", "bad"] | None = None
    not_withheld: bool = False
    source: Source | None = None
    omitted: Omitted | None = None
    options: Annotated[Options | None, BeforeValidator(tame_each)] = None
    prompted: bool = False
    created: Moment

    @model_validator(mode="after")
    def fits_its_verdict(self) -> Self:
        """What a verdict marks must stand in the reply."""
        signals = self.verdict.signals if self.verdict else ()
        spans = (span for signal in signals for span in signal.spans)
        if not all(0 <= span.start <= span.end <= len(self.text) for span in spans):
            raise ValueError("the verdict marks words that the reply does not have")
        return self


class FileRecord(Value):
    """A file that is attached to a question: its name, and the text that was read of it.

    Pictures are not in it. `characters` and the pages say how much of the file was read.
    """

    name: Annotated[Words, Field(min_length=1, max_length=400), AfterValidator(named)]
    kind: Kind
    text: Annotated[Words, Field(max_length=READ_LIMIT)] | None = None
    characters: Count | None = None
    pages: Count | None = None
    pages_read: Count | None = None
    pages_empty: Count | None = None


class TurnRecord(Value):
    """A question and its replies. `parent` and `chosen` are places, of a turn and of a reply.

    `parent_run` is the run of the parent that it follows; None: the one that is shown there.
    `votes` say by run which of two replies side by side is the better one to the reader.
    """

    parent: Place | None = None
    parent_run: Number | None = None
    question: Words
    files: Annotated[tuple[FileRecord, ...], Field(max_length=MOST_FILES)] = ()
    shown_run: Number = 0
    chosen: Place | None = None
    votes: dict[Number, Vote] = {}
    asked: Moment
    replies: tuple[ReplyRecord, ...] = ()

    def has(self, run: int) -> bool:
        """Whether a turn below may follow that run."""
        return run == self.shown_run or any(reply.run == run for reply in self.replies)


class ConversationRecord(Value):
    """A conversation with all its branches and runs. `shown` is the place of the last turn shown.

    `model` is the id of the model that was picked last, `mode` what the guard did.
    """

    form: Literal["candor-conversation-1"]
    title: Annotated[Label, Field(min_length=1), AfterValidator(on_one_line)]
    model: Label
    mode: Mode
    begun: Moment
    changed: Moment
    shown: Place | None = None
    turns: tuple[TurnRecord, ...]

    @model_validator(mode="after")
    def is_a_tree(self) -> Self:
        for place, turn in enumerate(self.turns):
            if turn.parent is not None and turn.parent >= place:
                raise ValueError("a turn's parent must stand before it")
            above = None if turn.parent is None else self.turns[turn.parent]
            if turn.parent_run is not None and not (above and above.has(turn.parent_run)):
                raise ValueError("the run that a turn follows is not there")
            if turn.chosen is not None and turn.chosen >= len(turn.replies):
                raise ValueError("the chosen reply is not there")
        if self.shown is not None and self.shown >= len(self.turns):
            raise ValueError("the turn that is shown is not there")
        return self

    def with_replies(self, change: Callable[[ReplyRecord], ReplyRecord]) -> ConversationRecord:
        """The same with each reply changed."""
        turns = tuple(
            turn.model_copy(update={"replies": tuple(map(change, turn.replies))})
            for turn in self.turns
        )
        return self.model_copy(update={"turns": turns})


# --- rows -> record -------------------------------------------------------------------------------


def record_of(conversation: Conversation) -> ConversationRecord:
    """The whole conversation; its attachments must have their text."""
    turns = parents_first(conversation)
    places = {turn.id: place for place, turn in enumerate(turns)}
    found = (
        turn_record(turn, turn.replies, places, map(file_record, conversation.attached(turn)))
        for turn in turns
    )
    return headed(conversation, found, places.get(conversation.leaf_id or ""))


def headed(
    conversation: Conversation, turns: Iterable[TurnRecord], shown: int | None
) -> ConversationRecord:
    """A record under the conversation's title; `shown` is the place of the last turn shown."""
    return ConversationRecord(
        form=FORM,
        title=conversation.title,
        model=conversation.model,
        mode=conversation.mode,
        begun=conversation.created_at,
        changed=conversation.updated_at,
        shown=shown,
        turns=tuple(turns),
    )


def parents_first(conversation: Conversation) -> list[Turn]:
    """The turns by depth, each depth in its order."""
    found: list[Turn] = []
    ids: set[str | None] = {None}
    while row := [turn for turn in conversation.turns if turn.parent_id in ids]:
        found += row
        ids = {turn.id for turn in row}
    return found


def turn_record(
    turn: Turn, replies: list[Reply], places: dict[str, int], files: Iterable[FileRecord]
) -> TurnRecord:
    ids = [reply.id for reply in replies]
    return TurnRecord(
        parent=places.get(turn.parent_id or ""),
        parent_run=turn.parent_run,
        question=turn.question,
        files=tuple(files),
        shown_run=turn.shown_run,
        chosen=ids.index(turn.chosen) if turn.chosen in ids else None,
        votes=turn.votes or {},
        asked=turn.created_at,
        replies=tuple(map(reply_record, replies)),
    )


def file_record(file: Attachment) -> FileRecord:
    return FileRecord.model_validate(file, from_attributes=True)


def named_alone(file: Attachment) -> FileRecord:
    """A file as others see it."""
    return FileRecord.model_validate({"name": file.name, "kind": file.kind})


def reply_record(reply: Reply) -> ReplyRecord:
    """A reply without where its model is reached, and without its host's own words."""
    fault = reply.fault
    return ReplyRecord(
        run=reply.run,
        step=reply.step,
        lane=reply.lane,
        model=without_address(model_of(reply.model)),
        text=reply.text,
        thoughts=reply.thoughts,
        calls=reply.calls or (),
        state="interrupted" if reply.state == "streaming" else reply.state,
        finish_reason=reply.finish_reason,
        seconds=reply.seconds,
        tokens=reply.tokens,
        dollars=reply.dollars,
        served=reply.served,
        verdict=reply.verdict,
        action=reply.action,
        fault=Trouble(kind=fault["kind"], retry_after=finite(fault.get("retry_after")))
        if fault
        else None,
        cause=reply.cause,
        exhausted=reply.exhausted,
        bound=reply.bound,
        feedback=reply.feedback,
        not_withheld=reply.not_withheld,
        source=reply.source,
        omitted=Omitted.model_validate(reply.omitted) if reply.omitted else None,
        options=reply.options,
        prompted=reply.prompted,
        created=reply.created_at,
    )


def finite(seconds: float | None) -> float | None:
    """What a host asked to wait, unless it is no number of seconds."""
    return seconds if seconds is not None and math.isfinite(seconds) else None


def without_address(model: Model) -> Model:
    """An address may hold a password."""
    return model.model_copy(update={"base_url": None}) if isinstance(model, ModelSpec) else model


# --- what is shared -------------------------------------------------------------------------------


def snapshot_of(conversation: Conversation, *, thoughts: bool) -> ConversationRecord:
    """What is shown of a conversation now, for others to see.

    A reader's own marks stay with them: neither their ratings and votes nor that they held a reply
    for not withheld, so that nobody shares a withheld reply without what the guard said of it. That
    a system prompt of theirs was in force is told, since it may be why a reply withholds; its words
    may be private, and nothing that is shown holds them, so they are left out.
    """
    shown = shown_of(conversation, file=named_alone)
    turns = tuple(turn.model_copy(update={"votes": {}}) for turn in shown.turns)
    public = shown.model_copy(update={"turns": turns}).with_replies(without_own_marks)
    return public if thoughts else public.with_replies(without_thoughts)


def shown_of(
    conversation: Conversation, *, file: Callable[[Attachment], FileRecord]
) -> ConversationRecord:
    """What is shown of a conversation now, one turn below the other, with every verdict.

    `file` says what of each attachment is in it.
    """
    path = conversation.path()
    places = {turn.id: place for place, turn in enumerate(path)}
    turns = (
        turn_record(turn, turn.shown(), places, map(file, conversation.attached(turn))).model_copy(
            update={
                "shown_run": 0,
                "parent_run": None,
                "votes": {0: turn.vote} if turn.vote else {},
            }
        )
        for turn in path
    )
    shown = headed(conversation, turns, len(path) - 1 if path else None)
    return shown.with_replies(lambda reply: reply.model_copy(update={"run": 0}))


def without_own_marks(reply: ReplyRecord) -> ReplyRecord:
    """A reply as one that nobody has rated, and without the words of a system prompt."""
    options = reply.options.model_copy(update={"system": ""}) if reply.options else None
    own = {"feedback": None, "not_withheld": False, "options": options}
    return reply.model_copy(update=own)


def without_thoughts(reply: ReplyRecord) -> ReplyRecord:
    """A reply without its reasoning, also where that stands in its text."""
    answer = split_thinking(reply.text)
    moved = verdict_moved(reply.verdict, answer.start) if reply.verdict else None
    return reply.model_copy(update={"thoughts": None, "text": answer.answer, "verdict": moved})


def verdict_moved(verdict: Verdict, start: int) -> Verdict:
    """A verdict whose marks count from `start`; those before it are left out."""

    def moved(signal: Signal) -> Signal:
        spans = tuple(
            Span(s.start - start, s.end - start) for s in signal.spans if s.start >= start
        )
        return signal.model_copy(update={"spans": spans})

    return verdict.model_copy(update={"signals": tuple(map(moved, verdict.signals))})


# --- record -> rows -------------------------------------------------------------------------------


def rows_of(record: ConversationRecord, owner: str) -> Conversation:
    """New rows of an owner's, with ids of their own."""
    conversation = Conversation(
        id=new_id(),
        owner=owner,
        title=record.title,
        model=record.model,
        mode=record.mode,
        created_at=record.begun,
        updated_at=record.changed,
    )
    for turn in record.turns:
        above = None if turn.parent is None else conversation.turns[turn.parent]
        row = turn_row(turn, conversation.id, above)
        held = [file_row(file, owner, conversation.id) for file in turn.files]
        row.files = [file.id for file in held]
        conversation.attachments += held
        conversation.turns.append(row)
    if record.shown is not None:
        conversation.show(conversation.turns[record.shown])
    ours = [reply for turn in conversation.turns for reply in turn.replies if not reply.source]
    conversation.withheld = any(reply.status == "withheld" for reply in ours)
    return conversation


def turn_row(record: TurnRecord, conversation_id: str, above: Turn | None) -> Turn:
    shown = above.shown_run if above else None
    turn = Turn(
        id=new_id(),
        conversation_id=conversation_id,
        parent_id=above.id if above else None,
        parent_run=shown if record.parent_run is None else record.parent_run,
        question=record.question,
        shown_run=record.shown_run,
        created_at=record.asked,
        votes={str(run): vote for run, vote in record.votes.items()},
    )
    turn.replies = [reply_row(reply, turn.id) for reply in record.replies]
    turn.chosen = None if record.chosen is None else turn.replies[record.chosen].id
    return turn


def file_row(record: FileRecord, owner: str, conversation_id: str) -> Attachment:
    """A file without anything to open but the text that was read of it."""
    fields = record.model_dump()
    read = len(record.text or "")
    row = {"id": new_id(), "owner": owner, "conversation_id": conversation_id, "read": read}
    return Attachment(**row, **fields)


def reply_row(record: ReplyRecord, turn_id: str) -> Reply:
    fields = record.model_dump(mode="json", exclude={"created", "fault"})
    fault = {**record.fault.model_dump(), "message": ""} if record.fault else None
    told = {"created_at": record.created, "fault": fault, "copied": True}
    return Reply(id=new_id(), turn_id=turn_id, **told, **fields)


# --- what is taken in -----------------------------------------------------------------------------


def imported(
    record: ConversationRecord, known: Callable[[str], ModelSpec | None]
) -> ConversationRecord:
    """A record from outside: every reply says so, and no more is believed of models than is known.

    `known` gives the model on offer of an id. What a file states of a model's origin, maker or
    licence is dropped, whether or not it is right.
    """

    def from_file(reply: ReplyRecord) -> ReplyRecord:
        model = known(reply.model.id)
        mine = without_address(model) if model else None
        foreign = ForeignModel(id=reply.model.id, name=reply.model.name)
        return reply.model_copy(
            update={"model": mine or foreign, "source": reply.source or "candor"}
        )

    return record.with_replies(from_file)
