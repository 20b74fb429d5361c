"""The parts of bench/ that need no servers: counting, statistics, drawing."""

from __future__ import annotations

import hmac
from pathlib import Path
from xml.etree import ElementTree

import orjson
import pytest

from bench import plots
from bench.figures import Row, Sample, pair, quantile, spread, table
from bench.measures import MEASURES
from bench.messages import APP_SECRET, batches, requests
from bench.runs import in_turns
from bench.sink import Counter
from bench.svg import Axis, Line, Plot, decades, steps

SINGLE = b"post / http/1.1\r\ncontent-type: application/cloudevents+json\r\nwebhook-id: %b\r\n"
BATCH = b"post / http/1.1\r\ncontent-type: application/cloudevents-batch+json; charset=utf-8\r\nwebhook-id: b\r\n"


def test_the_sink_counts_events_and_not_requests() -> None:
    counter = Counter()
    counter.count(SINGLE % b"1", b"{}")
    counter.count(SINGLE % b"1", b"{}")
    counter.count(BATCH, orjson.dumps([{"id": "1"}, {"id": "2"}, {"id": "2", "revision": 2}]))
    figures = counter.figures()
    assert (figures.requests, figures.received, figures.distinct) == (3, 5, 4)
    assert 0 < figures.first <= figures.last
    counter.forget_first()
    assert counter.figures().first == 0


def test_messages_are_distinct_signed_and_go_to_the_paths_in_turns() -> None:
    made = [*requests(0, 4, ["/a", "/b"]), *batches(10, 2, 3)]
    ids = []
    for request in made:
        head, _, body = request.partition(b"\r\n\r\n")
        signature = hmac.new(APP_SECRET.encode(), body, "sha256").hexdigest()
        assert f"X-Hub-Signature-256: sha256={signature}".encode() in head
        assert f"Content-Length: {len(body)}\r\n".encode() in head
        value = orjson.loads(body)["entry"][0]["changes"][0]["value"]
        ids += [message["id"] for message in value["messages"]]
        assert [one["wa_id"] for one in value["contacts"]] == [message["from"] for message in value["messages"]]
    assert len(set(ids)) == len(ids) == 4 + 2 * 3
    assert [request.split()[1] for request in made[:4]] == [b"/a", b"/b", b"/a", b"/b"]


def test_contenders_take_turns_in_both_orders() -> None:
    order: list[str] = []

    def contender(name: str, rate: float) -> Sample:
        order.append(name)
        return Sample(rate, 1)

    ours, peers = in_turns(3, lambda: contender("ours", 1), lambda: contender("peer", 2))
    assert order == ["ours", "peer", "peer", "ours", "ours", "peer"]
    assert ([one.rate for one in ours], [one.rate for one in peers]) == ([1] * 3, [2] * 3)


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    ours, peers = [Sample(50, 20), Sample(90, 20), Sample(60, 21)], [Sample(100, 10), Sample(100, 10), Sample(200, 9)]
    row = pair("accept", "req/s", ours, peers, 0.6, "")
    assert (row.value, row.met) == (0.5, False)
    assert row.cells() == ("accept", "60 req/s", "100 req/s", "0.50 (0.30 to 0.90)", "≥ 0.6, MISSED", "20 vs 10")
    assert row.as_json()["ratios"] == [0.5, 0.9, 0.3]


def test_limits_and_quantiles() -> None:
    assert Row("memory", "", value=120, at_most=120).met
    assert Row("memory", "").met is None
    assert quantile([4, 1, 3, 2], 0.5) == 3
    assert quantile(range(100), 0.99) == 99
    assert spread([3, 1, 2], 1) == "2.0 (1.0 to 3.0)"


def test_the_table_is_markdown() -> None:
    lines = table([Row("a", "1 µs"), Row("end to end", "2")]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[2].startswith("| a          | 1 µs |")


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        (1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (9_900, [0, 2000, 4000, 6000, 8000, 10_000]),
        (31_385, [0, 10_000, 20_000, 30_000, 40_000]),
    ],
)
def test_ticks_are_round_and_reach_the_most(most: float, ticks: list[float]) -> None:
    assert steps(most) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("least", "most", "ticks"),
    [
        (0.06, 3, [0.05, 0.1, 0.2, 0.5, 1, 2, 5]),
        (1, 1, [1, 2]),
        (5, 10, [5, 10]),
        (11, 90, [10, 20, 50, 100]),
    ],
)
def test_logarithmic_ticks_embrace_the_values(least: float, most: float, ticks: list[float]) -> None:
    assert decades(least, most) == pytest.approx(ticks)


def test_points_lie_where_their_axes_say() -> None:
    plot = Plot("", Axis("", (0, 10), str), Axis("", (1, 10, 100), str, logarithmic=True))
    (left, bottom), (right, top) = plot.place((0, 1)), plot.place((10, 100))
    assert plot.place((5, 10)) == pytest.approx(((left + right) / 2, (bottom + top) / 2))
    assert left < right
    assert top < bottom, "upwards is less"


def test_the_first_line_is_drawn_last_and_text_is_escaped() -> None:
    lines = [Line("ours & all", 0, [(0, 0), (1, 1)]), Line("peer", 1, [(0, 1), (1, 0)])]
    drawn = Plot("<rates>", Axis("x", (0, 1), str), Axis("y", (0, 1), str), lines).svg()
    ElementTree.fromstring(drawn)
    assert "&lt;rates&gt;" in drawn
    assert "ours &amp; all" in drawn
    assert drawn.index('"line c1"') < drawn.index('"line c0"')


def test_both_plots_are_made_of_a_run(tmp_path: Path) -> None:
    points = [{"share": 0.1, "offered": 10, "achieved": 10, "p50_ms": 0.5, "p99_ms": 1.5}]
    points += [{"share": 1.0, "offered": 100, "achieved": 99, "p50_ms": 5, "p99_ms": 50}]
    curve = {"capacity": 100, "points": points}
    rows = [{"measure": "accept"}, {"measure": "curve", "curves": {"gateway": curve, "bare": curve}}]
    paths = plots.write({"rows": rows}, tmp_path)
    assert [path.name for path in paths] == ["performance-throughput.svg", "performance-latency.svg"]
    texts = [text for path in paths for text in ElementTree.parse(path).getroot().itertext()]
    assert {"requests a second, offered", "answers a second", "milliseconds", "wa-gateway, p99"} <= set(texts)
    with pytest.raises(LookupError, match="curve"):
        plots.write({"rows": rows[:1]}, tmp_path)


def test_measures_have_names_of_their_own_and_the_plots_theirs() -> None:
    names = [measure.name for measure in MEASURES]
    assert len(set(names)) == len(names)
    assert plots.MEASURE in names
