"""Meta's webhooks: handshake, signature, and the way from the body's envelope to the objects within.

Cloud API, create a webhook endpoint; Graph API webhooks, getting started.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import Field

from providers.base import (
    Adapter,
    Item,
    Notes,
    Proof,
    RawRequest,
    Reply,
    Route,
    Secrets,
    SourceSettings,
    Unauthorized,
    keyed_digest,
    matching_secret,
)
from providers.cloud_api.management import Given, change_item, unmapped_change
from providers.shapes.guard import guarded
from providers.shapes.meta import Draft, People, Scope, Table, displayed, leftovers, value_items
from providers.wire import Json, Malformed, Object, as_list, as_object, as_text

SIGNATURE = "X-Hub-Signature-256"
SCHEME = "sha256="
OBJECT = "whatsapp_business_account"

ENVELOPE_MEMBERS = frozenset({"object", "entry"})
ENTRY_MEMBERS = frozenset({"id", "time", "changes"})
CHANGE_MEMBERS = frozenset({"field", "value"})
VALUE_MEMBERS = frozenset({"messaging_product", "metadata", "contacts", "messages", "statuses", "errors"})
VALUE_ARRAYS = ("messages", "statuses", "errors")

METADATA: Table = {"display_phone_number": ("display", as_text), "phone_number_id": ("id", as_text)}


class CloudApiSettings(SourceSettings):
    app_secret: Secrets = Field(
        min_length=1,
        description="The Meta app's secret (App settings, Basic). It proves that a webhook comes from Meta. "
        "Several are accepted at once during rotation.",
    )
    verify_token: Secrets = Field(
        min_length=1,
        description="A word of your choice; it stands beside the callback URL in the app's dashboard.",
    )


class CloudApi(Adapter):
    name: ClassVar[str] = "cloud_api"
    label: ClassVar[str] = "WhatsApp Cloud API"
    summary: ClassVar[str] = "Meta's own webhooks: messages, statuses, changes of accounts, templates and numbers."
    Settings: ClassVar[type[SourceSettings]] = CloudApiSettings
    settings: CloudApiSettings

    def handshake(self, request: RawRequest) -> Reply | None:
        """Meta calls with GET when a callback URL or verify token is saved; the answer is the challenge."""
        if request.method != "GET":
            return None
        self._verify_path_token(request)
        mode, token, challenge = (_hub(request, name) for name in ("mode", "verify_token", "challenge"))
        if mode != "subscribe" or not token or not challenge:
            raise Unauthorized("not_a_handshake", 403)
        if matching_secret(token, self.settings.verify_token) is None:
            raise Unauthorized("wrong_verify_token", 403)
        return Reply(200, challenge.encode("utf-8", "replace"))

    def prove(self, request: RawRequest) -> Proof:
        """HMAC-SHA256 of the bytes as received, keyed with the app secret."""
        header = request.headers.get(SIGNATURE)
        if not header:
            raise Unauthorized("missing_signature")
        given = _digest(header)
        if given is None:
            raise Unauthorized("malformed_signature", 403)
        matches = [hmac.compare_digest(given, expected) for expected in self._digests(request.body)]
        if True not in matches:
            raise Unauthorized("wrong_signature", 403)
        return Proof("app_secret", matches.index(True))

    def sign(self, body: bytes, url: str = "") -> dict[str, str]:
        return {SIGNATURE: SCHEME + next(self._digests(body)).hex()}

    def items(self, request: RawRequest, notes: Notes) -> Iterator[Item]:
        document = request.json()
        if type(document) is list and any(map(_is_envelope, document)):
            for position, envelope in enumerate(document):
                yield from _envelope_items(envelope, f"/{position}", notes)
        elif _is_envelope(document):
            yield from _envelope_items(document, "", notes)
        else:
            raise Malformed("not_an_envelope", "neither an object with a list `entry` nor a list with such an object")

    def _digests(self, body: bytes) -> Iterator[bytes]:
        for secret in self.settings.app_secret:
            yield keyed_digest(secret.get_secret_value().encode(), body)


def _hub(request: RawRequest, name: str) -> str | None:
    """A parameter of the handshake; proxies written in PHP turn the dot of its name into an underscore."""
    return request.query.get(f"hub.{name}") or request.query.get(f"hub_{name}")


def _digest(header: str) -> bytes | None:
    """The 32 bytes that the header spells, in either case of letters."""
    scheme, digits = header[: len(SCHEME)], header[len(SCHEME) :]
    if scheme != SCHEME or len(digits) != 64:
        return None
    try:
        digest = bytes.fromhex(digits)
    except ValueError:
        return None
    return digest if len(digest) == 32 else None


def _is_envelope(document: Json) -> bool:
    return type(document) is dict and type(document.get("entry")) is list


def _envelope_items(envelope: Any, pointer: str, notes: Notes) -> Iterator[Item]:
    if not _is_envelope(envelope):
        yield Scope(notes).unknown("envelope", pointer, detail="no list `entry`")
        return
    if envelope.get("object", OBJECT) != OBJECT:
        notes.drifted("value", f"object={as_text(envelope['object'])}")
    for position, entry in enumerate(envelope["entry"]):
        yield from _entry_items(entry, f"{pointer}/entry/{position}", notes)
    yield from leftovers(Scope(notes), envelope, ENVELOPE_MEMBERS, pointer, "envelope")


def _entry_items(entry: Any, pointer: str, notes: Notes) -> Iterator[Item]:
    account_id = as_text(as_object(entry).get("id"))
    channel = {"account_id": account_id} if account_id else {}
    scope = Scope(notes, pointer, account_id=account_id, channel=channel, route=Route(account_id))
    changes = as_object(entry).get("changes")
    if type(changes) is not list:
        yield scope.unknown("entry", pointer, detail="no list `changes`")
        return
    for position, change in enumerate(changes):
        yield from _change_items(scope, change, f"{pointer}/changes/{position}", entry.get("time"))
    yield from leftovers(scope, entry, ENTRY_MEMBERS, pointer, "entry")


def _change_items(scope: Scope, change: Any, pointer: str, entry_time: Any) -> Iterator[Item]:
    """A change is what its `field` says, whatever its value looks like."""
    field = as_text(as_object(change).get("field"))
    if field is None or "value" not in change:
        yield scope.unknown("change", pointer, name=field, detail="no field and value")
        return
    value, value_pointer = change["value"], f"{pointer}/value"
    if field == "messages" and any(as_object(value).get(array) is not None for array in VALUE_ARRAYS):
        yield from _messages_items(scope, value, value_pointer)
    else:
        yield guarded(change_item, unmapped_change, scope, Given(field, value, value_pointer, entry_time))
    yield from leftovers(scope, change, CHANGE_MEMBERS, pointer, "change")


def _messages_items(account: Scope, value: Object, pointer: str) -> Iterator[Item]:
    draft = Draft(account.notes)
    metadata = draft.read(value.get("metadata") or {}, METADATA, "metadata")
    phone_number_id, display = metadata.get("id"), metadata.get("display", "")
    phone = displayed(display)
    if display and not phone:
        draft.drifted("type", "metadata.display_phone_number")
    channel = {"phone": phone, "phone_number_id": phone_number_id, **account.channel}
    scope = Scope(
        account.notes,
        pointer,
        account_id=account.account_id,
        channel={name: known for name, known in channel.items() if known},
        channel_key=phone_number_id or "".join(filter(str.isdecimal, display)),
        people=People(as_list(value.get("contacts")), value, account.notes),
        route=Route(account.account_id, phone_number_id),
    )
    yield from value_items(scope, value, VALUE_MEMBERS)
    if draft.partial:
        yield scope.unknown("metadata", f"{pointer}/metadata", detail="not told wholly by the events beside it")
