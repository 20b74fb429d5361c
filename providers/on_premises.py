"""WhatsApp On-Premises API (coreapp): the bare body of a self-hosted client, without signature or number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from providers.base import Item, Notes, RawRequest, SourceSettings
from providers.shapes.meta import BARE_NOISE, bare_items
from providers.shapes.unsigned import UnsignedAdapter, UnsignedSettings


class OnPremises(UnsignedAdapter):
    name: ClassVar[str] = "on_premises"
    label: ClassVar[str] = "WhatsApp On-Premises API"
    summary: ClassVar[str] = "A self-hosted WhatsApp Business API client (coreapp)."
    Settings: ClassVar[type[SourceSettings]] = UnsignedSettings
    noise_members: ClassVar[Mapping[str, str]] = BARE_NOISE

    def items(self, request: RawRequest, notes: Notes) -> Iterator[Item]:
        return bare_items(request.json(), notes)
