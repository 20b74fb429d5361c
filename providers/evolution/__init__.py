"""Evolution API v2: a self-hosted gateway that drives a phone's linked device by way of Baileys."""

from providers.evolution.adapter import EvolutionAdapter, EvolutionSettings

__all__ = ["EvolutionAdapter", "EvolutionSettings"]
