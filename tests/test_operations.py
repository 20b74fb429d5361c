"""What operators do with a store, through the program, on both engines."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import pytest

from gateway.cli.destinations import CONFIG
from gateway.operations import listing, remap, replay, runs
from gateway.operations.mapping import Mapper, StoredReceipt
from gateway.operations.selection import Criteria, person_of
from gateway.stamp import party_hash
from gateway.store.base import State
from gateway.store.session import Row
from gateway.store.session_sqlite import SqliteSession
from tests import program
from tests.operating import Shop, shop, store
from tests.postgres import postgres_server, postgres_template
from tests.support import NOW_MS, event
from tests.test_cli_offline import MESSAGE

__all__ = ["postgres_server", "postgres_template", "shop", "store"]

BODY = json.dumps(MESSAGE).encode()
EVERYTHING = ("--since", "2020-01-01T00:00:00Z", "--yes")


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def hexes(*numbers: int) -> list[str]:
    return [event(number).id.hex() for number in numbers]


# Listing


def test_events_come_newest_first_and_narrowed_down(shop: Shop) -> None:
    shop.receive(*map(event, range(5)), event(5, type_="whatsapp.message.status"))
    assert ids(shop.run("events", "list", "--json").rows) == hexes(5, 4, 3, 2, 1, 0)
    assert ids(shop.run("events", "list", "--json", "--limit", 2).rows) == hexes(5, 4)
    [status] = shop.run("events", "list", "--json", "--type", "message.status").rows
    assert (status["type"], status["tenant"], status["source"]) == ("whatsapp.message.status", "acme", "cloud")
    assert shop.run("events", "list", "--json", "--source", "device").rows == []
    since, until = "2026-09-21T14:13:22Z", "2026-09-21T14:13:23Z"
    assert ids(shop.run("events", "list", "--json", "--since", since, "--until", until).rows) == hexes(3, 2)
    assert ids(shop.run("events", "list", "--json", "--id", hexes(4)[0] + "_r2").rows) == hexes(4)


def test_a_long_list_is_read_in_pages(shop: Shop) -> None:
    shop.receive(*map(event, range(230)))
    assert ids(shop.run("events", "list", "--json", "--limit", 0).rows) == hexes(*reversed(range(230)))
    for options in (["--state", "pending"], ["--since", "2020-01-01T00:00:00Z"]):
        rows = shop.run("deliveries", "list", "--json", "--limit", 0, *options).rows
        assert len(rows) == 460
        crm = [row for row in rows if row["destination"] == "crm"]
        assert ids(crm) == hexes(*reversed(range(230)))
    table = shop.run("events", "list", "--limit", 0).out.splitlines()
    assert len(table) == 231
    assert table[0].split()[:2] == ["RECEIVED", "ID"]


def test_a_commit_that_overlaps_is_followed_though_its_number_is_lower(shop: Shop) -> None:
    shop.receive(*map(event, range(3)))
    shop.sql("UPDATE events SET seq = 9 WHERE seq = 3")

    async def followed() -> list[list[int]]:
        async with shop.session() as session:
            follower = listing.Follower(Criteria(since_ms=0))
            seen = [[event.sequence for event in (await follower.next(session))[0]]]
            await session.execute("UPDATE events SET seq = 7, id = :id WHERE seq = 1", id=event(7).id)
            seen.append([event.sequence for event in (await follower.next(session))[0]])
            seen.append([event.sequence for event in (await follower.next(session))[0]])
        return seen

    assert asyncio.run(followed()) == [[1, 2, 9], [7], []]


def test_following_catches_up_in_pages(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LOOK_BACK", 5)
    shop.receive(*map(event, range(34)))

    async def followed() -> list[tuple[int, bool]]:
        async with shop.session() as session:
            follower = listing.Follower(Criteria(since_ms=0))
            pages = [await follower.next(session) for _ in range(8)]
            assert [event.sequence for page, _ in pages for event in page] == list(range(1, 35))
            return [(len(page), more) for page, more in pages]

    pages = asyncio.run(followed())
    assert pages[0] == (10, True)
    assert pages[-1] == (0, False)


def test_events_of_a_person_are_found_without_keeping_who_it_is(shop: Shop) -> None:
    shop.receive(event(0), event(1))
    [[key]] = shop.sql("SELECT value FROM meta WHERE name = 'party_key'")
    shop.sql(
        "UPDATE events SET party = :party WHERE id = :id",
        party=party_hash(bytes(key), "+16505551234"), id=event(1).id,
    )  # fmt: skip
    assert ids(shop.run("events", "list", "--json", "--person", "+16505551234").rows) == hexes(1)
    assert shop.run("events", "list", "--json", "--person", "+16505559999").rows == []


def test_deliveries_by_state(shop: Shop) -> None:
    shop.receive(*map(event, range(4)))
    shop.settle(0, "crm", State.DELIVERED)
    shop.settle(1, "crm", State.DEAD)
    shop.settle(2, "crm", State.BESIDE)
    [dead] = shop.run("deliveries", "list", "--state", "dead", "--json").rows
    assert (dead["id"], dead["destination"], dead["status"]) == (event(1).id.hex(), "crm", 500)
    pending = shop.run("deliveries", "list", "--state", "pending", "--json").rows
    assert (pending[0]["id"], pending[0]["state"]) == (event(2).id.hex(), "beside"), "trouble comes first"
    assert sorted(row["destination"] for row in pending) == ["bot"] * 4 + ["crm"] * 2
    rows = shop.run(
        "deliveries", "list", "--destination", "crm", "--state", "delivered", "--state", "dead", "--json"
    ).rows
    assert [(row["id"], row["state"]) for row in rows] == list(zip(hexes(1, 0), ["dead", "delivered"], strict=True))


def test_an_event_is_shown_with_its_raw_its_deliveries_and_attempts(shop: Shop) -> None:
    shop.receive_body(BODY)
    [[event_id, seq]] = shop.sql("SELECT id, seq FROM events")
    shown = json.loads(shop.run("events", "show", bytes(event_id).hex(), "--raw", "--json").out)
    assert shown["data"]["message"]["content"]["text"] == "Does it come in another color?"
    assert shown["raw"]["id"] == "wamid.ONE"
    assert sorted(delivery["destination"] for delivery in shown["deliveries"]) == ["bot", "crm"]
    told = shop.run("events", "show", bytes(event_id).hex())
    assert "Does it come in another color?" in told.out
    assert "acme/crm" in told.out
    assert "wamid.ONE" not in shop.run("events", "list").out

    [[crm]] = shop.sql("SELECT id FROM destinations WHERE name = 'crm'")
    shop.sql(
        "INSERT INTO attempts (event, destination, number, at_ms, took_ms, status, error) "
        "VALUES (:seq, :crm, 1, :at_ms, 12, 500, NULL)",
        seq=seq, crm=crm, at_ms=NOW_MS,
    )  # fmt: skip
    shop.sql(
        "UPDATE deliveries SET state = 4, attempts = 2, settled_ms = :now_ms, last_status = 204 "
        "WHERE destination = :crm",
        crm=crm, now_ms=NOW_MS + 5000,
    )  # fmt: skip
    attempts = shop.run("attempts", bytes(event_id).hex(), "--json").rows
    assert [(one["number"], one["status"], one["took_ms"]) for one in attempts] == [(1, 500, 12), (2, 204, None)]
    assert "500" in shop.run("attempts", bytes(event_id).hex()).out


@pytest.mark.parametrize("arguments", [["events", "show"], ["attempts"]])
def test_an_event_that_is_not_there(shop: Shop, arguments: list[str]) -> None:
    shop.receive(event(0))
    outcome = shop.run(*arguments, "0" * 32)
    assert (outcome.code, outcome.out, outcome.err) == (1, "", f"there is no event {'0' * 32}\n")
    outcome = shop.run(*arguments, "6ab")
    assert outcome.code == 2
    assert "32 hex digits" in outcome.err


# Destinations


def test_a_destination_is_paused_and_resumed(shop: Shop) -> None:
    shop.receive(event(0), event(1))
    assert (
        shop.run("destinations", "pause", "crm", "--reason", "upgrade").out == "acme/crm: active -> paused (upgrade)\n"
    )
    assert shop.run("destinations", "pause", "acme/crm").out == "acme/crm: is paused already (upgrade)\n"
    bot, crm = shop.run("destinations", "list", "--json").rows
    assert (crm["mode"], crm["reason"], crm["pending"], crm["parked"]) == ("paused", "upgrade", 0, 2)
    assert (bot["mode"], bot["pending"], bot["parked"], bot["host"]) == ("active", 2, 0, "127.0.0.1:1")
    assert [row["destination"] for row in shop.run("deliveries", "list", "--state", "parked", "--json").rows] == [
        "crm"
    ] * 2
    assert shop.run("destinations", "resume", "crm").out == "acme/crm: paused -> active\n"
    [[idle_ms, mode]] = shop.sql("SELECT idle_ms, mode FROM destinations WHERE name = 'crm'")
    assert mode == "active"
    assert idle_ms >= 0


def test_a_disabled_destination_is_enabled_not_paused_and_resumed(shop: Shop) -> None:
    shop.receive(event(0))
    shop.run("destinations", "disable", "crm", "--reason", "410 Gone")
    outcome = shop.run("destinations", "pause", "crm", "--reason", "upgrade")
    assert (outcome.code, outcome.out) == (0, "acme/crm: is disabled already (410 Gone); enable it to go on\n")
    outcome = shop.run("destinations", "resume", "crm")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == (
        "acme/crm is disabled, not paused (410 Gone): go on with `wa-gateway destinations enable acme/crm`\n"
    )
    assert shop.sql("SELECT mode, reason FROM destinations WHERE name = 'crm'")[0][:2] == ("disabled", "410 Gone")
    assert shop.run("destinations", "enable", "crm").out == "acme/crm: disabled -> active\n"


def test_configuration_and_processes_may_have_other_destinations(shop: Shop) -> None:
    """As during a deploy. What is parked goes by the processes, for all verbs."""

    def standing() -> dict[str, tuple[str, int, int]]:
        ledger = {row["destination"]: (row["pending"], row["parked"]) for row in shop.run("stats", "--json").rows}
        texts = [line.split("  ") for line in shop.run("destinations", "list").out.splitlines()]
        words = {cells[0]: word for cells in texts for word in map(str.strip, cells) if word in CONFIG.values()}
        found = {}
        for row in shop.run("destinations", "list", "--json").rows:
            name, counts = row["destination"], (row["pending"], row["parked"])
            assert ledger.get(name, (0, 0)) == counts
            assert words[f"acme/{name}"] == CONFIG[row["configured"], row["served"]]
            found[name] = (words[f"acme/{name}"], *counts)
        return found

    def note() -> bool:
        return "gone from the configuration: parked" in shop.run("replay", "--id", hexes(0)[0], "--dry-run").out

    old = shop.path.read_text()
    shop.receive(event(0))
    assert standing() == {"bot": ("in config", 1, 0), "crm": ("in config", 1, 0)}
    shop.path.write_text(old.replace('"crm"', '"help"'))
    assert standing() == {"bot": ("in config", 1, 0), "crm": ("still served", 1, 0), "help": ("not served", 0, 0)}
    assert not note()
    assert shop.run("prune", "--expire-parked", "crm", "--dry-run").code == 1
    shop.receive(destinations=("bot",))
    assert standing() == {"bot": ("in config", 1, 0), "crm": ("gone", 0, 1), "help": ("in config", 0, 0)}
    assert note()
    assert shop.run("prune", "--expire-parked", "crm", "--dry-run").code == 0
    shop.path.write_text(old)
    assert standing() == {"bot": ("in config", 1, 0), "crm": ("not served", 0, 1), "help": ("still served", 0, 0)}


def test_names_that_nobody_has(shop: Shop) -> None:
    shop.receive(event(0))
    outcome = shop.run("destinations", "pause", "acme/crn")
    assert outcome.code == 2
    assert "did you mean acme/crm?" in outcome.err
    outcome = shop.run("events", "list", "--source", "clud")
    assert outcome.code == 2
    assert "there is no source 'clud'" in outcome.err
    assert "did you mean whatsapp.message.status?" in shop.run("events", "list", "--type", "message.statsu").err
    assert "did you mean acme?" in shop.run("deliveries", "list", "--tenant", "acm").err
    for time in ("yesterday", "2026-06-08", "0001-01-01T00:00:00+14:00"):
        assert "RFC 3339" in shop.run("events", "list", "--since", time).err


@pytest.mark.parametrize("verb", [["stats", "--check"], ["events", "list"], ["deliveries", "list"]], ids=" ".join)
def test_a_tenant_that_nobody_has(shop: Shop, verb: list[str]) -> None:
    shop.receive(event(0))
    outcome = shop.run(*verb, "--tenant", "acmee")
    assert (outcome.code, outcome.out) == (2, "")
    assert "there is no tenant 'acmee'; did you mean acme?" in outcome.err
    shop.path.write_text(shop.path.read_text().replace("  acme:", "  other:"))
    assert shop.run(*verb, "--tenant", "other").code == 0, "nothing is there of it yet"
    gone = shop.run(*verb, "--tenant", "acme", "--json")
    assert gone.code == 0
    assert gone.rows, "it is in the store still"


@pytest.mark.parametrize(
    "verb", [["events", "list"], ["deliveries", "list"], ["replay", "--dry-run"], ["remap", "--dry-run"]], ids=" ".join
)
def test_a_range_that_ends_before_it_begins(shop: Shop, verb: list[str]) -> None:
    shop.receive(event(0))
    outcome = shop.run(*verb, "--since", "1h", "--until", "2h")
    assert (outcome.code, outcome.out) == (2, "")
    assert "--since is later than --until" in outcome.err


@pytest.mark.parametrize("verb", [["events", "list"], ["remap", "--dry-run"], ["drift"]], ids=" ".join)
def test_a_provider_that_nobody_has(shop: Shop, verb: list[str]) -> None:
    shop.receive(event(0))
    outcome = shop.run(*verb, "--provider", "cloud_ap")
    assert (outcome.code, outcome.out) == (2, "")
    assert "there is no provider 'cloud_ap'; did you mean cloud_api?" in outcome.err
    assert shop.run(*verb, "--provider", "waha").code == 0, "there is an adapter, and nothing from it"
    shop.sql("UPDATE sources SET provider = 'no_more_installed'")
    assert shop.run(*verb, "--provider", "no_more_installed").code == 0


@pytest.mark.parametrize("verb", [["events", "list"], ["deliveries", "list"], ["replay", "--dry-run"]], ids=" ".join)
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("not a person", "those are such as +16505551234"),
        ("", "those are such as +16505551234"),
        ("16505551234", "did you mean +16505551234?"),
        ("+1 (650) 555-1234", "did you mean +16505551234?"),
    ],
)
def test_what_can_be_no_person(shop: Shop, verb: list[str], given: str, told: str) -> None:
    shop.receive(event(0))
    outcome = shop.run(*verb, "--person", given)
    assert (outcome.code, outcome.out) == (2, "")
    assert told in outcome.err


@pytest.mark.parametrize("person", ["+16505551234", "US.13491208655302741918", "186547852312@lid", "self", "unknown"])
def test_what_can_be_a_person(person: str) -> None:
    assert person_of(person) == person


# Replay


def test_replay_of_what_is_dead(shop: Shop) -> None:
    shop.receive(*map(event, range(4)))
    for number in (1, 3):
        shop.settle(number, "crm", State.DEAD)
    assert shop.run("replay", "--state", "dead", "--dry-run").out.splitlines()[-1] == "2 deliveries"
    assert shop.states(run=1) == {}
    outcome = shop.run("replay", "--state", "dead", "--yes")
    assert outcome.code == 0, outcome.err
    assert shop.states(run=1) == {"crm": ["queued", "queued"]}
    assert shop.states() == {"bot": ["queued"] * 4, "crm": ["queued", "dead", "queued", "dead"]}
    assert shop.balances()
    assert shop.run("replay", "--cancel", 1).out == "replay 1 is cancelled: 2 deliveries expired\n"
    assert shop.states(run=1) == {"crm": ["expired", "expired"]}
    assert shop.run("stats", "--check").code == 0
    again = shop.run("replay", "--cancel", 1)
    assert (again.code, again.err) == (1, "replay 1 is cancelled: there is nothing to cancel\n")


@pytest.mark.parametrize("verb", ["replay", "remap"])
@pytest.mark.parametrize(
    ("arguments", "others"),
    [
        (["--cancel", 1, "--dry-run"], "--cancel goes without --dry-run"),
        (["--resume", 1, "--cancel", 1], "--cancel goes without --resume"),
        (["--list", "--cancel", 1], "--list goes without --cancel"),
        (["--cancel", 1, "--since", "1h"], "--cancel goes without --since"),
        (["--resume", 1, "--since", "1h", "--source", "cloud"], "--resume goes without --since, --source"),
        (["--list", "--tenant", "acme"], "--list goes without --tenant"),
    ],
)
def test_what_is_done_with_a_run_takes_nothing_beside(
    shop: Shop, verb: str, arguments: list[object], others: str
) -> None:
    shop.receive(event(0))
    shop.run("replay", "--id", hexes(0)[0], "--yes")
    outcome = shop.run(verb, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"{others}: nothing is done" in outcome.err
    assert shop.states(run=1) == {"bot": ["queued"], "crm": ["queued"]}
    assert shop.run(verb, "--cancel", 1, "--yes", "--json").rows[0]["expired"] == 2


def test_what_another_run_delivers_is_not_replayed_by_its_state(shop: Shop) -> None:
    shop.receive(*map(event, range(3)))
    for number in range(3):
        shop.settle(number, "crm", State.DEAD)
    for number, planned in ((0, 1), (1, 1), (2, 1)):
        shop.run("replay", "--id", hexes(number)[0], "--state", "dead", "--yes")
        assert shop.run("replay", "--list", "--json").rows[0]["planned"] == planned
    assert shop.states(run=3) == {"crm": ["queued"]}
    for run, state in ((1, State.DELIVERED), (2, State.DEAD)):
        shop.sql(
            "UPDATE deliveries SET state = :state WHERE destination = (SELECT id FROM destinations WHERE run = :run)",
            state=int(state), run=run,
        )  # fmt: skip

    plan = shop.run("replay", "--state", "dead", "--dry-run")
    assert plan.err == "left out: 2 deliveries that another run has made, delivered or pending\n"
    assert plan.out.splitlines()[-1] == "1 delivery"
    assert shop.run("replay", "--state", "dead", "--yes").out.splitlines()[-1] == (
        "replay 4: 1 of 1 delivery made, running"
    )
    assert shop.run("deliveries", "list", "--id", hexes(1)[0], "--destination", "crm", "--json").rows[0]["run"] == 4
    assert shop.states(run=4) == {"crm": ["queued"]}
    assert shop.run("replay", "--state", "dead", "--yes").out == "0 deliveries\n"
    assert shop.run("replay", "--state", "dead", "--id", hexes(0)[0], "--dry-run").out.endswith("\n1 delivery\n")
    for options in (["--since", "2020-01-01T00:00:00Z"], ["--state", "dead", "--state", "delivered"]):
        [group] = shop.run("replay", *options, "--dry-run", "--json").rows
        assert (group["destination"], group["deliveries"]) == ("crm", 3)
    assert shop.balances()


def test_a_cancellation_that_was_cut_off_is_taken_up(shop: Shop) -> None:
    shop.receive(event(0))
    shop.run("replay", "--id", hexes(0)[0], "--yes")
    shop.sql("UPDATE runs SET state = 'cancelled'")
    assert shop.run("replay", "--cancel", 1).out == "replay 1 is cancelled: 2 deliveries expired\n"
    assert shop.states(run=1) == {"bot": ["expired"], "crm": ["expired"]}
    assert shop.run("replay", "--cancel", 1).code == 1
    assert shop.balances()


def test_replay_by_time_takes_what_is_over_and_by_id_takes_anything(shop: Shop) -> None:
    shop.receive(*map(event, range(4)))
    for number, state in enumerate((State.DELIVERED, State.DEAD, State.SUPPRESSED)):
        shop.settle(number, "crm", state)
    plan = shop.run("replay", "--since", "2020-01-01T00:00:00Z", "--dry-run", "--json").rows
    assert [(group["destination"], group["deliveries"]) for group in plan] == [("crm", 3)]
    plan = shop.run("replay", "--id", hexes(3)[0], "--id", "f" * 32, "--dry-run", "--json")
    assert [(group["destination"], group["deliveries"]) for group in plan.rows] == [("bot", 1), ("crm", 1)]
    assert plan.err == "left out: 1 event not in the store\n"


def test_replay_asks_first(shop: Shop) -> None:
    shop.receive(event(0))
    assert shop.run("replay").code == 2
    outcome = shop.run("replay", "--id", hexes(0)[0])
    assert outcome.code == 2
    assert "give --yes" in outcome.err
    assert shop.sql("SELECT count(*) FROM runs")[0][0] == 0


def test_an_event_whose_bytes_are_pruned_is_left_out(shop: Shop) -> None:
    shop.receive(event(0), event(1))
    shop.sql("UPDATE events SET receipt = 0, head = :none, data = :none WHERE id = :id", none=b"", id=event(0).id)
    outcome = shop.run("replay", "--id", hexes(0)[0], "--id", hexes(1)[0], "--yes")
    assert "left out: 1 event pruned\n" in outcome.err
    assert shop.states(run=1) == {"bot": ["queued"], "crm": ["queued"]}
    assert json.loads(shop.run("events", "show", hexes(0)[0], "--json").out)["pruned"] is True
    tried = shop.run("attempts", hexes(0)[0], "--json")
    assert (tried.code, tried.out) == (0, "")
    assert tried.err == f"event {hexes(0)[0]} is pruned, and its attempts with it\n"


def test_what_is_pruned_while_a_replay_is_filled_is_left_out(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.receive(*map(event, range(6)))
    for number in range(6):
        for destination in ("crm", "bot"):
            shop.settle(number, destination, State.DELIVERED)
    monkeypatch.setattr(replay, "CHUNK", 4)  # the page with all of them is read before the first is made

    def prune() -> None:
        chosen = "(SELECT seq FROM events WHERE id = :id)"
        shop.sql(f"DELETE FROM deliveries WHERE event IN {chosen}", id=event(3).id)
        shop.sql("DELETE FROM events WHERE id = :id", id=event(3).id)

    async def fill() -> list[int]:
        made = []
        async with shop.session() as session:
            plan = await replay.plan(session, Criteria(since_ms=0, states=("delivered",)))
            async for count in replay.fill(session, await replay.start(session, plan, NOW_MS), lambda key: False):
                made.append(count)
                if len(made) == 1:
                    await asyncio.to_thread(prune)
        return made

    assert asyncio.run(fill()) == [4, 2, 4]
    assert shop.states(run=1) == {"bot": ["queued"] * 5, "crm": ["queued"] * 5}


def test_a_replay_is_made_in_chunks_and_resumed_where_it_stopped(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.receive(*map(event, range(25)))
    monkeypatch.setattr(replay, "CHUNK", 6)
    monkeypatch.setattr(replay, "PAGE", 7)  # cuts through an event's deliveries

    async def begin() -> list[int]:
        made = []
        async with shop.session() as session:
            plan = await replay.plan(session, Criteria(since_ms=0, states=("pending",)))
            run = await replay.start(session, plan, NOW_MS)
            async for count in replay.fill(session, run, lambda key: False):
                made.append(count)
                if sum(made) >= 18:
                    break
            await runs.pause(session, run.id)
        return made

    assert asyncio.run(begin()) == [6, 6, 6]
    [standing] = shop.run("replay", "--list", "--json").rows
    assert (standing["state"], standing["planned"], standing["made"], standing["pending"]) == ("paused", 50, 18, 18)
    outcome = shop.run("replay", "--resume", 1)
    assert outcome.code == 0
    assert "50 of 50" in outcome.out
    assert shop.states(run=1) == {"bot": ["queued"] * 25, "crm": ["queued"] * 25}
    assert shop.run("replay", "--list", "--json").rows[0]["state"] == "running"
    assert shop.balances()
    resumed = shop.run("replay", "--resume", 1)
    assert (resumed.code, resumed.err) == (1, "replay 1 is running: there is nothing to resume\n")
    shop.sql("UPDATE deliveries SET state = 4 WHERE destination IN (SELECT id FROM destinations WHERE run = 1)")
    assert shop.run("replay", "--list", "--json").rows[0]["state"] == "done"


@pytest.mark.parametrize(("how", "code", "state"), [(signal.SIGINT, 130, "paused"), (signal.SIGKILL, -9, "filling")])
def test_a_replay_that_is_interrupted_goes_on_later(shop: Shop, how: signal.Signals, code: int, state: str) -> None:
    number = 20_000
    shop.receive(*map(event, range(number)))

    async def interrupted() -> program.Result:
        arguments = ["replay", "--state", "pending", "--yes", "--config", shop.path]
        async with shop.session() as session, program.started(*arguments) as replaying:
            async with asyncio.timeout(program.LIMIT_S):
                while not await session.fetch("SELECT 1 FROM runs WHERE made > 0"):
                    pass
            async with session.transaction():  # nothing is committed meanwhile: it cannot end before it is told to
                assert await session.execute("UPDATE runs SET made = made WHERE state = 'filling'") == 1
                replaying.process.send_signal(how)
            return await replaying.end()

    result = asyncio.run(interrupted())
    assert result.code == code
    assert ("go on with: wa-gateway replay --resume 1" in result.err) == (how is signal.SIGINT)
    [run] = shop.run("replay", "--list", "--json").rows
    assert (run["state"], run["planned"], 0 < run["made"] < 2 * number) == (state, 2 * number, True)
    assert run["pending"] == run["made"]
    assert shop.run("replay", "--resume", 1).out == f"replay 1: {2 * number} of {2 * number} deliveries made, running\n"
    assert len(shop.states(run=1)["crm"]) == number
    assert shop.balances()


def test_two_that_fill_one_run_make_nothing_twice(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.receive(*map(event, range(20)))
    monkeypatch.setattr(replay, "CHUNK", 4)

    async def fill() -> int:
        async with shop.session() as one, shop.session() as other:
            plan = await replay.plan(one, Criteria(since_ms=0, states=("pending",)))
            run = await replay.start(one, plan, NOW_MS)

            async def made(session: Any) -> int:
                return sum([count async for count in replay.fill(session, run, lambda key: False)])

            return sum(await asyncio.gather(made(one), made(other)))

    assert asyncio.run(fill()) == 40
    assert shop.states(run=1) == {"bot": ["queued"] * 20, "crm": ["queued"] * 20}
    assert shop.balances()


def test_cancelling_while_it_is_filled_ends_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.receive(*map(event, range(20)))
    monkeypatch.setattr(replay, "CHUNK", 4)

    async def cancelled() -> int:
        expired = 0
        async with shop.session() as session, shop.session() as other:
            plan = await replay.plan(session, Criteria(since_ms=0, states=("pending",)))
            run = await replay.start(session, plan, NOW_MS)
            async for _ in replay.fill(session, run, lambda key: False):
                expired += await runs.cancel(other, run, NOW_MS)
        return expired

    assert asyncio.run(cancelled()) == 4
    [standing] = shop.run("replay", "--list", "--json").rows
    assert (standing["state"], standing["made"], standing["expired"]) == ("cancelled", 4, 4)
    assert shop.balances()


def test_unordered_destinations_get_a_lane_for_each_event(shop: Shop) -> None:
    shop.receive(event(0), event(1))
    text = shop.path.read_text().replace('"bot":{', '"bot":{"ordering":"none",')
    shop.path.write_text(text)
    shop.run("replay", "--id", hexes(0)[0], "--id", hexes(1)[0], "--yes")
    lanes = {}
    for name, lane in shop.sql(
        "SELECT n.name, d.lane FROM deliveries d JOIN destinations n ON n.id = d.destination WHERE n.run = 1"
    ):
        lanes.setdefault(name, set()).add(lane)
    assert lanes["crm"] == {1}
    assert len(lanes["bot"]) == 2


# Remap


def test_a_webhook_that_could_not_be_read_is_mapped(shop: Shop) -> None:
    shop.receive(event(0))
    shop.receive_body(BODY, outcome="unmapped")
    survey = shop.run("remap", "--outcome", "unmapped", "--dry-run", "--json").rows[0]
    assert (survey["receipts"], survey["new"], survey["live"], survey["revised"]) == (1, 1, 2, 0)
    outcome = shop.run("remap", "--outcome", "unmapped", "--yes")
    assert outcome.code == 0, outcome.err
    assert "remap 1: 1 of 1 webhook parsed, done\n1 new event, to be delivered 2 times\n" in outcome.out
    assert shop.states() == {"bot": ["queued"] * 2, "crm": ["queued"] * 2}
    [[mapped, revision, seq]] = shop.sql(
        "SELECT type, revision, seq FROM events WHERE type LIKE '%received' AND lane <> 1"
    )
    assert (mapped, revision, seq > 1) == ("whatsapp.message.received", 1, True)
    assert shop.sql("SELECT count(*) FROM receipts WHERE outcome = 'unmapped'")[0][0] == 0
    assert shop.balances()
    assert "0 new events" in shop.run("remap", *EVERYTHING).out, "a second time nothing changes"


def test_what_an_older_adapter_made_is_corrected(shop: Shop) -> None:
    shop.receive_body(BODY)
    [[event_id, data]] = shop.sql("SELECT id, data FROM events")
    older = json.loads(bytes(data))
    older["message"]["content"] = {"type": "unknown", "kind": "text"}
    shop.sql("UPDATE events SET data = :data, partial = :partial", data=json.dumps(older).encode(), partial=True)
    survey = shop.run("remap", "--since", "2020-01-01T00:00:00Z", "--dry-run")
    assert "/data/message/content/type: unknown -> text" in survey.out
    assert "/data/message/content/text: - -> Does it come in another color?" in survey.out
    assert shop.sql("SELECT revision FROM events")[0][0] == 1, "a survey changes nothing"

    outcome = shop.run("remap", *EVERYTHING)
    assert "1 corrected event, to be delivered 2 times" in outcome.out
    [[corrected_id, corrected, revision]] = shop.sql("SELECT id, data, revision FROM events")
    assert (bytes(corrected_id), bytes(corrected), revision) == (bytes(event_id), bytes(data), 2)
    assert shop.states(run=1) == {"bot": ["queued"], "crm": ["queued"]}
    assert shop.balances()
    assert shop.run("events", "list", "--json").rows[0]["revision"] == 2
    assert "0 corrected events" in shop.run("remap", *EVERYTHING).out


def test_a_destination_whose_own_bytes_stay_the_same_gets_nothing(shop: Shop) -> None:
    """Where only raw differs, one that takes no raw is not concerned."""
    shop.path.write_text(shop.path.read_text().replace('"bot":{', '"bot":{"raw":"always",'))
    shop.receive_body(BODY)
    shop.sql("UPDATE events SET pointer = '/entry/0'")
    assert "1 corrected event, to be delivered 1 time\n" in shop.run("remap", *EVERYTHING).out
    assert shop.states(run=1) == {"bot": ["queued"]}


def test_a_type_that_is_wanted_now_and_was_not_before(shop: Shop) -> None:
    shop.path.write_text(shop.path.read_text().replace('"bot":{', '"bot":{"events":"whatsapp.message.*",'))
    shop.receive_body(BODY)
    [[head]] = shop.sql("SELECT head FROM events")
    shop.sql(
        "UPDATE events SET type = 'whatsapp.unknown', head = :head",
        head=bytes(head).replace(b"whatsapp.message.received", b"whatsapp.unknown"),
    )
    shop.sql("DELETE FROM deliveries WHERE destination = (SELECT id FROM destinations WHERE name = 'bot')")
    shop.sql("DELETE FROM tallies WHERE destination = (SELECT id FROM destinations WHERE name = 'bot')")
    shop.run("remap", *EVERYTHING)
    assert shop.states(run=1) == {"bot": ["queued"], "crm": ["queued"]}


def test_a_duplicate_stays_one(shop: Shop) -> None:
    shop.receive_body(BODY)
    shop.receive_body(BODY, outcome="unmapped")
    survey = shop.run("remap", "--since", "2020-01-01T00:00:00Z", "--dry-run", "--json").rows[0]
    assert (survey["receipts"], survey["new"], survey["revised"]) == (2, 0, 0)
    shop.run("remap", *EVERYTHING)
    assert shop.sql("SELECT count(*) FROM events")[0][0] == 1


def test_a_status_that_is_late_is_kept_back_where_that_is_asked_for(shop: Shop) -> None:
    shop.path.write_text(shop.path.read_text().replace('"crm":{', '"crm":{"statuses":"monotonic",'))
    value = MESSAGE["entry"][0]["changes"][0]["value"]
    status = {"id": "wamid.ONE", "status": "delivered", "timestamp": "1780952383", "recipient_id": "16505551234"}
    change = {"field": "messages", "value": {**value, "messages": [], "contacts": [], "statuses": [status]}}
    body = json.dumps({**MESSAGE, "entry": [{**MESSAGE["entry"][0], "changes": [change]}]}).encode()
    shop.receive_body(body, outcome="unmapped")
    receipt = StoredReceipt(1, b"", 1, "acme", "cloud", NOW_MS, "unmapped", b"{}", body)
    [read] = Mapper(shop.config, b"").read(receipt, ()).events
    shop.sql(
        "INSERT INTO ranks (key, rank, seen_ms) VALUES (:key, :rank, :seen_ms)",
        key=read.rank_key, rank=read.rank + 1, seen_ms=NOW_MS,
    )  # fmt: skip
    shop.run("remap", *EVERYTHING)
    assert shop.states() == {"bot": ["queued"], "crm": ["suppressed"]}
    assert shop.sql("SELECT rank FROM ranks")[0][0] == read.rank + 1
    assert shop.balances()


def test_results_are_json_where_that_is_asked_for(shop: Shop) -> None:
    shop.receive(event(0))
    [paused] = shop.run("destinations", "pause", "crm", "--json").rows
    assert (paused["destination"], paused["before"], paused["mode"]) == ("crm", "active", "paused")
    *groups, made = shop.run("replay", "--id", hexes(0)[0], "--yes", "--json").rows
    assert len(groups) == 2
    assert made == {"run": 1, "kind": "replay", "state": "running", "planned": 2, "made": 2}
    [cancelled] = shop.run("replay", "--cancel", 1, "--json").rows
    assert cancelled == {"run": 1, "kind": "replay", "state": "cancelled", "expired": 2}
    *_, mapped = shop.run("remap", *EVERYTHING, "--json").rows
    assert (mapped["receipts"], mapped["unreadable"]) == (1, {"not_an_envelope": 1})


def test_a_traceparent_is_no_change(shop: Shop) -> None:
    shop.receive_body(BODY)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    [[head]] = shop.sql("SELECT head FROM events")
    shop.sql("UPDATE events SET head = :head", head=bytes(head)[:-1] + f',"traceparent":"{trace}"}}'.encode())
    assert "0 corrected events" in shop.run("remap", *EVERYTHING).out


def test_what_cannot_be_read_is_left_and_counted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.receive_body(b"no JSON", outcome="unmapped")
    assert "not read: 1 not_json" in shop.run("remap", *EVERYTHING).out
    assert shop.sql("SELECT outcome FROM receipts")[0][0] == "unmapped"
    shop.receive_body(BODY)

    def fail(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Mapper, "_events", fail)
    assert "not read: 1 adapter_error, 1 not_json" in shop.run("remap", *EVERYTHING).out


def test_a_remap_is_made_page_by_page_and_resumed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        shop.receive_body(BODY.replace(b"wamid.ONE", b"wamid.%d" % number), outcome="unmapped")
    monkeypatch.setattr(remap, "PAGE", 2)

    async def begin() -> None:
        async with shop.session() as session:
            plan = await remap.plan(session, Criteria(since_ms=0))
            run = await remap.start(session, plan, NOW_MS)
            async for _ in remap.fill(session, await remap.mapper(session, shop.config), run):
                break
            await runs.pause(session, run.id)

    asyncio.run(begin())
    assert shop.sql("SELECT count(*) FROM events")[0][0] == 2
    wrong = shop.run("replay", "--resume", 1)
    assert (wrong.code, "1 is a remap: go on with it by `wa-gateway remap --resume 1`" in wrong.err) == (2, True)
    wrong = shop.run("replay", "--resume", 2)
    assert (wrong.code, "there is no replay 2: --list shows them" in wrong.err) == (2, True)
    outcome = shop.run("remap", "--resume", 1)
    assert "5 of 5 webhooks parsed, done" in outcome.out
    assert shop.sql("SELECT count(*) FROM events")[0][0] == 5
    assert shop.balances()


# The ledger, retention


def test_the_ledger_tells_what_is_missing(shop: Shop) -> None:
    shop.receive(*map(event, range(3)))
    shop.settle(0, "crm", State.DELIVERED)
    outcome = shop.run("stats", "--check")
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1].split() == ["total", "6", "1", "5", "0", "0", "0", "0"]
    shop.sql(
        "DELETE FROM deliveries WHERE event = (SELECT seq FROM events WHERE id = :id) AND destination = "
        "(SELECT id FROM destinations WHERE name = 'crm')",
        id=event(1).id,
    )
    outcome = shop.run("stats", "--check", "--json")
    assert outcome.code == 1
    assert outcome.err == "acme/crm: 1 missing\nthe ledger does not balance\n"
    assert [row["balances"] for row in outcome.rows] == [True, False]
    assert shop.run("stats").code == 0


def test_pruning_by_hand(shop: Shop) -> None:
    shop.receive(*map(event, range(3)))
    for destination in ("crm", "bot"):
        shop.settle(0, destination, State.DELIVERED)
    assert shop.run("prune", "--older-than", "1h", "--dry-run").out.startswith("1 webhooks ")
    assert shop.run("prune", "--older-than", "1h").code == 2, "it asks first"
    outcome = shop.run("prune", "--older-than", "1h", "--yes")
    assert outcome.out.splitlines()[-1] == "1 webhooks, 1 events and 2 deliveries deleted"
    assert shop.run("stats", "--check").code == 0
    assert len(shop.run("events", "list", "--json").rows) == 2


def test_what_is_parked_leaves_by_the_operator_alone(shop: Shop) -> None:
    shop.receive(*map(event, range(3)))
    outcome = shop.run("prune", "--expire-parked", "crm", "--yes")
    assert (outcome.code, outcome.err) == (1, "nothing is parked at acme/crm: pause or disable it first\n")
    shop.run("destinations", "disable", "crm")
    outcome = shop.run("prune", "--expire-parked", "crm", "--yes")
    assert outcome.out.splitlines() == ["3 deliveries are parked at acme/crm", "3 deliveries expired"]
    assert shop.states()["crm"] == ["expired"] * 3
    assert shop.run("stats", "--check").code == 0


# The store's indexes


QUERIES = [
    ["events", "list"],
    ["events", "list", "--since", "1h", "--type", "message.*"],
    ["deliveries", "list", "--state", "dead"],
    ["deliveries", "list", "--state", "pending", "--destination", "crm"],
    ["deliveries", "list", "--since", "1h", "--state", "delivered"],
    ["deliveries", "list", "--id", "0" * 32],
    ["destinations", "list"],
    ["attempts", "6ab13b80000000000000000000000000"],
    ["replay", "--state", "dead", "--yes"],
    ["replay", "--since", "1000d", "--yes"],
    ["replay", "--id", "6ab13b80000000000000000000000000", "--yes"],
    ["remap", "--since", "1000d", "--yes"],
]


@pytest.mark.parametrize("arguments", QUERIES, ids=" ".join)
@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_no_verb_reads_through_events_or_deliveries(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """Those have millions of rows: each query comes by an index."""
    shop.receive(*map(event, range(3)))
    shop.settle(0, "crm", State.DEAD)
    plans: list[str] = []
    fetch = SqliteSession.fetch

    async def explained(session: SqliteSession, sql: str, **parameters: Any) -> list[Row]:
        if not sql.startswith(("INSERT", "UPDATE")):
            plans.extend(row[3] for row in await fetch(session, f"EXPLAIN QUERY PLAN {sql}", **parameters))
        return await fetch(session, sql, **parameters)

    monkeypatch.setattr(SqliteSession, "fetch", explained)
    assert shop.run(*arguments).code == 0
    assert plans
    tables = {"e", "d", "r", "events", "deliveries", "receipts"}
    assert [
        plan for plan in plans if plan.startswith("SCAN") and " USING " not in plan and plan.split()[1] in tables
    ] == []
