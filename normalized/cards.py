"""Contact cards and places."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from normalized.base import Model
from normalized.media import Thumbnail


class LocationContent(Model):
    type: Literal["location"]
    latitude: float | None = None
    longitude: float | None = None
    name: str | None = None
    address: str | None = None
    url: str | None = None
    live: bool | None = Field(None, description="A live location, which will be updated.")
    accuracy_m: float | None = Field(None, description="Metres.")
    speed_mps: float | None = Field(None, description="Metres a second.")
    heading_deg: float | None = Field(None, description="Degrees clockwise from magnetic north.")
    sequence: int | None = Field(None, description="Rises with each update of a live location.")
    offset_s: int | None = Field(None, description="Seconds between the first position and this one.")
    comment: str | None = Field(None, description="What the sender wrote with it.")
    thumbnail: Thumbnail | None = Field(None, description="A piece of the map.")


class ContactName(Model):
    formatted_name: str | None = None
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    prefix: str | None = None
    suffix: str | None = None


class ContactPhone(Model):
    phone: str | None = Field(None, description="As it stands on the card.")
    wa_id: str | None = Field(None, description="WhatsApp's own number for it, where it is on WhatsApp.")
    type: str | None = Field(None, description="What it is to the person, such as CELL or WORK.")


class ContactEmail(Model):
    email: str | None = None
    type: str | None = Field(None, description="What it is to the person, such as HOME or WORK.")


class ContactUrl(Model):
    url: str | None = None
    type: str | None = Field(None, description="What it is to the person, such as HOME or WORK.")


class ContactIm(Model):
    service: str | None = Field(None, description="Which messenger.", examples=["AIM"])
    user_id: str | None = Field(None, description="Who they are there.")


class ContactAddress(Model):
    street: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None
    country_code: str | None = Field(None, description="Two letters, ISO 3166.")
    type: str | None = Field(None, description="What it is to the person, such as HOME or WORK.")


class ContactOrganization(Model):
    company: str | None = None
    department: str | None = None
    title: str | None = None


class ContactCard(Model):
    name: ContactName | None = None
    phones: list[ContactPhone] | None = None
    emails: list[ContactEmail] | None = None
    urls: list[ContactUrl] | None = None
    ims: list[ContactIm] | None = Field(None, description="Instant messaging accounts.")
    addresses: list[ContactAddress] | None = None
    organization: ContactOrganization | None = None
    birthday: str | None = None
    image: str | None = Field(None, description="The picture on the card, base64.")
    vcard: str | None = Field(None, description="The card as a vCard, where the provider sends one.")
    own: bool | None = Field(None, description="The card of who sent it.")
    origin: str | None = Field(None, description="Where the card is from.")


class ContactsContent(Model):
    type: Literal["contacts"]
    name: str | None = Field(None, description="What the cards are called together.")
    contacts: list[ContactCard]
