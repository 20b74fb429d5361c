"""Meta's vocabulary: people, messages and statuses, as the Cloud API and the On-Premises API both speak it.

`Scope` says whose webhooks they are, `value_items` maps them.
"""

from providers.shapes.meta.parties import People, displayed, e164
from providers.shapes.meta.reading import Draft, Table
from providers.shapes.meta.scope import Scope
from providers.shapes.meta.value import leftovers, value_items

__all__ = ["Draft", "People", "Scope", "Table", "displayed", "e164", "leftovers", "value_items"]
