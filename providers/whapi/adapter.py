"""The adapter: proof by the API key in the body, and what becomes of each type of webhook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from providers.base import (
    Adapter,
    Item,
    Malformed,
    Notes,
    Proof,
    RawRequest,
    Secrets,
    SourceSettings,
    Unauthorized,
    prove_api_key,
)
from providers.shapes.baileys.noise import BULKY, NOISE, SECRETS
from providers.shapes.redaction import Redactor
from providers.whapi.connection import connection_item
from providers.whapi.groups import KINDS as GROUP_KINDS
from providers.whapi.groups import group_items
from providers.whapi.messages import REPEATING, message_items
from providers.whapi.polls import vote_items, votes_of
from providers.whapi.statuses import SURFACES, ack_items
from providers.wire import Object, as_object, dump_json, load_json

MEMBER = "apiKey"
_CONNECTION = frozenset({"ready", "change_state", "disconnected"})
_MESSAGES = frozenset({"message", "media", "stories"})
_LIKE_MESSAGE = frozenset({"poll_update", "schedule"})
"""Types that WHAPI's pages name without an example; they are messages where they look like one."""


class WhapiSettings(SourceSettings):
    api_key: Secrets = Field(
        min_length=1,
        description="The device's API key, which WHAPI repeats in every webhook's body. The gateway takes it "
        "out before anything is stored. Several are accepted at once during rotation.",
    )
    ack_scale: Literal["whapi", "baileys"] = Field(
        default="whapi",
        description="What the numbers of an ack mean. `whapi`: as WHAPI documents them (2 pending, 3 sent, "
        "4 read, 5 played). `baileys`: as the library below counts (1 pending, 2 sent, 3 delivered, 4 read, "
        "5 played).",
    )


class WhapiAdapter(Adapter):
    name = "whapi"
    label = "WHAPI"
    summary = "WHAPI (whapi.id), an unofficial device gateway over Baileys"
    Settings = WhapiSettings
    settings: WhapiSettings
    max_body = 32 * 1024 * 1024
    media_secrets: ClassVar[frozenset[str]] = SECRETS
    bulky: ClassVar[frozenset[str]] = BULKY
    noise_members: ClassVar[Mapping[str, str]] = {
        **NOISE,
        "/results/apiKey": "the provider's credential: taken out before anything is stored",
        **dict.fromkeys((f"/results/{member}" for member in REPEATING), "repeats what the raw message says"),
    }

    def __init__(self, settings: WhapiSettings) -> None:
        super().__init__(settings)
        self._redactor = Redactor(MEMBER, (key.get_secret_value() for key in settings.api_key))

    def prove(self, request: RawRequest) -> Proof | None:
        """What is no envelope carries no key, and leaves the proof to the path token, if one is set."""
        try:
            key = _results(request)[1].get(MEMBER)
        except Malformed:
            if self.settings.path_token:
                return None
            raise Unauthorized("missing_api_key") from None
        return prove_api_key(key, self.settings.api_key)

    def redact(self, body: bytes) -> bytes:
        return self._redactor.redact(body)

    def fill(self, body: bytes) -> bytes:
        document = load_json(body)
        results = as_object(as_object(document).get("results"))
        if not results:
            return body
        return dump_json(
            {
                **as_object(document),
                "results": {**results, MEMBER: self.settings.api_key[0].get_secret_value()},
            }
        )

    def items(self, request: RawRequest, notes: Notes) -> Iterator[Item]:
        kind, results = _results(request)
        if kind in _MESSAGES or (kind in _LIKE_MESSAGE and type(results.get("message")) is dict):
            yield from message_items(kind, results, self.settings.ack_scale, notes)
        elif kind in SURFACES:
            yield from ack_items(kind, results, self.settings.ack_scale, notes)
        elif kind in GROUP_KINDS:
            yield from group_items(kind, results, notes)
        elif kind in _CONNECTION:
            yield connection_item(kind, results, notes)
        elif kind == "poll_update" and votes_of(results)[0]:
            yield from vote_items(results, notes)
        else:
            yield _unknown(kind, notes)


def _unknown(kind: str, notes: Notes) -> Item:
    if kind not in _LIKE_MESSAGE:
        notes.drifted("type", kind)
    return Item(
        type="whatsapp.unknown",
        data={"kind": "type", "name": kind},
        identity=None,
        time_ms=None,
        lane=("other",),
        pointer="/results",
        partial=True,
    )


def _results(request: RawRequest) -> tuple[str, Object]:
    """The envelope's type and results. Raises Malformed."""
    document = as_object(request.json())
    kind, results = document.get("type"), document.get("results")
    if type(kind) is not str or not kind or type(results) is not dict:
        raise Malformed("not_an_envelope", "no object with a text `type` and an object `results`")
    return kind, results
