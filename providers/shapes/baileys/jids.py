"""WhatsApp addresses, `user@server`: the server says what it is, never the member that carries it."""

from __future__ import annotations

from collections.abc import Iterable

from providers.wire import Object

PHONE_SERVERS = frozenset({"s.whatsapp.net", "hosted"})
LID_SERVERS = frozenset({"lid", "hosted.lid"})
_USER_SERVERS = PHONE_SERVERS | LID_SERVERS | {"bot"}
_KINDS = {"g.us": "group", "broadcast": "broadcast", "newsletter": "channel"}
_STORIES = "status@broadcast"
_BOTS = "1313555"
"""Meta's assistants have addresses that look like numbers: this, and four digits."""

SELF = "self"
"""Party id of the business, where nothing tells which of its numbers it is."""
UNKNOWN = "unknown"
"""Party id of somebody of whom nothing at all is known."""


def normal_jid(text: str) -> str:
    """One spelling for one address: server in lower case, old server name replaced, no device, no agent."""
    user, at, server = text.partition("@")
    if not at:
        return text
    server = server.lower()
    if server == "c.us":
        server = "s.whatsapp.net"
    if server in _USER_SERVERS:
        user = user.partition(":")[0].partition("_")[0]
    return f"{user}@{server}"


def kind_of(jid: str) -> str:
    """Conversation kind of a normal JID."""
    return "story" if jid == _STORIES else _KINDS.get(jid.partition("@")[2], "direct")


def phone_of(jid: str) -> str | None:
    """E.164 of a normal JID that is made of a phone number. Digits before `@lid` are none."""
    user, _, server = jid.partition("@")
    if server not in PHONE_SERVERS or not is_phone(user) or (user.startswith(_BOTS) and len(user) == 11):
        return None
    return "+" + user


def lid_of(jid: str) -> str | None:
    user, _, server = jid.partition("@")
    return f"{user}@lid" if user and server in LID_SERVERS else None


def is_phone(digits: str) -> bool:
    """Five to fifteen digits without a leading zero, as E.164 has it."""
    return 5 <= len(digits) <= 15 and digits.isascii() and digits.isdigit() and digits[0] != "0"


def party(jids: Iterable[str], fallback: str = UNKNOWN) -> Object:
    """Who the JIDs (all of one person, best first) say it is; the id is `fallback` where they do not say."""
    phone = lid = None
    for text in jids:
        jid = normal_jid(text)
        phone = phone or phone_of(jid)
        lid = lid or lid_of(jid)
    found: Object = {"id": phone or lid or normal_jid(fallback)}
    if phone:
        found["phone"] = phone
    if lid:
        found["lid"] = lid
    return found


def party_of_normal(jid: str) -> Object:
    """Who a single normal JID says it is."""
    phone = phone_of(jid)
    if phone:
        return {"id": phone, "phone": phone}
    lid = lid_of(jid)
    return {"id": lid, "lid": lid} if lid else {"id": jid}


def agrees(found: Object, address: str) -> bool:
    """Whether an address is one of those that the party has."""
    jid = normal_jid(address)
    phone, lid = phone_of(jid), lid_of(jid)
    if phone:
        return bool(found.get("phone") == phone)
    return bool(found.get("lid") == lid) if lid else bool(found["id"] == jid)


def party_of(jid: str) -> Object:
    """Who a single JID says it is."""
    return party_of_normal(normal_jid(jid))


def conversation_of(given: str, peer: Object | None = None) -> Object:
    """The conversation at a JID as the provider gave it; a direct one is called by its `peer`."""
    jid = normal_jid(given)
    kind = kind_of(jid)
    if kind == "direct" and given:
        return {"id": (peer or party_of(jid))["id"], "kind": kind, "provider_id": given}
    found = {"id": jid or UNKNOWN, "kind": kind}
    if given != jid:
        found["provider_id"] = given
    return found
