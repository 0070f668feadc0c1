"""Files that readers attach: the routes that take, show and drop them, and how a model is told.

What may be attached, and what of it is kept, is for `reading.py` to say; what a model's context has
room for, for `guard.fitting`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response

from guard import explain
from guard.fitting import BYTES_A_TOKEN, MOST_IMAGES, MOST_TOKENS
from guard.types import Document, Image, Message, ModelSpec

from . import render
from .auth import Reader
from .limited import COUNTED
from .reading import FILE_LIMIT, Unreadable, named, read
from .routes import Chat, Shared, Who, from_our_page
from .store import Attachment, Conversation, NotFound, Store
from .store.files import shows_images
from .talk import Asked
from .view import View

router = APIRouter(prefix="/candor", include_in_schema=False)
changing = APIRouter(dependencies=[Depends(from_our_page)])

NOT_SENT_AGAIN = "not told again"
HELD_NO_MORE = "not available"
HEADERS = {
    "content-security-policy": "sandbox; default-src 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "private, max-age=86400, immutable",
    "vary": "cookie",
    "cross-origin-resource-policy": "same-origin",
}


# --- routes ---------------------------------------------------------------------------------------


@changing.post("/files", dependencies=[COUNTED])
async def take(
    request: Request,
    who: Who,
    chat: Shared,
    name: Annotated[str, Query(max_length=1000)] = "",
    *,
    temporary: bool = False,
) -> dict[str, Any]:
    """Read a file, the request's whole body, and keep it until its question is put.

    For a temporary conversation it is kept in memory alone, as that is.
    """
    view = chat.view(who)
    data = await request.body()
    try:
        async with chat.reading:
            found = await read(data)
    except Unreadable as error:
        raise HTTPException(422, refusal(error.reason, view)) from error
    values = found.model_dump() | {"read": len(found.text or "")}
    attachment = Attachment(owner=who.owner, name=named(name), **values)
    here = await chat.aside() if temporary else chat
    await here.store.attach(attachment)
    html = render.files([attachment], view, unsent=True)
    return {"id": attachment.id, "kind": attachment.kind, "html": html}


def refusal(reason: str, view: View) -> str:
    """Why a file was not taken, and what to do."""
    return str(getattr(view.say, f"files_not_{reason}").format(n=FILE_LIMIT // 1_000_000))


@changing.delete("/files/{id_}")
async def drop(id_: str, who: Who, chat: Shared) -> dict[str, Any]:
    """Remove a file that was not sent."""
    await chat.store.detach(who.owner, id_)
    return {}


@router.get("/files/{id_}")
async def show(id_: str, who: Who, chat: Shared) -> Response:
    """The owner's copy; where none is held, the text that was read of it.

    A PDF is downloaded: no browser shows one in a sandbox.
    """
    file = (await chat.store.attachments(who.owner, [id_], whole=True))[id_]
    if file.content is None and not file.text:
        raise NotFound(id_)
    content = (file.text or "").encode() if file.content is None else file.content
    media_type = file.media_type if file.content is not None else None
    how = "attachment" if media_type == "application/pdf" else "inline"
    headers = {"content-disposition": f"{how}; filename*=UTF-8''{quote(file.name, safe='')}"}
    return Response(
        content, media_type=media_type or "text/plain; charset=utf-8", headers=HEADERS | headers
    )


# --- a question's files ---------------------------------------------------------------------------


async def refuse(
    ids: Sequence[str], conversation_id: str | None, who: Reader, chat: Chat, spec: ModelSpec
) -> None:
    """Refuse a question whose files are gone, or that shows pictures to who does not see."""
    if not ids:
        return
    view = chat.view(who)
    try:
        files = (await chat.store.attachments(who.owner, ids)).values()
    except NotFound as error:
        raise HTTPException(409, view.say.files_gone) from error
    if any(file.conversation_id not in (None, conversation_id) for file in files):
        raise HTTPException(409, view.say.files_gone)
    refuse_blind(files, spec, view)


def refuse_blind(files: Iterable[Attachment], spec: ModelSpec, view: View) -> None:
    """Refuse to ask about pictures a model that does not see."""
    if not spec.images and shows_images(files):
        told = explain.fill(view.say.files_blind, view.language, model=spec.name)
        raise HTTPException(409, told)


# --- what a model is told -------------------------------------------------------------------------


async def held_by(told: Sequence[Asked], owner: str, store: Store) -> dict[str, Attachment]:
    """The files of the questions with what they hold, as many as can be told; the last go first."""
    characters, images = MOST_TOKENS * BYTES_A_TOKEN, MOST_IMAGES
    wanted: list[str] = []
    for one in reversed(told):
        for file in one.files:
            if file.kind == "image":
                images -= file.opens
                held = file.opens and images >= 0
            else:
                held = characters > 0
                characters -= file.read
            if held:
                wanted.append(file.id)
    return await store.attachments(owner, wanted, whole=True) if wanted else {}


async def fill(copy: Conversation, originals: Sequence[Attachment], store: Store) -> None:
    """Give the files of a copy what the originals hold to be opened, in the same order.

    Args:
        copy: new rows of the same owner, not stored yet.
        originals: the files of the first conversation, in the order of the copy's turns.
        store: that of the first.
    """
    if not originals:
        return
    ids = [file.id for file in originals]
    held = await store.attachments(copy.owner, ids, whole=True)
    for file, id_ in zip(copy.attachments, ids, strict=True):
        file.content, file.media_type = held[id_].content, held[id_].media_type


def asked(one: Asked, held: Mapping[str, Attachment]) -> Message:
    """A question with its files; of those that are not `held`, the names."""
    images = [file for file in one.files if file.kind == "image" and file.opens]
    return Message(
        role="user",
        text=one.question,
        documents=tuple(document(file, held) for file in one.files if file not in images),
        images=tuple(image(file, held) for file in images),
    )


def document(file: Attachment, held: Mapping[str, Attachment]) -> Document:
    """A file as text; a picture that did not come along with its conversation is one without."""
    if not file.opens:
        return Document(name=file.name, text="", part=HELD_NO_MORE)
    if file.id not in held:
        return Document(name=file.name, text="", part=NOT_SENT_AGAIN, left=file.read)
    return Document(name=file.name, text=held[file.id].text or "", part=part_of(file))


def image(file: Attachment, held: Mapping[str, Attachment]) -> Image:
    """A picture; one that is not held is beyond what is sent, and only named."""
    content = held[file.id].content or b"" if file.id in held else b""
    fields = {"media_type": file.media_type, "base64": b64encode(content).decode()}
    return Image.model_validate({"name": file.name, **fields})


def part_of(file: Attachment) -> str:
    """What of a file its text is, for the model; nothing where it is all."""
    parts = []
    if file.pages is not None and file.pages_read != file.pages:
        parts.append(f"pages 1 to {file.pages_read} of {file.pages}")
    if file.pages_empty:
        parts.append(f"pages without text that can be read: {file.pages_empty}")
    if file.characters is not None and file.read < file.characters:
        parts.append(f"the first {file.read:,} of {file.characters:,} characters")
    return "; ".join(parts)


router.include_router(changing)
