"""What the load generator sends: Cloud API webhooks, rendered and signed before the clock starts."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping, Sequence

import orjson

APP_SECRET = "bench-app-secret"
PATH = "/hooks/bench/cloud"
SENDERS = 100_000
"""Conversations; their numbers have area code 555, which is nobody's."""
PER_SECOND = 5_000
"""How many messages share a timestamp: providers give seconds."""


def text_message(number: int, at_s: int) -> bytes:
    """A webhook with one text message, as Meta's page on messages webhooks shows it."""
    return text_batch(number, 1, at_s)


def text_batch(first: int, count: int, at_s: int) -> bytes:
    """A webhook with some text messages, each from somebody else."""
    numbers = range(first, first + count)
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
        "contacts": [{"profile": {"name": "Sheena Nelson"}, "wa_id": _sender(number)} for number in numbers],
        "messages": [
            {
                "from": _sender(number),
                "id": f"wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRT{number:016d}",
                "timestamp": str(at_s),
                "text": {"body": "Does it come in another color?"},
                "type": "text",
            }
            for number in numbers
        ],
    }
    return _webhook(value)


def _sender(number: int) -> str:
    return str(15550100000 + number % SENDERS)


def _webhook(value: Mapping[str, object]) -> bytes:
    return orjson.dumps(
        {
            "object": "whatsapp_business_account",
            "entry": [{"id": "102290129340398", "changes": [{"value": value, "field": "messages"}]}],
        }
    )


def status_batch(count: int, at_s: int) -> bytes:
    """A webhook with many delivery statuses."""
    statuses = [
        {
            "id": f"wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI0{number:020d}",
            "status": "delivered",
            "timestamp": str(at_s),
            "recipient_id": str(15550100000 + number),
            "conversation": {"id": "6ceb9d929c9bdc4f90967a32f8639b42", "origin": {"type": "utility"}},
            "pricing": {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility"},
        }
        for number in range(count)
    ]
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
        "statuses": statuses,
    }
    return _webhook(value)


def whapi_text(api_key: str) -> bytes:
    """A device gateway's webhook with one text message: the library's own shape, and the flattened one beside it."""
    chat, text = "15550100001@s.whatsapp.net", "Does it come in another color?"
    return orjson.dumps(
        {
            "type": "message",
            "results": {
                "key": {"remoteJid": chat, "fromMe": False, "id": "3EB0C767D097B7C7C3"},
                "messageTimestamp": 1780952383,
                "pushName": "Sheena Nelson",
                "broadcast": False,
                "message": {"extendedTextMessage": {"text": text, "previewType": "NONE"}},
                "t": 1780952383,
                "id": "3EB0C767D097B7C7C3",
                "from": chat,
                "fromMe": False,
                "chatId": chat,
                "isGroupMsg": False,
                "isStories": False,
                "sender": chat,
                "pushname": "Sheena Nelson",
                "timestamp": 1780952383,
                "isEphemeralMessage": False,
                "viewOnce": False,
                "type": "extendedTextMessage",
                "isMedia": False,
                "mentionedJidList": [],
                "body": text,
                "apiKey": api_key,
            },
        }
    )


def requests(first: int, count: int, paths: Sequence[str] = (PATH,)) -> list[bytes]:
    """Whole HTTP requests with distinct messages, from about now on; the paths in turns."""
    now_s = int(time.time())
    return [
        _signed(text_message(number, now_s + (number - first) // PER_SECOND), paths[number % len(paths)])
        for number in range(first, first + count)
    ]


def batches(first: int, count: int, items: int) -> list[bytes]:
    """Whole HTTP requests with so many messages each."""
    now_s = int(time.time())
    numbers = range(first, first + count * items, items)
    return [_signed(text_batch(number, items, now_s + (number - first) // PER_SECOND), PATH) for number in numbers]


def _signed(body: bytes, path: str) -> bytes:
    key = APP_SECRET.encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: hooks.example.com\r\nUser-Agent: facebookexternalua\r\nAccept: */*\r\n"
        f"Accept-Encoding: deflate, gzip\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-Hub-Signature: sha1={hmac.new(key, body, 'sha1').hexdigest()}\r\n"
        f"X-Hub-Signature-256: sha256={hmac.new(key, body, 'sha256').hexdigest()}\r\n\r\n"
    )
    return head.encode() + body
