"""Reading long lists in pages: a statement for each, so that no view of the store is kept open for long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from gateway.store.session import Row, Session

FIRST_PAGE = 100
LAST_PAGE = 10_000
"""Pages grow: the first lines come at once, and a long list is not read again and again."""
END = 2**62
"""Above any number and any time."""


async def paged(
    session: Session,
    sql: str,
    parameters: Mapping[str, Any],
    cursor: Mapping[str, int],
    after: Callable[[Row], Mapping[str, int]],
    limit: int | None,
) -> AsyncIterator[Row]:
    """Rows, page by page. `cursor` are the parameters that say where a page begins, `after` those behind a row."""
    left = END if limit is None else limit
    size = FIRST_PAGE
    while left > 0:
        asked = min(size, left)
        rows = await session.fetch(f"{sql} LIMIT :limit", limit=asked, **cursor, **parameters)
        for row in rows:
            yield row
        if len(rows) < asked:
            return
        left -= asked
        cursor = after(rows[-1])
        size = min(size * 2, LAST_PAGE)
