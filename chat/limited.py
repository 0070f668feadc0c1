"""What routes ask for that are limited: a message let in, or a request counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from fastapi import Depends, Request

from .auth import Reader, reader
from .limiting import Admission, limiter_of

Who = Annotated[Reader, Depends(reader)]


async def admission(request: Request, who: Who) -> AsyncIterator[Admission]:
    """A message of the reader's, which the route lets in once it is known to be well formed."""
    limiter, connection = limiter_of(request), request.app.state.chat.visitors.connection
    pays = partial(connection.pays, who.token)
    found = Admission(limiter, limiter.subjects(request, who), pays)
    try:
        yield found
    except BaseException:
        await found.leave(failed=True)
        raise
    await found.leave()


async def counted(request: Request, who: Who) -> None:
    """Count a request of the reader's."""
    limiter = limiter_of(request)
    await limiter.count(limiter.subjects(request, who), "requests")


Admitted = Annotated[Admission, Depends(admission)]
COUNTED = Depends(counted)
