"""Products and orders."""

from __future__ import annotations

from providers.shapes.baileys.jids import party_of
from providers.shapes.baileys.media import THUMBNAIL, media_content
from providers.shapes.baileys.reading import Reading, Table
from providers.shapes.baileys.targets import as_target
from providers.shapes.baileys.values import as_count, as_milli, as_some, word
from providers.wire import Object, as_object, as_text

_ORDER: Table = {
    **THUMBNAIL,
    "contextInfo": None,
    "orderRequestMessageId": None,
    "orderId": ("order_id", as_text),
    "token": ("token", as_text),
    "itemCount": ("item_count", as_count),
    "status": ("status", word(at={1: "INQUIRY", 2: "ACCEPTED", 3: "DECLINED"})),
    "surface": ("surface", word(at={1: "CATALOG"})),
    "message": ("text", as_text),
    "orderTitle": ("title", as_text),
    "sellerJid": ("seller", as_text),
    "totalAmount1000": ("total", as_milli),
    "totalCurrencyCode": ("currency", as_text),
    "messageVersion": ("version", as_some),
    "catalogType": ("catalog_kind", as_text),
}


def order(node: Object, reading: Reading) -> Object:
    content: Object = {"type": "order", **reading.read(node, _ORDER, "orderMessage")}
    if "seller" in content:
        content["seller"] = party_of(content["seller"])
    where = "orderMessage.orderRequestMessageId"
    request = as_target(reading.nested(node, "orderRequestMessageId"), reading, where)
    return {**content, "request": request} if request else content


_SNAPSHOT: Table = {
    "productImage": None,
    "productId": ("id", as_text),
    "retailerId": ("retailer_id", as_text),
    "title": ("title", as_text),
    "description": ("description", as_text),
    "currencyCode": ("currency", as_text),
    "priceAmount1000": ("price", as_milli),
    "salePriceAmount1000": ("sale_price", as_milli),
    "url": ("url", as_text),
    "signedUrl": ("signed_url", as_text),
    "productImageCount": ("images", as_some),
    "firstImageId": ("first_image_id", as_text),
}
_PRODUCT: Table = {
    "contextInfo": None,
    "product": _SNAPSHOT,
    "businessOwnerJid": ("business", as_text),
    "body": ("text", as_text),
    "footer": ("footer", as_text),
    "catalog": ("catalog", {
        "catalogImage": None, "title": ("title", as_text), "description": ("description", as_text),
    }),
}  # fmt: skip


def product(node: Object, reading: Reading) -> Object:
    content: Object = {"type": "product", **reading.read(node, _PRODUCT, "productMessage")}
    picture = _picture(node, "product", "productImage", reading)
    if picture:
        content["media"] = picture
    picture = _picture(node, "catalog", "catalogImage", reading)
    if picture:
        content.setdefault("catalog", {})["media"] = picture
    return content


def _picture(node: Object, holder: str, member: str, reading: Reading) -> Object:
    content = media_content("imageMessage", reading.nested(as_object(node.get(holder)), member), reading)
    if "caption" in content:
        reading.partial = True
    media: Object = content.get("media", {})
    return media
