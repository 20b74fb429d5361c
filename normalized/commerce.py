"""Products, orders, and what businesses send to choose from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from normalized.base import MessageTarget, Model, Party
from normalized.cards import LocationContent
from normalized.media import Media, Thumbnail


class OrderItem(Model):
    product_retailer_id: str | None = Field(None, description="The business's own id of the product.")
    quantity: float | None = Field(None, description="How many.")
    price: float | None = Field(None, description="Price of one piece, in the currency's main unit.")
    currency: str | None = Field(None, description="ISO 4217.")


class OrderContent(Model):
    type: Literal["order"]
    catalog_id: str | None = Field(None, description="The catalog that was ordered from.")
    text: str | None = None
    items: list[OrderItem] | None = Field(None, description="Absent where the provider sends their number alone.")
    order_id: str | None = Field(None, description="The provider's id of the order.")
    token: str | None = Field(None, description="By which the provider's API gives the items.")
    item_count: int | None = Field(None, description="How many items.")
    status: str | None = Field(None, description="inquiry | accepted | declined")
    title: str | None = None
    seller: Party | None = Field(None, description="Whom it was ordered from.")
    total: float | None = Field(None, description="In the currency's main unit.")
    currency: str | None = Field(None, description="ISO 4217, of the total.")
    catalog_kind: str | None = Field(None, description="What kind of catalog.")
    surface: str | None = Field(None, description="Where it was ordered.", examples=["catalog"])
    version: int | None = Field(None, description="Version of the order's form.")
    request: MessageTarget | None = Field(None, description="The message by which it was asked for.")
    thumbnail: Thumbnail | None = None


class Catalog(Model):
    title: str | None = None
    description: str | None = None
    media: Media | None = Field(None, description="A picture of it.")


class ProductContent(Model):
    type: Literal["product"]
    id: str | None = Field(None, description="The provider's id of the product.")
    retailer_id: str | None = Field(None, description="The business's own id of it.")
    title: str | None = None
    description: str | None = None
    currency: str | None = None
    price: float | None = Field(None, description="In the currency's main unit.")
    sale_price: float | None = Field(None, description="While it is on sale; in the currency's main unit.")
    url: str | None = None
    signed_url: str | None = Field(None, description="The same as `url`, with a signature.")
    text: str | None = None
    footer: str | None = None
    business: str | None = Field(None, description="Id of the business that sells it.")
    media: Media | None = None
    images: int | None = Field(None, description="How many pictures it has.")
    first_image_id: str | None = Field(None, description="The provider's id of its first picture.")
    catalog: Catalog | None = None


class MenuItem(Model):
    """A button or a row that can be chosen."""

    id: str | None = Field(None, description="Id or payload that the business gave it.")
    title: str | None = None
    description: str | None = None
    section: str | None = Field(None, description="Heading above it.")
    kind: str | None = Field(None, description="reply | url | call | copy_code | flow | row | product | …")
    url: str | None = Field(None, description="What a url button opens.")
    phone: str | None = Field(None, description="What a call button dials.")
    index: int | None = Field(None, description="Place among the buttons; 0 is the first.")
    provider_kind: str | None = Field(None, description="The provider's word for the kind.")
    parameters: dict[str, Any] | None = Field(None, description="Further parameters, as the provider gives them.")
    parameters_text: str | None = Field(None, description="The same as they came, where they are no JSON object.")


class MenuHead(Model):
    """What stands around the buttons of a menu, a template or a card."""

    header: str | None = None
    header_kind: str | None = Field(None, description="empty | text | document | image | video | location")
    header_product_id: str | None = Field(None, description="The product whose picture is shown on top.")
    subheader: str | None = Field(None, description="Second line of the header.")
    text: str | None = None
    footer: str | None = None
    items: list[MenuItem] | None = None
    media: Media | None = None
    media_type: str | None = Field(None, description="image | video | audio | document")
    media_caption: str | None = Field(None, description="Words under the picture or file.")
    location: LocationContent | None = Field(None, description="A place in the header.")
    product: ProductContent | None = Field(None, description="A product in the header.")
    thumbnail: Thumbnail | None = None


class MenuCard(MenuHead):
    """One card of a carousel."""


class MenuContent(MenuHead):
    """Buttons or a list, as businesses send them."""

    type: Literal["menu"]
    kind: str | None = Field(
        None,
        description="What kind of menu.",
        examples=["buttons", "single_select", "native_flow", "carousel", "collection"],
    )
    button: str | None = Field(None, description="What opens the list.")
    id: str | None = Field(None, description="Of a collection or a shop.")
    business: str | None = Field(None, description="Id of the business whose products it offers.")
    surface: str | None = Field(None, description="Where it is shown.")
    cards: list[MenuCard] | None = None
    parameters: dict[str, Any] | None = Field(None, description="Of the whole message, as the provider gives them.")
    parameters_text: str | None = Field(None, description="The same as they came, where they are no JSON object.")
    version: int | None = Field(None, description="Version of the menu's form.")


class TemplateContent(MenuHead):
    """A template message as it arrived."""

    type: Literal["template"]
    id: str | None = Field(None, description="The provider's id of the template.")
    namespace: str | None = Field(None, description="Namespace of an old-style template.")
    name: str | None = None
    language: str | None = None
    parameters: list[str] | None = Field(None, description="What was filled in.")
    mask_linked_devices: bool | None = Field(None, description="To be shown on the phone only.")
    cards: list[MenuCard] | None = None
