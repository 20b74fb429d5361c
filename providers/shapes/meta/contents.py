"""What a message says: a table a type.

Cloud API webhooks reference, messages; On-Premises API webhooks, components. Both speak one vocabulary, and
what only one of them sends (voice as a type of its own, paths on the client's disk) is understood from both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from providers.shapes.meta.reading import Draft, Table, anything, structure
from providers.wire import (
    Malformed,
    Object,
    as_bool,
    as_int,
    as_number,
    as_object,
    as_rfc3339,
    as_text,
    load_json,
)

Read = Callable[[Any, Draft, str], Object | None]
"""(the object of the type, draft, path) -> content; None where it does not hold what the content needs."""

MEDIA = Table(
    {
        "id": ("id", as_text),
        "mime_type": ("mime_type", as_text),
        "sha256": ("sha256", as_text),
        "file_size": ("size", as_int),
        "filename": ("filename", as_text),
        "url": ("url", as_text),
        "link": ("url", as_text),
        "file": ("path", as_text),
        "status": ("status", as_text),
        "caption": ("caption", as_text),
    }
)
VOICE = Table({**MEDIA, "voice": ("voice", as_bool)})
STICKER = Table(
    {
        **MEDIA,
        "animated": ("animated", as_bool),
        "metadata": ("pack", structure),
    }
)
BESIDE_MEDIA = ("caption", "voice", "animated", "pack")

LOCATION = Table(
    {
        "latitude": ("latitude", as_number),
        "longitude": ("longitude", as_number),
        "name": ("name", as_text),
        "address": ("address", as_text),
        "url": ("url", as_text),
    }
)

_TYPE = ("type", as_text)
CARD = Table(
    {
        "name": (
            "name",
            {
                name: (name, as_text)
                for name in ("formatted_name", "first_name", "middle_name", "last_name", "prefix", "suffix")
            },
        ),
        "phones": ("phones", [{"phone": ("phone", as_text), "wa_id": ("wa_id", as_text), "type": _TYPE}]),
        "emails": ("emails", [{"email": ("email", as_text), "type": _TYPE}]),
        "urls": ("urls", [{"url": ("url", as_text), "type": _TYPE}]),
        "ims": ("ims", [{"service": ("service", as_text), "user_id": ("user_id", as_text)}]),
        "addresses": (
            "addresses",
            [{name: (name, as_text) for name in ("street", "city", "state", "zip", "country", "country_code", "type")}],
        ),
        "org": ("organization", {name: (name, as_text) for name in ("company", "department", "title")}),
        "birthday": ("birthday", as_text),
        "vcard": ("vcard", as_text),
        "origin": ("origin", as_text),
        "contact_image": ("image", as_text),
    }
)

ORDER = Table(
    {
        "catalog_id": ("catalog_id", as_text),
        "text": ("text", as_text),
        "product_items": (
            "items",
            [
                {
                    "product_retailer_id": ("product_retailer_id", as_text),
                    "quantity": ("quantity", as_number),
                    "item_price": ("price", as_number),
                    "currency": ("currency", as_text),
                }
            ],
        ),
    }
)

BUTTON_REPLY = Table({"id": ("id", as_text), "title": ("title", as_text)})
BUTTON = Table({"payload": ("id", as_text), "text": ("title", as_text)})
LIST_REPLY = Table({**BUTTON_REPLY, "description": ("description", as_text)})
FLOW_REPLY = Table(
    {
        "name": ("name", as_text),
        "body": ("text", as_text),
        "response_json": ("response", anything),
    }
)
CALL_PERMISSION_REPLY = Table(
    {
        "response": ("response", as_text),
        "is_permanent": ("permanent", as_bool),
        "expiration_timestamp": ("expires_at", as_rfc3339),
        "response_source": ("source", as_text),
    }
)
PAYMENT_METHOD = Table(
    {
        "payment_method": ("method", as_text),
        "payment_timestamp": ("paid_at", as_rfc3339),
        "reference_id": ("reference_id", as_text),
        "last_four_digits": ("last_four_digits", as_text),
        "credential_id": ("credential_id", as_text),
    }
)
PAYMENT_NOTIFICATION = Table(
    {
        "reference_id": ("reference_id", as_text),
        "transaction_id": ("transaction_id", as_text),
        "payment_status": ("status", as_text),
        "payer_name": ("payer_name", as_text),
    }
)


@dataclass(frozen=True, slots=True)
class Plain:
    """A content whose members are those of the table. `needs` names those without which it says nothing;
    one that `stands` says something by its type alone.
    """

    type: str
    table: Table
    needs: tuple[str, ...] = ()
    kind: str | None = None
    stands: bool = False

    def __call__(self, value: Any, draft: Draft, path: str) -> Object | None:
        found = draft.read(value, self.table, path) if value is not None or not self.stands else {}
        if not found and not self.stands:
            return None
        for name in self.needs:
            if name not in found:
                return None
        if self.kind:
            found["kind"] = self.kind
        return {"type": self.type, **found}


@dataclass(frozen=True, slots=True)
class Media:
    """A file, with what is said of it beside its own data."""

    type: str
    table: Table
    voice: bool | None = None

    def __call__(self, value: Any, draft: Draft, path: str) -> Object | None:
        media = draft.read(value, self.table, path)
        content: Object = {"type": self.type}
        if self.voice is not None:
            content["voice"] = self.voice
        for name in BESIDE_MEDIA:
            if name in media:
                content[name] = media.pop(name)
        content["media"] = media
        return content if media else None


def _contacts(value: Any, draft: Draft, path: str) -> Object | None:
    cards = draft.read_list(value, CARD, path)
    return {"type": "contacts", "contacts": cards} if cards else None


REACTION = Table({"message_id": ("message_id", as_text), "emoji": ("emoji", as_text)})


def _reaction(value: Any, draft: Draft, path: str) -> Object | None:
    found = draft.read(value, REACTION, path)
    removed = not as_object(value).get("emoji")
    if not found or ("emoji" in found) is removed:
        return None
    return {"type": "reaction", **found, "action": "removed" if removed else "added"}


def _flow_reply(value: Any, draft: Draft, path: str) -> Object | None:
    """`response_json` is JSON within a text, and not always an object's."""
    found = draft.read(value, FLOW_REPLY, path)
    response = found.pop("response", None)
    if type(response) is str:
        found["response_text"] = response
        try:
            response = load_json(response.encode())
        except Malformed:
            response = None
    if type(response) is dict:
        found.pop("response_text", None)
        found["response"] = response
    elif response is not None and "response_text" not in found:
        draft.drifted("type", f"{path}.response_json")
    return {"type": "flow_reply", **found} if found else None


INTERACTIVE: dict[str, Read] = {
    "button_reply": Plain("button_reply", BUTTON_REPLY, kind="interactive"),
    "list_reply": Plain("list_reply", LIST_REPLY),
    "nfm_reply": _flow_reply,
    "call_permission_reply": Plain("call_permission_reply", CALL_PERMISSION_REPLY),
    "payment_method": Plain("payment_reply", PAYMENT_METHOD, kind="method"),
    "payment_notification": Plain("payment_reply", PAYMENT_NOTIFICATION, kind="notification"),
}


_TYPE_APART = Table({"type": None})


def _interactive(value: Any, draft: Draft, path: str) -> Object | None:
    """The reply stands in the member that `type` names; where it names none, in the one that is there."""
    reply = as_object(value)
    kind = as_text(reply.get("type")) or next((name for name in INTERACTIVE if name in reply), None)
    draft.read(value, _TYPE_APART, path, skip=kind)
    if kind is None:
        return None
    read = INTERACTIVE.get(kind)
    content = read(reply.get(kind), draft, f"{path}.{kind}") if read else None
    return content or unknown_content(draft, f"interactive.{kind}")


_UNSUPPORTED = Table({"type": ("kind", as_text)})


def _unsupported(value: Any, draft: Draft, path: str) -> Object | None:
    """The object beside the errors is often missing."""
    found = draft.read(value, _UNSUPPORTED, path) if value is not None else {}
    return {"type": "unsupported", **found}


def _placeholder(value: Any, draft: Draft, path: str) -> Object | None:
    """In a history, for a file that may follow in a webhook of its own."""
    return {"type": "unsupported", "kind": "media_placeholder"} if value is None else None


CONTENTS: dict[str, Read] = {
    "text": Plain("text", Table({"body": ("text", as_text)}), needs=("text",)),
    "image": Media("image", MEDIA),
    "video": Media("video", MEDIA),
    "audio": Media("audio", VOICE),
    "voice": Media("audio", MEDIA, voice=True),
    "document": Media("document", MEDIA),
    "sticker": Media("sticker", STICKER),
    "location": Plain("location", LOCATION),
    "contacts": _contacts,
    "button": Plain("button_reply", BUTTON, kind="template"),
    "interactive": _interactive,
    "order": Plain("order", ORDER, stands=True),
    "reaction": _reaction,
    "unsupported": _unsupported,
    "unknown": _unsupported,
    "media_placeholder": _placeholder,
}
FILES = frozenset(kind for kind, read in CONTENTS.items() if isinstance(read, Media))
"""Types that bring a file."""


def read_content(kind: str | None, value: Any, draft: Draft, *, failed: bool = False) -> Object:
    """The content of a message; unknown where no table knows its type, or the type's object is missing.

    `failed`: the message has errors, which then tell why the object is missing.
    """
    if failed and not value:
        return {"type": "unsupported", "kind": kind} if kind not in _NAMELESS else {"type": "unsupported"}
    read = CONTENTS.get(kind) if kind else None
    content = read(value, draft, f"messages.{kind}") if read else None
    return content or unknown_content(draft, kind)


_NAMELESS = (None, "unsupported", "unknown")


def unknown_content(draft: Draft, kind: str | None) -> Object:
    draft.drifted("value", f"messages.type={kind}")
    return {"type": "unknown", "kind": kind} if kind else {"type": "unknown"}
