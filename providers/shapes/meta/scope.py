"""What all items of one webhook object share, and items that are told in no typed way."""

from __future__ import annotations

from providers.base import NO_ROUTE, Identity, Item, Notes, Route
from providers.shapes.meta.parties import NOBODY, People
from providers.wire import Object, as_text


class Scope:
    """The account, business number and people of one object of webhooks, and where it stands in the body."""

    __slots__ = ("account_id", "channel", "channel_key", "notes", "people", "pointer", "route")

    def __init__(
        self,
        notes: Notes,
        pointer: str = "",
        *,
        account_id: str | None = None,
        channel: Object | None = None,
        channel_key: str = "",
        people: People = NOBODY,
        route: Route = NO_ROUTE,
    ) -> None:
        self.notes = notes
        self.pointer = pointer
        self.account_id = account_id
        self.channel = channel or {}
        self.channel_key = channel_key
        self.people = people
        self.route = route

    @property
    def account_lane(self) -> tuple[str, ...]:
        return ("account", self.account_id or "")

    def chat_lane(self, chat: str | None) -> tuple[str, ...]:
        return ("chat", self.channel_key, chat) if chat else self.account_lane

    def unknown(
        self,
        kind: str,
        pointer: str,
        *,
        name: str | None = None,
        detail: str | None = None,
        identity: Identity | None = None,
        time_ms: int | None = None,
        lane: tuple[str, ...] | None = None,
    ) -> Item:
        """What could not be mapped; it goes on with its raw fragment."""
        data: Object = {"kind": kind}
        if name:
            data["name"] = name[:200]
        if detail:
            data["detail"] = detail
        if self.channel:
            data["channel"] = self.channel
        return Item(
            type="whatsapp.unknown",
            data=data,
            identity=identity,
            time_ms=time_ms,
            lane=lane or self.account_lane,
            pointer=pointer,
            subject=self.account_id,
            route=self.route,
            partial=True,
        )


def chat_of(message: Object) -> str | None:
    """The provider's own id of the chat that a message belongs to, where the message names it."""
    return next((chat for name in _CHAT if (chat := as_text(message.get(name)))), None)


_CHAT = ("group_id", "from", "from_user_id")
