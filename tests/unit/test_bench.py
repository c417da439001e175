"""The bench counts as AWS bills: sizes, units, index writes, and the sums made of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tools.bench.__main__ import aimed, table
from tools.bench.bulk import Carried
from tools.bench.cost import (
    AWS_CALL,
    CPU_MEMORY,
    GB_SECOND,
    LOG_GB,
    LOG_OF_INVOCATION,
    NETWORK_CALL,
    PRICES,
    TEXT,
    bill,
    billed_seconds,
)
from tools.bench.meter import Call, Part, Run
from tools.bench.punctuality import summary
from tools.bench.units import Index, index_units, number_size, read_units, size, write_units

ALL = Index("all", ("ws", "at"), None)
KEYS = Index("keys", ("ws_status", "at"), frozenset())
SPARSE = Index("sparse", ("due",), frozenset())


def post(status: str = "scheduled", *, body: int = 0, due: str | None = "1") -> dict[str, dict[str, Any]]:
    item: dict[str, dict[str, Any]] = {
        "id": {"S": "p"}, "ws": {"S": "w"}, "at": {"S": "2027"}, "ws_status": {"S": status}, "body": {"B": b"x" * body},
    }
    return item if due is None else {**item, "due": {"S": due}}


@pytest.mark.parametrize(("text", "bytes_"), [("0", 1), ("7", 2), ("12", 2), ("123", 3), ("-7", 3), ("1500", 2), ("0.0025", 2)])
def test_a_number_takes_a_byte_for_two_significant_digits_and_one_more(text: str, bytes_: int) -> None:
    assert number_size(text) == bytes_


def test_an_item_is_as_large_as_its_names_and_values() -> None:
    assert size({"é": {"S": "né"}}) == 2 + 3
    assert size({"b": {"B": b"abc"}}) == size({"b": {"B": "YWJj"}}) == 1 + 3
    assert size({"l": {"L": [{"S": "ab"}, {"BOOL": True}]}}) == 1 + 3 + (1 + 2) + (1 + 1)
    assert size({"m": {"M": {"k": {"N": "12"}}}}) == 1 + 3 + (1 + 1 + 2)
    assert size({"s": {"SS": ["ab", "c"]}, "n": {"NULL": True}}) == 1 + 3 + 1 + 1


def test_a_write_pays_for_each_begun_kilobyte_of_the_larger_state_and_double_in_a_transaction() -> None:
    small, large = {"k": {"B": b"x" * 1023}}, {"k": {"B": b"x" * 1024}}
    assert write_units(None, small) == 1
    assert write_units(small, large) == write_units(large, small) == write_units(large, None) == 2
    assert write_units(None, large, transaction=True) == 4
    assert write_units(None, None) == 1


def test_reads_round_up_each_item_got_and_the_whole_of_a_query() -> None:
    assert read_units([100, 5000], consistent=True) == 3
    assert read_units([100, 5000], consistent=False, together=True) == 1
    assert read_units([], consistent=False) == 0.5
    assert read_units([100], consistent=True, transaction=True) == 2


def test_an_index_pays_once_for_a_new_entry_and_for_one_that_goes() -> None:
    for before, after in ((None, post()), (post(), None), (post(due=None), post()), (post(), post(due=None))):
        assert index_units(SPARSE, ["id"], before, after) == 1
    assert index_units(SPARSE, ["id"], post(due=None), post(due=None)) == 0


def test_an_index_pays_twice_for_a_changed_key_and_nothing_for_what_it_does_not_hold() -> None:
    before, after = post(), post("queued", body=10)
    assert index_units(KEYS, ["id"], before, after) == 2
    assert index_units(SPARSE, ["id"], before, after) == 0
    assert index_units(ALL, ["id"], before, after) == 1
    assert index_units(ALL, ["id"], before, post(body=3000)) == 3
    assert index_units(ALL, ["id"], before, post()) == 0


def test_a_set_that_is_only_in_another_order_is_no_index_write() -> None:
    one: dict[str, dict[str, Any]] = {"tags": {"SS": ["a", "b"]}}
    other: dict[str, dict[str, Any]] = {"tags": {"SS": ["b", "a"]}}
    assert index_units(ALL, ["id"], post() | one, post() | other) == 0


def run(function: str, *calls: Call, own: float = 0.001) -> Run:
    return Run(function, seconds=own + 1, outside=1, logged=100, calls=list(calls))


def written(table: str, units: int, *, refused: bool = False) -> Call:
    return Call("dynamodb", "PutItem", table, 0.0, (Part(table, units, {}, 500),), refused, 0)


def read(operation: str, units: float) -> Call:
    return Call("dynamodb", operation, "posts", units, (), False, 0)


def test_billed_time_is_own_time_at_the_memorys_speed_and_assumed_time_for_calls() -> None:
    one = run("deliver", written("posts", 1), Call("x", "POST", "", 0.0, (), False, 0), own=0.002)
    assert billed_seconds(one, CPU_MEMORY // 2) == pytest.approx(0.004 + AWS_CALL + NETWORK_CALL, rel=1e-2)
    assert billed_seconds(one, 10_000) == pytest.approx(0.002 + AWS_CALL + NETWORK_CALL)


def test_a_bill_counts_every_service_once_and_names_each_write() -> None:
    runs = [
        run("api", written("posts", 5), written("bookings", 2)),
        run("publish", written("posts", 6), Call("sqs", "SendMessageBatch", "", 0.0, (), False, 65 * 1024)),
        run("deliver", written("profiles", 2), written("posts", 1, refused=True), written("posts", 4), written("posts", 3)),
        run("sweep", read("Query", 2.0), read("GetItem", 1.0)),
    ]
    made = bill(runs, dict.fromkeys(("api", "publish", "deliver", "sweep"), 1024))
    assert made.writes == {
        "create": 5, "bookings": 2, "queued": 6, "token refresh": 2, "refused, written again": 1, "claim": 4, "outcome": 3
    }
    assert made.reads == {"sweep: posts": 1.0}, "the sweep's queries are no post's"
    assert made.requests["SQS"] == 2 + 2, "65 KB are two requests; a message is received and deleted"
    assert made.requests["Lambda requests"] == 3 and made.requests["HTTP API"] == made.requests["Scheduler"] == 1
    dollars = made.dollars()
    assert dollars["DynamoDB writes"] == pytest.approx(23 * PRICES["DynamoDB writes"])
    assert dollars["Lambda GB-seconds"] == pytest.approx(made.gb_seconds * GB_SECOND * 1e6)
    # A million posts: kilobytes of log a post are gigabytes.
    assert dollars["CloudWatch Logs"] == pytest.approx((3 * (LOG_OF_INVOCATION + 100) + 300) / 1000 * LOG_GB)


def test_the_measured_text_has_two_hundred_characters() -> None:
    assert len(TEXT) == 200


def test_lateness_is_summed_up_with_what_was_early_or_never_came() -> None:
    found = summary("some", [-0.1, 0.2, 0.4], 5)
    assert (found.p50, found.most, found.early, found.missing) == (0.2, 0.4, 1, 2)
    assert summary("one", [0.3], 1)[1:] == (0.3, 0.3, 0.3, 0, 0)
    assert summary("none", [], 2).missing == 2


def test_the_table_says_where_an_aim_is_missed() -> None:
    assert (aimed(3, 3), aimed(4, 3), aimed(4, None)) == ("3", "3 MISSED", "")
    lines = list(table([("calls", "4", aimed(4, 3))]))
    assert len({len(line) for line in lines}) == 1 and "3 MISSED" in lines[-1]


def test_waiting_side_by_side_takes_a_round_for_so_many_and_a_processor_is_not_shared() -> None:
    calls = Counter({"TransactWriteItems": 10, "CreateSchedule": 33, "Query": 4})
    one = Carried("import", 33, calls, Counter({16: 33, 2: 4}), own=1.0, botocore=0.5, written=0, memory=CPU_MEMORY // 2)
    assert one.sequential == 10
    assert one.waiting() == pytest.approx(AWS_CALL * (10 + 3 + 2))
    least, most = one.deployed()
    assert least == pytest.approx(1.0 * CPU_MEMORY / (CPU_MEMORY // 2) + one.waiting())
    assert most - least == pytest.approx(0.5 * CPU_MEMORY / (CPU_MEMORY // 2))
