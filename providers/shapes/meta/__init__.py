"""Meta's vocabulary: what the Cloud API, the On-Premises API and those who pass them on all speak.

`envelope_items` maps the body of a Cloud API webhook, `bare_items` that of an On-Premises client.
"""

from providers.shapes.meta.envelope import BARE_NOISE, ENVELOPE_NOISE, bare_items, envelope_items

__all__ = ["BARE_NOISE", "ENVELOPE_NOISE", "bare_items", "envelope_items"]
