"""What AsyncAPI and OpenAPI both say of a delivery: its headers, and what answers mean."""

from __future__ import annotations

from typing import Any

from gateway.delivering.policy import CONTENT_ATTEMPTS, CONTENT_STATUSES
from gateway.sending.envelope import BATCH_TYPE, EVENT_TYPE

CONTENT_TYPE = EVENT_TYPE.partition(";")[0]
BATCH_CONTENT_TYPE = BATCH_TYPE.partition(";")[0]

HEADERS: dict[str, dict[str, Any]] = {
    "webhook-id": {
        "type": "string",
        "description": "The event's id, the same in every attempt. A revision has `_r` and its number behind it. Of a "
        "batch: `b_` and a hash of its events' ids.",
        "examples": ["6a272d3fc80204297dfdc4eff3116691"],
    },
    "webhook-timestamp": {
        "type": "string",
        "pattern": "^[0-9]+$",
        "description": "When this attempt was made, in seconds since 1970. Refuse what is minutes off.",
        "examples": ["1780952384"],
    },
    "webhook-signature": {
        "type": "string",
        "description": "Standard Webhooks: `v1,` and the base64 of the HMAC-SHA256 over `webhook-id.webhook-timestamp."
        "body`, one for each of the destination's secrets, separated by spaces; of a private key `v1a,` and the "
        "base64 of the ed25519 signature. One that is right is enough.",
        "examples": ["v1,PuxmPHVwY0mcqhL47YVse9YIQfoNd6nuwxgc+7k3gDQ="],
    },
}

_REFUSING = ", ".join(map(str, sorted(CONTENT_STATUSES)))
MEANING_OF_ANSWERS = {
    "2XX": "Taken: the event will not come again. Answer so once it is stored.",
    "4XX": f"Not taken: it is tried again, as after every other answer and none at all. {_REFUSING} refuse this very "
    f"event: after {CONTENT_ATTEMPTS} attempts it does not hold up its conversation any more.",
    "5XX": "Not taken: it is tried again. 429 and 503 may say when, by Retry-After.",
}
