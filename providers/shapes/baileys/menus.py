"""What businesses send to choose from: buttons, lists, carousels, templates."""

from __future__ import annotations

from typing import Any

from providers.shapes.baileys.goods import product
from providers.shapes.baileys.media import MEDIA, THUMBNAIL, media_content
from providers.shapes.baileys.reading import KEPT, Reading, Table, Within
from providers.shapes.baileys.texts import location
from providers.shapes.baileys.values import (
    as_count,
    as_json_object,
    as_some,
    as_texts,
    as_true,
    word,
)
from providers.wire import Object, as_list, as_object, as_text

_HEADER_MEDIA = ("imageMessage", "videoMessage", "documentMessage", "audioMessage", "ptvMessage")
_ATTACHED: Table = dict.fromkeys((*_HEADER_MEDIA, "locationMessage", "productMessage"))


def _attached(node: Object, reading: Reading) -> Object:
    """The picture, file, place or product in a header."""
    found: Object = {}
    for name in _HEADER_MEDIA:
        media = reading.nested(node, name)
        if media and name in MEDIA:
            content = media_content(name, media, reading)
            found["media_type"] = content["type"]
            for target, name_there in (("media", "media"), ("media_caption", "caption")):
                if name_there in content:
                    found[target] = content[name_there]
    place = reading.nested(node, "locationMessage")
    if place:
        found["location"] = location(place, reading)
    goods = reading.nested(node, "productMessage")
    if goods:
        found["product"] = product(goods, reading)
    return found


def _with_parameters(item: Object) -> Object:
    """Parameters that are a JSON object, as one."""
    parameters = as_json_object(item.get("parameters_text", ""))
    if parameters:
        del item["parameters_text"]
        item["parameters"] = parameters
    return item


_FLOW_BUTTON: Table = {"name": ("provider_kind", as_text), "buttonParamsJson": ("parameters_text", as_text)}
_BUTTON: Table = {
    "buttonId": ("id", as_text),
    "buttonText": {"displayText": ("title", as_text)},
    "type": ("provider_kind", word("UNKNOWN", "RESPONSE", "NATIVE_FLOW", silent="UNKNOWN")),
    "nativeFlowInfo": {"name": ("name", as_text), "paramsJson": ("parameters_text", as_text)},
}
_BUTTONS: Table = {
    **_ATTACHED,
    "contextInfo": None,
    "buttons": None,
    "text": ("header", as_text),
    "contentText": ("text", as_text),
    "footerText": ("footer", as_text),
    "headerType": ("header_kind", word("UNKNOWN", "EMPTY", "TEXT", "DOCUMENT", "IMAGE", "VIDEO", "LOCATION")),
}


def buttons(node: Object, reading: Reading) -> Object:
    content: Object = {"type": "menu", "kind": "buttons", **reading.read(node, _BUTTONS, "buttonsMessage")}
    content |= _attached(node, reading)
    items = []
    for item in reading.read_list(node.get("buttons"), _BUTTON, "buttonsMessage.buttons"):
        name = item.pop("name", None)
        items.append({**_with_parameters(item), "kind": name or "reply"})
    return {**content, "items": items} if items else content


_ROW: Table = {"rowId": ("id", as_text), "title": ("title", as_text), "description": ("description", as_text)}
_PRODUCT_ROW: Table = {"productId": ("id", as_text)}
_SECTION: Table = {"title": ("section", as_text), "rows": None}
_PRODUCT_SECTION: Table = {"title": ("section", as_text), "products": None}
_LIST: Table = {
    "contextInfo": None,
    "sections": None,
    "title": ("header", as_text),
    "description": ("text", as_text),
    "footerText": ("footer", as_text),
    "buttonText": ("button", as_text),
    "listType": ("kind", word("UNKNOWN", "SINGLE_SELECT", "PRODUCT_LIST", silent="UNKNOWN")),
    "productListInfo": {
        "productSections": None,
        "businessOwnerJid": ("business", as_text),
        "headerImage": {"productId": ("header_product_id", as_text), **THUMBNAIL},
    },
}


def list_menu(node: Object, reading: Reading) -> Object:
    content: Object = {"type": "menu", **reading.read(node, _LIST, "listMessage")}
    goods = as_object(node.get("productListInfo")).get("productSections")
    items = [
        *_rows(node.get("sections"), _SECTION, "rows", _ROW, reading),
        *_rows(goods, _PRODUCT_SECTION, "products", _PRODUCT_ROW, reading),
    ]
    return {**content, "items": items} if items else content


def _rows(sections: Any, table: Table, member: str, row: Table, reading: Reading) -> list[Object]:
    rows = []
    for node in as_list(sections):
        if type(node) is not dict:
            reading.partial = True
            continue
        section = reading.read(node, table, "listMessage.sections")
        found = reading.read_list(node.get(member), row, f"listMessage.{member}")
        rows += [{**item, **section, "kind": member[:-1]} for item in found or ([{}] if section else [])]
    return rows


_HEADER: Table = {
    **_ATTACHED,
    **THUMBNAIL,
    "title": ("header", as_text),
    "subtitle": ("subheader", as_text),
    "hasMediaAttachment": None,
}
_FOOTER: Table = {"text": ("footer", as_text), "hasMediaAttachment": None, "audioMessage": None}
_INTERACTIVE: Table = {
    "contextInfo": None,
    "header": None,
    "footer": None,
    "carouselMessage": None,
    "body": {"text": ("text", as_text)},
    "urlTrackingMap": KEPT,
    "nativeFlowMessage": {
        "buttons": None,
        "messageParamsJson": ("parameters_text", as_text),
        "messageVersion": ("version", as_some),
    },
    "shopStorefrontMessage": {
        "id": ("id", as_text),
        "surface": ("surface", word("UNKNOWN_SURFACE", "FB", "IG", "WA", silent="UNKNOWN_SURFACE")),
        "messageVersion": ("version", as_some),
    },
    "collectionMessage": {
        "bizJid": ("business", as_text),
        "id": ("id", as_text),
        "messageVersion": ("version", as_some),
    },
}
_CAROUSEL: Table = {
    "cards": None,
    "messageVersion": ("version", as_some),
    "carouselCardType": ("surface", word("UNKNOWN", "HSCROLL_CARDS", "ALBUM_IMAGE", silent="UNKNOWN")),
}
_KINDS = {
    "nativeFlowMessage": "native_flow",
    "carouselMessage": "carousel",
    "shopStorefrontMessage": "shop",
    "collectionMessage": "collection",
}
_MAX_CARDS = 3
"""Carousels in carousels; WhatsApp has none."""


def interactive(node: Object, reading: Reading, depth: int = 0) -> Object:
    content: Object = {"type": "menu", **_with_parameters(reading.read(node, _INTERACTIVE, "interactiveMessage"))}
    header, footer = reading.nested(node, "header"), reading.nested(node, "footer")
    content |= reading.read(header, _HEADER, "interactiveMessage.header") | _attached(header, reading)
    content |= reading.read(footer, _FOOTER, "interactiveMessage.footer") | _attached(footer, reading)
    kind = next((kind for name, kind in _KINDS.items() if type(node.get(name)) is dict), None)
    if kind:
        content["kind"] = kind
    flow = as_object(node.get("nativeFlowMessage"))
    items = reading.read_list(flow.get("buttons"), _FLOW_BUTTON, "nativeFlowMessage.buttons")
    if items:
        content["items"] = [_flow_item(item) for item in items]
    carousel = reading.nested(node, "carouselMessage")
    if carousel:
        content |= reading.read(carousel, _CAROUSEL, "carouselMessage")
        cards = _cards(carousel, reading, depth + 1)
        if cards:
            content["cards"] = cards
    return content


_FLOW_KINDS = {
    "quick_reply": "reply",
    "cta_url": "url",
    "cta_call": "call",
    "cta_copy": "copy_code",
    "single_select": "list",
    "flow": "flow",
}


def _flow_item(item: Object) -> Object:
    """A native flow's button; most give their id and title among the parameters."""
    item = _with_parameters(item)
    named = item.get("provider_kind", "")
    item["kind"] = _FLOW_KINDS.get(named, named or "flow")
    for target, member in (("id", "id"), ("title", "display_text"), ("url", "url"), ("phone", "phone_number")):
        value = item.get("parameters", {}).get(member)
        if type(value) is str and value:
            item[target] = value
    return item


_OF_CARD = frozenset({
    "header", "subheader", "text", "footer", "items", "media", "media_type", "media_caption", "location", "product",
    "thumbnail",
})  # fmt: skip
_CARD_ALSO = frozenset({"type", "kind"})


def _cards(carousel: Object, reading: Reading, depth: int) -> list[Object]:
    cards = []
    for node in as_list(carousel.get("cards")):
        if type(node) is not dict or depth >= _MAX_CARDS:
            reading.partial = True
            continue
        card = interactive(node, reading, depth)
        if not card.keys() <= _OF_CARD | _CARD_ALSO:
            reading.partial = True
        cards.append({name: value for name, value in card.items() if name in _OF_CARD})
    return [card for card in cards if card]


def _localized(node: Any, reading: Reading) -> str | None:
    """The text of a highly structured message, as far as it stands in it."""
    if type(node) is not dict:
        return as_text(node)
    found = highly_structured(node, reading)
    reading.partial = True
    return found.get("text") or " ".join(found.get("parameters", ())) or found.get("name")


_QUICK_REPLY: Table = {"displayText": ("title", as_text), "id": ("id", as_text)}
_URL_BUTTON: Table = {
    "displayText": ("title", as_text),
    "url": ("url", as_text),
    "consentedUsersUrl": Within("parameters", "consented_users_url", as_text),
    "webviewPresentation": Within("parameters", "webview", word(at={1: "FULL", 2: "TALL", 3: "COMPACT"})),
}
_CALL_BUTTON: Table = {"displayText": ("title", as_text), "phoneNumber": ("phone", as_text)}
_TEMPLATE_BUTTON: Table = {
    "index": ("index", as_count),
    "quickReplyButton": _QUICK_REPLY,
    "urlButton": _URL_BUTTON,
    "callButton": _CALL_BUTTON,
}
_BUTTON_KINDS = {"quickReplyButton": "reply", "urlButton": "url", "callButton": "call"}
_HYDRATED: Table = {
    **_ATTACHED,
    "hydratedButtons": None,
    "buttons": None,
    "hydratedTitleText": ("header", as_text),
    "hydratedContentText": ("text", as_text),
    "hydratedFooterText": ("footer", as_text),
    "templateId": ("id", as_text),
    "maskLinkedDevices": ("mask_linked_devices", as_true),
    "content": None,
    "footer": None,
    "highlyStructuredMessage": None,
}
_FORMS = ("hydratedTemplate", "hydratedFourRowTemplate", "fourRowTemplate")
_TEMPLATE: Table = {
    **dict.fromkeys(_FORMS),
    "contextInfo": None,
    "interactiveMessageTemplate": None,
    "templateId": ("id", as_text),
}


def template(node: Object, reading: Reading) -> Object:
    """A template stands in one of four forms; two of them often come together and say the same."""
    content: Object = {"type": "template", **reading.read(node, _TEMPLATE, "templateMessage")}
    forms = [reading.nested(node, name) for name in _FORMS if node.get(name)]
    if forms:
        content |= _hydrated(forms[0], reading)
        if any(form != forms[0] for form in forms[1:]):
            reading.partial = True
    menu = reading.nested(node, "interactiveMessageTemplate")
    if menu:
        found = interactive(menu, reading)
        if not found.keys() <= _OF_CARD | _CARD_ALSO | {"cards"}:
            reading.partial = True
        content |= {name: value for name, value in found.items() if name in _OF_CARD or name == "cards"}
    return content


def _hydrated(node: Object, reading: Reading) -> Object:
    found = reading.read(node, _HYDRATED, "templateMessage") | _attached(node, reading)
    for member, target in (("content", "text"), ("footer", "footer"), ("highlyStructuredMessage", "header")):
        text = _localized(node[member], reading) if node.get(member) else None
        if text:
            found.setdefault(target, text)
    items = []
    for button in [*as_list(node.get("hydratedButtons")), *as_list(node.get("buttons"))]:
        given = as_object(button)
        item = reading.read(given, _TEMPLATE_BUTTON, "templateMessage.buttons")
        kind = next((kind for name, kind in _BUTTON_KINDS.items() if given.get(name)), None)
        if item:
            items.append({**item, **({"kind": kind} if kind else {})})
    return {**found, "items": items} if items else found


_STRUCTURED: Table = {
    "contextInfo": None,
    "hydratedHsm": None,
    "namespace": ("namespace", as_text),
    "elementName": ("name", as_text),
    "params": ("parameters", as_texts),
    "fallbackLg": ("language", as_text),
    "fallbackLc": KEPT,
    "localizableParams": KEPT,
    "deterministicLg": KEPT,
    "deterministicLc": KEPT,
}


def highly_structured(node: Object, reading: Reading) -> Object:
    content: Object = {"type": "template", **reading.read(node, _STRUCTURED, "highlyStructuredMessage")}
    hydrated = reading.nested(node, "hydratedHsm")
    return {**template(hydrated, reading), **content} if hydrated else content
