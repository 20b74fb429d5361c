"""360dialog: the Cloud API's body, passed on as it is. It signs nothing.

360dialog documentation, webhooks, Cloud API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from providers.base import Item, Notes, RawRequest, SourceSettings
from providers.shapes.meta import ENVELOPE_NOISE, envelope_items
from providers.shapes.unsigned import UnsignedAdapter, UnsignedSettings


class Dialog360(UnsignedAdapter):
    name: ClassVar[str] = "dialog360"
    label: ClassVar[str] = "360dialog"
    summary: ClassVar[str] = "Meta's webhooks, passed on by 360dialog as they are."
    Settings: ClassVar[type[SourceSettings]] = UnsignedSettings
    noise_members: ClassVar[Mapping[str, str]] = ENVELOPE_NOISE

    def items(self, request: RawRequest, notes: Notes) -> Iterator[Item]:
        return envelope_items(request.json(), notes)
