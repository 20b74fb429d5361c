"""The operator's listener: what it shows of deliveries, destinations and the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from gateway.admin import Admin
from gateway.control import Mode
from gateway.store.base import DestinationRow, Route, Settlement, SourceRow, State
from gateway.telemetry import Metrics
from tests.listening import Listening
from tests.postgres import ENGINES, open_store, postgres_server, postgres_template
from tests.support import NOW_MS, event, submission

__all__ = ["open_store", "postgres_server", "postgres_template"]


class Taking(Listening):
    def committed(self, deliveries: list[Any]) -> None:
        """Leaves them in the store."""


@pytest.fixture(params=ENGINES)
async def store(request: pytest.FixtureRequest, open_store: Callable[..., Awaitable[Any]]) -> Any:
    store = await open_store(request.param)
    await store.attend(Taking(store))
    return store


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[str]]]:
    runners: list[web.AppRunner] = []

    async def served(admin: Admin) -> str:
        runner = web.AppRunner(admin.application())
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield served
    for runner in runners:
        await runner.cleanup()


Samples = dict[str, dict[tuple[str, ...], float]]


async def scrape(url: str, *names: str) -> Samples:
    """By name and by values of labels in alphabetical order."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        assert answer.status == 200
        text = await answer.text()
    found: Samples = {name: {} for name in names}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in found:
                found[sample.name][tuple(sample.labels[label] for label in sorted(sample.labels))] = sample.value
    return found


async def test_the_ledger_and_controls_are_metrics(store: Any, serve: Callable[..., Awaitable[str]]) -> None:
    [source] = await store.register_sources([SourceRow("acme", "cloud", "acme/cloud", "cloud_api")])
    rows = [DestinationRow("acme", "crm"), DestinationRow("acme", "bot")]
    crm, bot = await store.register_destinations(rows)
    late = event(9)
    late.rank, late.rank_key = 1, 5
    early = event(8)
    early.rank, early.rank_key = 3, 5
    events = [early, late, *(event(number, lane=number) for number in range(4))]
    appended = await store.append(submission(source, events, (Route(crm, monotonic=True), bot)))
    of_crm = [one for one in appended.deliveries if one.destination == crm]
    for one, state in zip(of_crm, (State.DELIVERED, State.DELIVERED, State.DEAD, State.HELD), strict=False):
        store.settle(Settlement(crm, one.event.seq, one.lane, state, NOW_MS, due_ms=NOW_MS, status=500))
    await store.change(bot, lambda control: control.with_mode(Mode.PAUSED, "", NOW_MS))
    await store.change(crm, lambda control: control.opened(NOW_MS))
    await store.flush()
    places = {crm: ("acme", "crm"), bot: ("acme", "bot")}
    url = await serve(Admin(store, Metrics(), None, lambda: False, places))
    names = ("wagw_ledger", "wagw_deliveries", "wagw_destination_mode", "wagw_breaker_open")
    assert await scrape(url, *names) == {
        "wagw_ledger": {
            ("crm", "delivered", "acme"): 2, ("crm", "pending", "acme"): 2, ("crm", "dead", "acme"): 1,
            ("crm", "suppressed", "acme"): 1, ("bot", "parked", "acme"): 6,
        },
        "wagw_deliveries": {
            ("crm", "queued", "acme"): 1, ("crm", "held", "acme"): 1, ("crm", "dead", "acme"): 1,
            ("bot", "queued", "acme"): 6,
        },
        "wagw_destination_mode": {("crm", "active", "acme"): 1, ("bot", "paused", "acme"): 1},
        "wagw_breaker_open": {("crm", "acme"): 1, ("bot", "acme"): 0},
    }  # fmt: skip
    await store.change(crm, lambda control: control.closed(NOW_MS + 1))
    await store.change(bot, lambda control: control.with_mode(Mode.ACTIVE, "", NOW_MS))
    after = await scrape(url, "wagw_ledger", "wagw_breaker_open")
    assert after["wagw_breaker_open"] == {("crm", "acme"): 0, ("bot", "acme"): 0}
    assert ("bot", "parked", "acme") not in after["wagw_ledger"]


async def test_what_is_known_without_the_store_is_shown_while_it_is_away(
    store: Any, serve: Callable[..., Awaitable[str]]
) -> None:
    metrics = Metrics()
    metrics.replicas.set(3)
    await store.close()
    url = await serve(Admin(store, metrics, None, lambda: False))
    assert await scrape(url, "wagw_replicas", "wagw_ledger") == {"wagw_replicas": {(): 3}, "wagw_ledger": {}}
    async with aiohttp.ClientSession() as session, session.get(f"{url}/-/ready") as answer:
        assert answer.status == 503
        assert (await answer.json())["reasons"] == ["nothing can be stored: the store is closed"]
