"""WhatsApp Cloud API, the webhooks that Meta sends itself."""

from providers.cloud_api.adapter import CloudApi

__all__ = ["CloudApi"]
