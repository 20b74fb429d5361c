"""Batches: what goes together in one request, and what becomes of it when that fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from gateway.delivering.policy import Outcome, is_internal
from gateway.store.base import Delivery

T = TypeVar("T")

BATCH_BYTES = 1024 * 1024
"""Of events in one request; a larger event goes alone."""
UNAVAILABLE = frozenset({429, 502, 503, 504})


def concerns_all(outcome: Outcome) -> bool:
    """A failure of the destination, whatever was sent; any other may be the fault of one event in the batch."""
    if outcome.status is None:
        return not is_internal(outcome)
    return outcome.status in UNAVAILABLE


def halves(members: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    middle = (len(members) + 1) // 2
    return members[:middle], members[middle:]


class Load:
    """Deliveries that were taken together, those of a lane one behind the other. `open` are those of them, by
    sequence, that are still to be sent and settled: not if their lane was lost, or an earlier one of it failed.
    `sent` are those of the request that is under way."""

    __slots__ = ("deliveries", "open", "sent")

    def __init__(self, deliveries: list[Delivery]) -> None:
        self.deliveries = deliveries
        self.open = {delivery.event.seq: delivery for delivery in deliveries}
        self.sent: Sequence[Delivery] = ()

    def still(self, part: Sequence[Delivery]) -> list[Delivery]:
        """Those of a part that are open."""
        return [delivery for delivery in part if delivery.event.seq in self.open]

    def unsent(self) -> list[Delivery]:
        """Those that are open, and not in a request."""
        sent = {delivery.event.seq for delivery in self.sent}
        return [delivery for seq, delivery in self.open.items() if seq not in sent]

    def leave_out(self, lane_id: int) -> list[Delivery]:
        """What is open of a lane, and is not any more."""
        left = [delivery for delivery in self.open.values() if delivery.lane == lane_id]
        for delivery in left:
            del self.open[delivery.event.seq]
        return left
