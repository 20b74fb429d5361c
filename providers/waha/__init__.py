"""WAHA (WhatsApp HTTP API): a self-hosted device gateway over several engines, which it makes look alike."""

from providers.waha.adapter import WahaAdapter, WahaSettings

__all__ = ["WahaAdapter", "WahaSettings"]
