"""Fields whose value is one change of an account, number, template or flow. `change_item` maps it."""

from providers.shapes.meta.fields.change import Given
from providers.shapes.meta.fields.items import FIELDS, change_item, unmapped_change

__all__ = ["FIELDS", "Given", "change_item", "unmapped_change"]
