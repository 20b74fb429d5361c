"""What all items of one webhook object share, and items that are told in no typed way."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from providers.base import NO_ROUTE, Identity, Item, Notes, Route
from providers.shapes.meta.identity import change_identity
from providers.shapes.meta.parties import NOBODY, People, displayed
from providers.shapes.meta.reading import Draft
from providers.wire import EMPTY, Object, as_object, as_text, timestamp_ms


class Number(NamedTuple):
    """One of the business's numbers, or an account as a whole: what events and identities say of it."""

    account_id: str | None = None
    channel: Object = EMPTY
    channel_key: str = ""
    phone: str | None = None
    route: Route = NO_ROUTE


NO_NUMBER = Number()


@lru_cache(maxsize=4096)
def number_of(account_id: str | None, phone_number_id: str | None = None, display: str = "") -> Number:
    """The number that the metadata of a webhook name; of one, there are many webhooks."""
    phone = displayed(display)
    channel = {"phone": phone, "phone_number_id": phone_number_id, "account_id": account_id}
    return Number(
        account_id,
        {name: known for name, known in channel.items() if known},
        phone_number_id or "".join(filter(str.isdecimal, display)),
        phone,
        Route(account_id, phone_number_id),
    )


class Scope:
    """The account, business number and people of one object of webhooks, and where it stands in the body.

    `own` is the business's number, E.164. `standby`: another application holds the conversations.
    `failed`: there are errors beside its messages. `call_id`: the call that its errors are about.
    `initiated_by`: who began what its groups tell. `untold_metadata`: the metadata says more than the channel.
    """

    __slots__ = (
        "account_id", "call_id", "channel", "channel_key", "failed", "initiated_by", "notes", "number", "own", "people",
        "pointer", "route", "standby", "untold_metadata",
    )  # fmt: skip

    def __init__(self, notes: Notes, pointer: str, number: Number = NO_NUMBER, people: People = NOBODY) -> None:
        self.notes = notes
        self.pointer = pointer
        self.number = number
        self.account_id, self.channel, self.channel_key, self.own, self.route = number
        self.people = people
        self.standby = False
        self.failed = False
        self.call_id: str | None = None
        self.initiated_by: str | None = None
        self.untold_metadata = False

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


class Element(NamedTuple):
    """An element of an array that has a time and no id of its own: what makes it the same when it comes again."""

    array: str
    raw: Any
    pointer: str
    time: Any

    def identity(self, scope: Scope) -> Identity | None:
        return change_identity(scope.account_id, self.array, [scope.channel_key, self.raw], self.time)

    def item(
        self, scope: Scope, event: str, data: Object, draft: Draft, *, chat: str | None, person: Object | None = None
    ) -> Item:
        """`chat`: the provider's own id of the conversation concerned."""
        subject = data.get("conversation") or person
        return Item(
            type=event,
            data={"channel": scope.channel, **data},
            identity=self.identity(scope),
            time_ms=timestamp_ms(self.time),
            lane=scope.chat_lane(chat),
            pointer=self.pointer,
            subject=subject["id"] if subject else scope.account_id,
            party=person["id"] if person else None,
            route=scope.route,
            partial=draft.partial,
        )

    def unknown(self, scope: Scope, kind: str, detail: str) -> Item:
        """What cannot be mapped; it keeps the id that it will have once it can be."""
        return scope.unknown(
            kind,
            self.pointer,
            name=as_text(as_object(self.raw).get("type")),
            detail=detail,
            identity=self.identity(scope),
            time_ms=timestamp_ms(self.time),
        )


def chat_of(message: Object, names: tuple[str, ...] = ("group_id", "from", "from_user_id")) -> str | None:
    """The provider's own id of the chat that a message belongs to, where the message names it."""
    for name in names:
        chat = message.get(name)
        if chat and (type(chat) is str or (chat := as_text(chat))):
            return chat
    return None
