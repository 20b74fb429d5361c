"""What the reference page says before its tables: how events are to be read, and what each type of event means."""

from __future__ import annotations

from gateway.schemas.delivery import BATCH_CONTENT_TYPE, CONTENT_TYPE, HEADERS, MEANING_OF_ANSWERS
from normalized import RANKS

MEANINGS = {
    "whatsapp.message.received": "A person wrote to the business, or did something that WhatsApp treats as a message: "
    "tapped a button, reacted, voted. With `message.historical`, it is one from before the number was connected.",
    "whatsapp.message.echoed": "The business itself sent a message from elsewhere: its phone app, another API client. "
    "`sender` is the business. A bot that answers these talks to itself.",
    "whatsapp.message.edited": "A message says something else now. `target` is the message, `content` what it says.",
    "whatsapp.message.deleted": "A message was taken back for everyone. `target` is the message.",
    "whatsapp.message.status": "What became of a message that the business sent. "
    "Statuses come in any order, and not all of them come: keep the one with the highest `rank`.",
    "whatsapp.contact.updated": "A person changed: number, id, identity key, wishes. "
    "`contact` is who they are now, `change.previous` who they were.",
    "whatsapp.conversation.updated": "Something about a conversation as a whole: who holds it, how long its messages "
    "stay, what is pinned.",
    "whatsapp.group.updated": "A group came to be, ended, or changed: its people, its name, its settings.",
    "whatsapp.call.updated": "A call: one event for each step of it. `call.id` ties them together.",
    "whatsapp.interaction.recorded": "Somebody tapped a link of a message, or a chat led to a lead or a sale.",
    "whatsapp.payment.updated": "The status of a payment that a message asked for.",
    "whatsapp.history.progress": "How far the synchronization of a phone's history has come. "
    "The messages themselves are `whatsapp.message.received` and `whatsapp.message.echoed`.",
    "whatsapp.account.updated": "A business account at the provider: reviews, bans, restrictions, limits, alerts.",
    "whatsapp.template.updated": "A message template: approved, rejected, paused, of another quality or category.",
    "whatsapp.flow.updated": "A flow (a form in a chat): its status, or an alert about its endpoint.",
    "whatsapp.partner.updated": "A solution that several partners offer together.",
    "whatsapp.phone_number.updated": "One of the business's numbers: its name, quality, limits, settings.",
    "whatsapp.security.updated": "Two-step verification of a number: its PIN was changed, or asked to be.",
    "whatsapp.connection.updated": "The link between a device gateway and its phone. "
    "While it is not `connected`, no messages come.",
    "whatsapp.error": "An error that the provider reports and that belongs to no single message.",
    "whatsapp.unknown": "What this version of the gateway cannot map. Nothing is lost: `raw` is the provider's own "
    "JSON. A later version may map it, under the same id and another type.",
}
"""Event type -> what it tells."""

NAMES_OF_TYPES = {"date-time": "time"}

_RANKS = "\n".join(f"| `{word}` | {rank} |" for word, rank in sorted(RANKS.items(), key=lambda each: each[1]))
_HEADERS = "\n".join(f"| `{name}` | {header['description']} |" for name, header in HEADERS.items())
_ANSWERS = "\n".join(f"| {status} | {meaning} |" for status, meaning in MEANING_OF_ANSWERS.items())

INTRODUCTION = f"""# Events

<!-- Generated: python -m gateway.schemas.reference > docs/reference/events.md -->

What an application receives, whichever provider it came from. This page is enough to write one; the tutorial
[Write a bot](../tutorials/write-a-bot.md) does it in 60 lines. The same as documents for tools: `wa-gateway schema`
prints JSON Schema, AsyncAPI ([asyncapi.json](asyncapi.json)) and OpenAPI ([openapi.json](openapi.json)), and a gateway
with an `origin` serves each schema at the address that events name in `dataschema`.

## How to read

### A delivery

A POST for each event, of the type `{CONTENT_TYPE}`: UTF-8 JSON, the envelope and in it `data`. Where the
destination asks for [batches](../how-to/configure-destinations.md#batches), an array of events, of the type
`{BATCH_CONTENT_TYPE}`: one answer is for all of them.

| header | meaning |
| --- | --- |
{_HEADERS}

Verify the signature over the bytes as they came, before you parse them
([verifiers](../../README.md#what-your-application-receives)).

| answer | meaning |
| --- | --- |
{_ANSWERS}

### What holds

- **Ids and duplicates.** An event may come again; its `id` is then the same. Deduplicate on `id`. It is derived from
  what happened, so it stays the same when the provider sends its webhook twice, and after an upgrade of the gateway.
  Of a message it is *not* the provider's id: that is `data.message.id`.
- **Order.** Within a conversation events come in the order in which they were stored, and statuses of one message among
  themselves. Nothing else is ordered. `sequence` rises with that order and may skip numbers: a reader that needs
  order drops, or files away, what has a smaller `sequence` than what it has seen of that conversation.
- **Gaps.** `gap` is true while an earlier event of the same lane is still outstanding, and on the next one after an
  event that was given up: what is missing will come late or never.
  ([Delivery guarantees](../explanation/delivery-guarantees.md) say when.)
- **Revisions.** `revision` is 2 or more when a webhook was read again by a later version and gave more. The id is that
  of the earlier event: put the new one in its place. Only then is `webhook-id` another than `id`.
- **Raw.** `data.raw` is the provider's own fragment. By default it is there only where the typed fields do not tell
  it all; the destination's setting `raw` makes it `always` or `never`.
- **Absent** means not known, or not applicable. There are no nulls, and no empty texts and lists; only objects under a
  provider's own names are as the provider wrote them. Never conclude *false* from absence.
- **Unknown words.** Where this page lists words (`a | b`), more may come. Event types, content types and fields come
  too. Ignore what you do not know: skip an event type, show a placeholder for a content type, take the default
  branch for a word. Nothing here is ever renamed or removed within `/schemas/v1/`.
- **Statuses.** Providers send them in any order, more than once, and not all of them. Keep the one with the highest
  rank; what comes with a lower one is old news.

  | status | rank |
  | --- | --- |
{_RANKS.replace("| `", "  | `")}

### What never to rely on

- that a person has a phone number: many have only a business-scoped id or a hidden id (`lid`). Key on `id`, and be
  ready to learn by a `whatsapp.contact.updated` that it has changed;
- that digits are a phone number: those before `@lid` are none, and `wa_id` may differ from `phone`;
- that a conversation is with one person: look at `conversation.kind` before you answer a group;
- that a file's `url` lives on: fetch what you need when the event comes;
- that `time` rises: providers send late, and phones have clocks of their own;
- that statuses come before or after the messages they are about;
- the shape of `raw`, and of fields said to be *as the provider gives it*: these change without notice.

### How the tables are to be read

Fields have dotted paths; `[]` is each element of a list. *Always* says that a field is there whenever what it belongs
to is. A *time* is RFC 3339 in UTC, such as `2026-06-08T20:59:43Z`. Phone numbers are E.164: `+16505551234`. The
examples are of a gateway without `origin`, before they got a `sequence`.

## The envelope

[CloudEvents 1.0](https://cloudevents.io), with attributes of ours: `timesource`, `receivedtime`, `sequence`,
`revision`, `replay`, `gap`, `tenant`, `provider`. Any CloudEvents library reads it, and any JSON parser.
"""

CONTENTS = """## What a message says

`content` is one of these, told apart by `type`. Another `type` than those here is of a later version, or of the
provider: treat it as [unknown](#content-unknown).
"""

SHARED = """## Shared shapes

Each is the same wherever it stands.
"""
