"""WHAPI (whapi.id): a self-hosted gateway that drives a phone's linked device by way of Baileys."""

from providers.whapi.adapter import WhapiAdapter, WhapiSettings

__all__ = ["WhapiAdapter", "WhapiSettings"]
