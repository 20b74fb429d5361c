"""The stream of events as an AsyncAPI 3.1 document, from the side of the application that receives them."""

from __future__ import annotations

from typing import Any

from gateway.schemas.delivery import BATCH_CONTENT_TYPE, CONTENT_TYPE, HEADERS, MEANING_OF_ANSWERS
from gateway.schemas.examples import examples
from normalized import TYPES
from normalized.schema import BASE, definitions

CHANNEL = "deliveries"
_SCHEMAS = "#/components/schemas/"
_DESCRIPTION = f"""\
A gateway for WhatsApp webhooks POSTs each event to the destinations of its tenant: at least once, and in order within
a conversation. Bodies are CloudEvents 1.0 in structured JSON, signed as Standard Webhooks says; a destination may ask
for batches, which are arrays of them, `{BATCH_CONTENT_TYPE}`. Deduplicate on `id`;
ignore members, event types and content types that you do not know, for they will come without a new version."""


def asyncapi(origin: str = "") -> dict[str, Any]:
    """Payloads are plain JSON Schema that holds in the draft 7 of AsyncAPI as in 2020-12."""
    names = {event_type: event_type.removeprefix("whatsapp.") for event_type in TYPES}
    schemas = f"{origin}{BASE}" if origin else ""
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "wa-gateway events",
            "version": BASE.strip("/").rpartition("/")[2],
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
            **({"externalDocs": {"description": "The same as JSON Schema", "url": schemas}} if schemas else {}),
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {
            CHANNEL: {
                "address": None,
                "title": "Deliveries to a destination",
                "description": "The address is the `url` of a destination in the gateway's configuration.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names.values()},
            }
        },
        "operations": {
            "receiveEvent": {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{CHANNEL}"},
                "summary": "Take an event that the gateway delivers.",
                "description": " ".join(f"{status}: {meaning}" for status, meaning in MEANING_OF_ANSWERS.items()),
                "security": [{"$ref": "#/components/securitySchemes/signature"}],
                "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
                "messages": [{"$ref": f"#/channels/{CHANNEL}/messages/{name}"} for name in names.values()],
            }
        },
        "components": {
            "messages": {name: _message(event_type) for event_type, name in names.items()},
            "messageTraits": {
                "delivery": {
                    "contentType": CONTENT_TYPE,
                    "headers": {"type": "object", "properties": HEADERS, "required": list(HEADERS)},
                }
            },
            "schemas": definitions(_SCHEMAS + "{model}"),
            "securitySchemes": {
                "signature": {
                    "type": "httpApiKey",
                    "in": "header",
                    "name": "webhook-signature",
                    "description": HEADERS["webhook-signature"]["description"],
                }
            },
        },
    }


def _message(event_type: str) -> dict[str, Any]:
    model = TYPES[event_type][1]
    example = examples().events.get(event_type)
    return {
        "name": event_type,
        "title": event_type,
        "summary": " ".join((model.__doc__ or "").split("\n\n")[0].split()),
        "traits": [{"$ref": "#/components/messageTraits/delivery"}],
        "payload": {
            "allOf": [{"$ref": f"{_SCHEMAS}Envelope"}],
            "type": "object",
            "properties": {"type": {"const": event_type}, "data": {"$ref": f"{_SCHEMAS}{model.__name__}"}},
            "required": ["type", "data"],
        },
        **({"examples": [{"name": "example", "payload": example}]} if example else {}),
    }
