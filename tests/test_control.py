"""What a destination is told: orders, and the clock that stands still while it is idle."""

from __future__ import annotations

import pytest

from gateway.control import Control, Mode, Order
from tests.support import NOW_MS

ACTIVE, PAUSED, DISABLED = Mode


@pytest.mark.parametrize(
    ("order", "before", "after"),
    [
        (Order.PAUSE, ACTIVE, PAUSED),
        (Order.PAUSE, PAUSED, PAUSED),
        (Order.PAUSE, DISABLED, DISABLED),
        (Order.RESUME, ACTIVE, ACTIVE),
        (Order.RESUME, PAUSED, ACTIVE),
        (Order.RESUME, DISABLED, DISABLED),
        (Order.DISABLE, ACTIVE, DISABLED),
        (Order.DISABLE, PAUSED, DISABLED),
        (Order.DISABLE, DISABLED, DISABLED),
        (Order.ENABLE, ACTIVE, ACTIVE),
        (Order.ENABLE, PAUSED, ACTIVE),
        (Order.ENABLE, DISABLED, ACTIVE),
    ],
)
def test_where_an_order_leads(order: Order, before: Mode, after: Mode) -> None:
    control = Control(1).with_mode(before, "410 Gone", NOW_MS)
    told = control.told(order, "upgrade", NOW_MS + 1000)
    assert told.mode is after
    if before is after:
        assert told is control
    else:
        assert (told.reason, told.mode_since_ms) == ("upgrade", NOW_MS + 1000)


def test_pausing_and_resuming_is_no_way_out_of_disabled() -> None:
    control = Control(1).with_mode(DISABLED, "410 Gone", NOW_MS)
    for order in (Order.PAUSE, Order.RESUME, Order.PAUSE, Order.RESUME):
        control = control.told(order, "", NOW_MS + 1000)
    assert (control.mode, control.reason, control.mode_since_ms) == (DISABLED, "410 Gone", NOW_MS)


def test_time_without_trying_does_not_count() -> None:
    control = Control(1).told(Order.PAUSE, "", NOW_MS).told(Order.DISABLE, "", NOW_MS + 1000)
    assert control.tried_ms(NOW_MS + 5000) == NOW_MS
    control = control.told(Order.ENABLE, "", NOW_MS + 5000)
    assert control.tried_ms(NOW_MS + 7000) == NOW_MS + 2000
