"""What a bulk request can get wrong: every file that spreadsheets make, every rule of a single create for each row. Refused, it
writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dateline.domain.instants import rfc3339
from dateline.domain.sheet import read_csv, write_csv
from local.seed import LIVE_KEY
from tests.api_checks import nothing_written, refused
from tests.harness import Dateline
from tests.integration.bulk_scene import (
    TOMORROW,
    Row,
    csv_of,
    imported,
    plain,
    row,
    send,
)
from tests.integration.test_api_bad_input import CONTENT, SHAPES, TIMES

WHEN = rfc3339(TOMORROW)


@pytest.fixture(scope="module")
def dateline() -> Iterator[Dateline]:
    """For what is refused: one stack for all of it."""
    with Dateline() as running:
        running.second_workspace()
        yield running


# Files as spreadsheets make them

FILES: dict[str, tuple[str | bytes, list[str]]] = {
    "with a byte order mark": ("\ufefftext,profile_ids\r\nHello,prof_x\r\n", ["Hello"]),
    "with semicolons": ("\ufefftext;profile_ids;labels\r\nHello, you;prof_x;\"a;b\"\r\n", ["Hello, you"]),
    "with tabs": ("text\tprofile_ids\nHello\tprof_x\n", ["Hello"]),
    "with the line ends of an old Mac": ("text,profile_ids\rOne,prof_x\rTwo,prof_x\r", ["One", "Two"]),
    "without an end of the last line": ("text,profile_ids\nOne,prof_x\nTwo,prof_x", ["One", "Two"]),
    "with line breaks in a cell": ('text,profile_ids\r\n"One\r\nmore\n",prof_x\r\n', ["One\r\nmore\n"]),
    "with typographic quotes": ("text,profile_ids\n“Hello”,prof_x\n", ["“Hello”"]),
    "with doubled quotes": ('text,profile_ids\n"He said ""Hi"", twice",prof_x\n', ['He said "Hi", twice']),
    "in another order and in capitals": ("Profile_IDs, TEXT \nprof_x,Hello\n", ["Hello"]),
    "with blank rows and short ones": ("text,profile_ids,labels\n,,\nOne\n\n;;\nTwo,,\n", ["One", ";;", "Two"]),
    "with formulas": ("text,profile_ids\n=1+1,prof_x\n'=2,prof_x\n", ["=1+1", "'=2"]),
    "with emoji": ("text,profile_ids\n👨‍👩‍👧 日本語 é,prof_x\n".encode(), ["👨‍👩‍👧 日本語 é"]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_as_it_is_meant(dateline: Dateline, name: str) -> None:
    data, wanted = FILES[name]
    planned = send(dateline, data, "?dryRun=true").json()
    assert (planned["created"], planned["failed"]) == (len(wanted), 0), planned
    made = imported(dateline, data)
    assert [dateline.read(one["id"])["text"] for one in made["rows"]] == wanted


def test_the_line_of_each_row_is_told(dateline: Dateline) -> None:
    file = 'text,profile_ids\r\n"A\r\nB",prof_nobody\r\n\r\nC,prof_nobody\r\n'
    planned = send(dateline, file, "?dryRun=true").json()
    assert [(one["row"], one["line"]) for one in planned["rows"]] == [(1, 2), (2, 5)]
    assert [one["errors"][0]["pointer"] for one in planned["rows"]] == ["/0/profileIds/0", "/1/profileIds/0"]


UNREADABLE: dict[str, tuple[str | bytes, str, dict[str, Any]]] = {
    "nothing": ("", "The file is empty", {}),
    "a byte order mark": ("\ufeff", "The file is empty", {}),
    "blank lines": ("\r\n , \r\n", "The file is empty", {}),
    "a header alone": ("text,profile_ids\r\n", "no rows below it", {}),
    "no header": ("Hello world,prof_x\nHello again,prof_x\n", "The first row is the header", {}),
    "a column that is none": ("text,profile_ids,scheduled_at\na,prof_x,b\n", "Did you mean scheduled_for?", {}),
    "a column twice": ("text,TEXT\na,b\n", "twice", {}),
    "no column that says anything": ("profile_ids\nprof_x\n", "there must be text or thread", {}),
    "an open quote": ('text,profile_ids\n"Hello,prof_x\nMore,prof_x\n', "is never closed", {"line": 2}),
    "text after a quote": ('text,profile_ids\n"Say "hi",prof_x\n', "text follows a closing quote", {"line": 2}),
    "UTF-16": ("text,profile_ids\nHello,prof_x\n".encode("utf-16"), "Unicode text", {}),
    "Windows-1252": ("text,profile_ids\nHall\xe9,prof_x\n".encode("cp1252"), "0xE9", {"line": 2}),
    "a workbook": (b"PK\x03\x04" + b"\0" * 30, "workbook", {}),
    "a NUL": ("text,profile_ids\nA\0B,prof_x\n", "NUL", {"line": 2}),
    "1,001 rows": ("text\n" + "a\n" * 1001, "At most 1,000 rows are taken at once; these are 1,001", {"rows": 1001}),
}


@pytest.mark.parametrize("query", ["", "?dryRun=true", "?onError=skip"])
@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole_and_says_where(dateline: Dateline, name: str, query: str) -> None:
    data, said, members = UNREADABLE[name]
    with nothing_written(dateline):
        answer = send(dateline, data, query)
    problem = answer.json()
    assert (answer.status, problem["code"]) == (400, "invalid_request") and said in problem["detail"], problem
    assert {**problem, **members} == problem


ARRAYS: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "not valid JSON"), "a word": ("null", "must be a JSON array"), "an object": ("{}", "POST /v1/posts"),
    "no rows": ("[]", "The array is empty"), "half of it": ('[{"text": "a"}', "not valid JSON"),
    "two": ("[][]", "not valid JSON"), "no UTF-8": (b'[{"text": "\xff"}]', "UTF-8"),
    "very deep": ("[" * 100_000, "nested too deeply"), "1,001 rows": (json.dumps([{"text": "a"}] * 1001), "these are 1,001"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_that_cannot_be_read_is_refused_as_a_whole(dateline: Dateline, name: str) -> None:
    data, said = ARRAYS[name]
    with nothing_written(dateline):
        answer = dateline.api("POST", "/v1/posts/bulk", data)
    assert (answer.status, answer.json()["code"]) == (400, "invalid_request") and said in answer.json()["detail"], answer.body


def test_a_thousand_rows_are_read(dateline: Dateline) -> None:
    assert send(dateline, "text\n" + "a\n" * 1000, "?dryRun=true").json()["created"] == 1000


@pytest.mark.parametrize("kind", ["text/csv", "application/json"])
def test_a_body_above_four_megabytes_is_413(dateline: Dateline, kind: str) -> None:
    start, end = ("text\n", "\n") if kind == "text/csv" else ('[{"text": "', '"}]')
    for size in (4_000_001, 5_900_000):
        body = start + "a" * (size - len(start) - len(end)) + end
        with nothing_written(dateline):
            refused(dateline.api("POST", "/v1/posts/bulk", body, headers={"content-type": kind}), "too_large", limit=4_000_000)
    body = start + "a" * (4_000_000 - len(start) - len(end)) + end
    answer = dateline.api("POST", "/v1/posts/bulk?dryRun=true", body, headers={"content-type": kind})
    assert answer.status in (200, 400), "read, and the row is too long"


@pytest.mark.parametrize("kind", ["text/plain", "text/tab-separated-values", "multipart/form-data; boundary=x", "text/xml"])
def test_a_body_of_another_type_is_415(dateline: Dateline, kind: str) -> None:
    with nothing_written(dateline):
        answer = dateline.api("POST", "/v1/posts/bulk", "text\na\n", headers={"content-type": kind})
    assert "text/csv" in refused(answer, "unsupported_media_type")["detail"]


@pytest.mark.parametrize("kind", ["text/csv; charset=utf-8", "Text/CSV;header=present", "application/json; charset=utf-8", ""])
def test_the_types_may_be_written_otherwise(dateline: Dateline, kind: str) -> None:
    body = "text\na\n" if "csv" in kind.lower() else '[{"text": "a"}]'
    answer = dateline.api("POST", "/v1/posts/bulk?dryRun=true", body, headers={"content-type": kind})
    assert (answer.status, answer.json()["created"]) == (200, 1)


# Every rule of a single create

SINGLES: dict[str, Any] = {**{name: case[0] for name, case in {**TIMES, **CONTENT}.items()}, **{
    name: case[0] for name, case in SHAPES.items() if isinstance(case[0], dict)
}}


@pytest.mark.parametrize("name", SINGLES)
def test_a_row_is_refused_exactly_as_a_single_create_would_be(dateline: Dateline, name: str) -> None:
    body = SINGLES[name]
    single = dateline.api("POST", "/v1/posts", json.dumps(body)).json()
    with nothing_written(dateline):
        answer = dateline.api("POST", "/v1/posts/bulk", json.dumps([row(0), body, row(2)]))
    problem = refused(answer, single["code"], "/1" + single["errors"][0]["pointer"])
    assert plain(problem) == [(f"/1{pointer}", code) for pointer, code in plain(single)]
    assert [error["detail"] for error in problem["errors"]] == [error["detail"] for error in single["errors"]]
    assert {error["row"] for error in problem["errors"]} == {2}
    assert {**problem, **{k: v for k, v in single.items() if k not in ("detail", "instance", "errors")}} == problem


IN_A_FILE = [
    name for name in (*TIMES, *CONTENT)
    if "publishNow" not in SINGLES[name] and read_csv(write_csv([SINGLES[name]]).encode())[0].body == SINGLES[name]
]
"""What a file can hold: not every wrong body can be written down as a sheet."""


def test_most_wrong_bodies_can_stand_in_a_file() -> None:
    assert len(IN_A_FILE) > 30


@pytest.mark.parametrize("name", IN_A_FILE)
def test_in_a_file_the_fault_names_its_column_as_well(dateline: Dateline, name: str) -> None:
    file = write_csv([row(0), SINGLES[name]])
    with nothing_written(dateline):
        problem = send(dateline, file).json()
    assert plain(problem) == plain(send(dateline, [row(0), SINGLES[name]]).json())
    header = file.partition("\r\n")[0].split(",")
    for error in problem["errors"]:
        assert error["column"] in header and error["pointer"].startswith("/1/") and error["row"] == 2


COLUMN: dict[str, tuple[str, str, str]] = {
    "a column of one option": (
        f"Text,Profile_IDs,Scheduled_For,Platforms.Mastodon.text\na,prof_mastodon,{WHEN},{'a' * 501}\n",
        "/0/platforms/mastodon/text", "Platforms.Mastodon.text",
    ),
    "the column of all options": (
        write_csv([row(0, platforms={"mastodon": {"text": "a" * 501}})]),
        "/0/platforms/mastodon/text", "platforms",
    ),
    "as it is spelled in the file": (f"TEXT,Profile_ids,scheduled_for\na,prof_nobody,{WHEN}\n", "/0/profileIds/0", "Profile_ids"),
    "in its own words where the file lacks it": (f"text,scheduled_for\na,{WHEN}\n", "/0/profileIds", "profile_ids"),
    "the alternative text": (
        f"text,media_urls,media_types,Alt_Texts\na,https://a.example/b.jpg,hologram,{'a' * 4001}\n",
        "/0/media/0/altText", "Alt_Texts",
    ),
    "a cell that is no JSON": ("text,metadata\na,{'a': 1}\n", "/0/metadata", "metadata"),
}


@pytest.mark.parametrize("name", COLUMN)
def test_the_column_is_named_as_the_file_has_it(dateline: Dateline, name: str) -> None:
    file, pointer, column = COLUMN[name]
    with nothing_written(dateline):
        problem = send(dateline, file).json()
    assert (pointer, column) in [(error["pointer"], error["column"]) for error in problem["errors"]], problem


def test_a_row_that_is_no_object_and_one_of_rubbish_are_told_apart(dateline: Dateline) -> None:
    rows = json.dumps([row(0), 7, None, [], "text", {}])
    with nothing_written(dateline):
        problem = refused(dateline.api("POST", "/v1/posts/bulk", rows), "invalid_request", "/1")
    assert [error["pointer"] for error in problem["errors"]] == ["/1", "/2", "/3", "/4"], "an empty object is an empty draft"


def test_a_reservation_is_not_for_a_bulk_request(dateline: Dateline) -> None:
    with nothing_written(dateline):
        refused(send(dateline, [row(0, queueId="queue_1", reservationId="resv_1")]), "invalid_request", "/0/reservationId")
        refused(send(dateline, [row(0, queueId="queue_1"), row(1, queueId="queue_1")]), "not_found", "/1/queueId")


def test_a_queue_that_is_none_is_looked_for_once(dateline: Dateline) -> None:
    def asked(rows: list[Row]) -> int:
        with dateline.stack.counting() as calls:
            refused(send(dateline, rows), "not_found", "/0/queueId")
        return calls["dynamodb", "GetItem"]

    missing = [row(n, queueId="queue_01K0000000000000000000000A") for n in range(50)]
    assert asked(missing) == asked(missing[:1])


def test_a_file_says_as_much_about_its_rows_as_an_array(dateline: Dateline) -> None:
    rows = [row(0), row(1, "prof_nobody"), row(2, scheduledFor="tomorrow")]
    by_array, by_file = (send(dateline, how).json() for how in (rows, csv_of(rows)))
    without = [{name: value for name, value in error.items() if name != "column"} for error in by_file["errors"]]
    assert without == by_array["errors"] and [error["column"] for error in by_file["errors"]] == ["profile_ids", "scheduled_for"]


def test_the_key_of_the_request_is_asked_before_the_body_is_read(dateline: Dateline) -> None:
    assert send(dateline, "rubbish", key=None).status == 401
    assert send(dateline, "rubbish", key=LIVE_KEY).status == 400
