"""Nothing is lost: every leaf of every fixture is accounted for; and what accounts for it is right itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from gateway.cli.normalize import command as normalize
from gateway.lossless import Leaf, Verdict, explain, learn, share_typed
from gateway.lossless.report import summary, table
from gateway.lossless.variants import variants
from providers import Adapter, Item, Malformed, Notes, RawRequest, SourceSettings, load_adapters
from providers.wire import as_object, as_text, timestamp_ms
from tests.conformance.measure import Outcome, left_out, measure, unknown_in
from tests.golden import FIXTURES, RECEIVED, adapter_for, payloads

# The engine, with an adapter that has everything in it


class Toy(Adapter):
    """Messages in a list; each says an id, a time, a text and perhaps a mood."""

    name: ClassVar[str] = "toy"
    label: ClassVar[str] = "Toy"
    media_secrets: ClassVar[frozenset[str]] = frozenset({"key"})
    noise_members: ClassVar[Mapping[str, str]] = {"padding": "filler", "/messages/*/meta/**/version": "of the protocol"}

    def redact(self, body: bytes) -> bytes:
        document = json.loads(body)
        return json.dumps(document | {"password": "***"}).encode() if "password" in document else body

    def items(self, request: RawRequest, notes: Notes) -> Iterator[Item]:
        document = as_object(request.json())
        if "messages" not in document or document.get("object", "toys") != "toys":
            raise Malformed("not_an_envelope")
        for position, message in enumerate(document["messages"]):
            if message.get("type") == "protocol":
                notes.noise["protocol"] += 1
            else:
                yield self._item(message, f"/messages/{position}")

    def _item(self, message: dict[str, Any], pointer: str) -> Item:
        content = {"type": message.get("type"), "text": as_text(message.get("text"))}
        if message.get("mood") in ("merry", "sad"):
            content["mood"] = message["mood"]
        return Item(
            "whatsapp.message.received", {"message": {"id": message.get("id"), "content": content}}, None,
            timestamp_ms(message.get("time")), ("x",), pointer, partial="odd" in message,
        )  # fmt: skip


TOY = Toy(SourceSettings())
MESSAGE = {"id": "m1", "type": "text", "text": "Hi", "time": 1780952383}


def leaves(*messages: dict[str, Any], vocabulary: Any = None, **beside: Any) -> dict[str, Leaf]:
    body = json.dumps({"messages": messages, **beside}).encode()
    return {leaf.pointer: leaf for leaf in explain(TOY, body, vocabulary)}


def verdicts(*messages: dict[str, Any], **beside: Any) -> dict[str, Verdict]:
    return {pointer: leaf.verdict for pointer, leaf in leaves(*messages, **beside).items()}


def test_typed_leaves_name_what_changes() -> None:
    found = leaves(MESSAGE, object="toys")
    assert {leaf.pointer: leaf.paths for leaf in found.values()} == {
        "/messages/0/id": ("data.message.id",),
        "/messages/0/type": ("data.message.content.type",),
        "/messages/0/text": ("data.message.content.text",),
        "/messages/0/time": ("time",),
        "/object": ("number of events",),
    }
    assert {leaf.verdict for leaf in found.values()} == {Verdict.TYPED}


def test_of_several_events_the_changed_one_is_named() -> None:
    assert leaves(MESSAGE, MESSAGE | {"id": "m2"})["/messages/1/id"].paths == ("#1 data.message.id",)


def test_what_only_raw_tells() -> None:
    found = leaves(MESSAGE | {"shoe": 43}, MESSAGE | {"odd": True})
    assert [found["/messages/0/shoe"].verdict, found["/messages/0/shoe"].partial] == [Verdict.RAW, False]
    assert [found["/messages/1/odd"].verdict, found["/messages/1/odd"].partial] == [Verdict.RAW, True]


def test_what_is_outside_of_every_event_is_lost() -> None:
    assert verdicts(MESSAGE, meta={"version": 3})["/meta/version"] is Verdict.LOST


def test_noise_has_a_name_and_a_reason() -> None:
    meta = {"deep": {"version": 3, "padding": {"a": "x"}}, "version": 4}
    found = leaves(MESSAGE | {"meta": meta, "key": {"data": [1]}}, password="open sesame")
    assert {pointer: leaf.reason for pointer, leaf in found.items() if leaf.verdict is Verdict.NOISE} == {
        "/messages/0/meta/deep/version": "of the protocol",
        "/messages/0/meta/deep/padding/a": "filler",
        "/messages/0/key/data/0": "media key, taken out of raw",
        "/password": "credential",
    }
    assert found["/messages/0/meta/version"].verdict is Verdict.RAW, "** is one part at least"


def test_what_an_adapter_drops_as_protocol_noise_is_no_loss() -> None:
    protocol = {"id": "p", "type": "protocol", "session": {"at": 1}}
    alone = leaves(protocol, to={"whom": "x"})
    assert alone["/messages/0/type"].verdict is Verdict.TYPED
    assert alone["/messages/0/session/at"].reason == alone["/to/whom"].reason == "protocol"
    beside = leaves(MESSAGE, protocol, to={"whom": "x"})
    assert beside["/messages/1/session/at"].reason == "protocol"
    assert beside["/to/whom"].verdict is Verdict.LOST


def test_a_closed_vocabulary_is_tried() -> None:
    message = MESSAGE | {"mood": "angry"}
    assert leaves(message)["/messages/0/mood"].verdict is Verdict.RAW
    vocabulary = learn([{"messages": [{"mood": "merry"}]}])
    assert leaves(message, vocabulary=vocabulary)["/messages/0/mood"].verdict is Verdict.TYPED


def test_what_says_nothing_is_no_leaf() -> None:
    assert verdicts(MESSAGE, a=None, b="", c=[], d={}, e=[None]).keys() == verdicts(MESSAGE).keys()


def test_the_document_is_left_as_it_was() -> None:
    assert leaves(MESSAGE, MESSAGE).keys() == leaves(MESSAGE, MESSAGE).keys()


def test_a_fault_of_the_adapter_says_at_which_leaf(monkeypatch: pytest.MonkeyPatch) -> None:
    item = Toy._item

    def brittle(self: Toy, message: dict[str, Any], pointer: str) -> Item:
        assert message["id"] == "m1"
        return item(self, message, pointer)

    monkeypatch.setattr(Toy, "_item", brittle)
    with pytest.raises(AssertionError) as caught:
        leaves(MESSAGE)
    assert caught.value.__notes__ == ["with another value at /messages/0/id"]


def test_a_body_that_is_no_webhook_is_malformed() -> None:
    with pytest.raises(Malformed):
        explain(TOY, b'{"a": 1}')


@pytest.mark.parametrize(
    ("value", "others"),
    [
        pytest.param(True, [False], id="boolean"),
        pytest.param("TRUE", ["FALSE"], id="boolean as text"),
        pytest.param(1, [0, 2], id="one"),
        pytest.param(0, [1, 2], id="zero"),
        pytest.param(-3, [-4, -1], id="negative"),
        pytest.param(1780952383, [1780952382, 1780865983], id="seconds"),
        pytest.param(1780952383123, [1780952382123, 1780865983123], id="milliseconds"),
        pytest.param(38.5, [19.25, 39.5], id="degrees"),
        pytest.param(0.0, [0.5, 1.0], id="no degrees"),
        pytest.param("1780952383", ["1780952382", "1780865983", "1780952384"], id="seconds as text"),
        pytest.param("16505551239", ["16505551238", "16505551240", "16505551230"], id="phone"),
        pytest.param("2026-03-01", ["2026-02-28"], id="date"),
        pytest.param("2026-03-01T10:00:00.000Z", ["2026-02-28T08:58:59.000Z"], id="time"),
        pytest.param("16505551234:7@s.whatsapp.net", ["16505551235:7@s.whatsapp.net"], id="JID"),
        pytest.param("https://a.example/x/y?z=1", ["https://a.example/x/y?g=1"], id="URL"),
        pytest.param("https://a.example", ["https://www.a.example"], id="URL without a path"),
        pytest.param('{"a":{"b":"x"}}', ['{"a":{"b":"y"}}'], id="JSON as text"),
        pytest.param("{not JSON}", ["{not KSON}"], id="not JSON"),
        pytest.param("9fb2", ["9fc2"], id="hex"),
        pytest.param("aGk=", ["aHk="], id="base64"),
        pytest.param("BEGIN:VCARD\nFN:Ann\nEND:VCARD", ["BEGIN:VCARD\nFN:Aon\nEND:VCARD"], id="vCard"),
        pytest.param("नमस्ते", [], id="other scripts"),
        pytest.param("👍", [], id="emoji"),
        pytest.param(" ", ["!"], id="blank"),
    ],
)
def test_variants_are_other_values_of_the_same_kind(value: Any, others: list[Any]) -> None:
    found = list(variants(value))
    assert found[: len(others)] == others
    assert found
    assert all(type(other) is type(value) and other != value for other in found)


def test_words_of_the_same_kind_come_after() -> None:
    assert list(variants("sent", ["read", "sent", 3]))[-1] == "read"
    assert list(variants(4, ["read", 5]))[-1] == 5
    assert "read" not in list(variants("Dear Ms Nélson, 16505551234", ["read"]))


# The project's own fixtures

AIMS = {"cloud_api": 0.99, "on_premises": 0.99}
AIM = 0.97
"""The least share of typed leaves, of device gateways."""
PROVIDERS = [name for name in load_adapters() if payloads(name)]


@cache
def is_strange(provider: str, path: Path) -> bool:
    """Whether the payload is spoilt on purpose, or has members, words and types that do not exist."""
    adapter = adapter_for(provider, path)
    parsed = adapter.parse(RawRequest(headers={}, body=adapter.redact(path.read_bytes()), received_at=RECEIVED))
    return bool(parsed.notes.drift) or any(unknown_in(item.type, item.data) for item in parsed.items)


@cache
def outcome(provider: str, strange: bool) -> Outcome:
    paths = [path for path in payloads(provider) if is_strange(provider, path) is strange]
    return measure(provider, paths, {path: adapter_for(provider, path) for path in paths})


def gaps(found: Outcome, verdict: Verdict) -> dict[str, str]:
    return {pattern: gap.example for (kind, pattern), gap in found.gaps.items() if kind is verdict}


@pytest.mark.parametrize("strange", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_leaf_of_a_fixture_is_lost(provider: str, strange: bool) -> None:
    found = outcome(provider, strange)
    assert found.exceptions == []
    assert found.malformed == []
    assert gaps(found, Verdict.LOST) == {}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_nearly_every_leaf_of_a_fixture_is_typed(provider: str) -> None:
    found = outcome(provider, strange=False)
    assert found.payloads > len(payloads(provider)) / 2
    assert found.share >= AIMS.get(provider, AIM), gaps(found, Verdict.RAW)


# The command, and the measurement of a directory


def explained(*options: str, body: bytes | None = None) -> Result:
    path = FIXTURES / "cloud_api" / "text.json"
    arguments = ["--provider", "cloud_api", "--explain", *options, "-" if body is not None else str(path)]
    return CliRunner().invoke(normalize, arguments, input=body)


def test_the_command_explains_a_body() -> None:
    done = explained()
    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    [line] = [line for line in lines if line.startswith("/entry/0/changes/0/value/messages/0/text/body ")]
    assert line.split() == ["/entry/0/changes/0/value/messages/0/text/body", "typed", "data.message.content.text"]
    assert len({line.index("typed") for line in lines[:-1] if " typed " in line}) == 1, "columns are aligned"
    assert lines[-1].startswith(f"{len(lines) - 1} leaves: ")


def test_the_command_explains_in_json() -> None:
    told = [json.loads(line) for line in explained("--json").stdout.splitlines()]
    assert {"pointer": "/entry/0/id", "verdict": "typed", "paths": ["data.channel.account_id"]} in told


def test_the_command_names_bodies_that_it_cannot_explain() -> None:
    done = explained(body=b"[1]")
    assert done.exit_code == 1
    assert "<stdin>: not a webhook of cloud_api" in done.stderr


def test_json_is_for_explanations() -> None:
    done = CliRunner().invoke(normalize, ["--provider", "cloud_api", "--json", "-"])
    assert (done.exit_code, "--json goes with --explain" in done.stderr) == (2, True)


def test_the_table_and_its_summary() -> None:
    shown = list(table(list(leaves(MESSAGE | {"shoe": 43}, padding="x").values())))
    assert shown[-2:] == [
        "/padding          noise  filler",
        "6 leaves: 4 typed, 1 raw, 1 noise, 0 lost; 80.0% typed of what is not noise",
    ]
    assert shown[-3] == "/messages/0/shoe  raw    in raw, which is sent only with `raw: always`"
    assert summary(Counter()) == "0 leaves: 0 typed, 0 raw, 0 noise, 0 lost; 100.0% typed of what is not noise"
    assert share_typed(Counter({Verdict.TYPED: 3, Verdict.LOST: 1, Verdict.NOISE: 9})) == 0.75


def test_measuring_counts_what_it_finds(tmp_path: Path) -> None:
    bodies = {
        "one.json": {"messages": [MESSAGE | {"shoe": 43}, MESSAGE | {"shoe": 44}]},
        "two.json": {"messages": "no list of objects"},
        "three.json": {"nothing": True},
    }
    for name, body in bodies.items():
        (tmp_path / name).write_text(json.dumps(body))
    paths = sorted(tmp_path.glob("*.json"))
    found = measure("toy", paths, dict.fromkeys(paths, TOY))
    assert (found.payloads, found.events, found.envelope_only) == (3, {"whatsapp.message.received": 2}, 2)
    assert [line.split(":")[0] for line in found.exceptions + found.malformed] == ["two.json", "three.json"]
    [((verdict, pattern), gap)] = found.gaps.items()
    assert (verdict, pattern, gap.count, gap.example) == (Verdict.RAW, "/messages/*/shoe", 2, "one.json")


def test_composed_payloads_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "INDEX.md").write_text(
        "| file | kind | label | source |\n|---|---|---|---|\n| toy/a.json | a | verbatim | x |\n"
        "| toy/b.json | b | composed | x |\n| toy/c.json | c | composed-by-source | x |\n"
    )
    assert left_out(tmp_path) == {"toy/b.json", "toy/c.json"}
