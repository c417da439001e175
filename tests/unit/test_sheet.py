"""What a file of posts is read as, and what is said of one that cannot be read."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from dateline.api.shapes import PostIn
from dateline.domain.errors import Problem
from dateline.domain.sheet import MOST_ROWS, SheetRow, read_csv, read_json, write_csv
from dateline.domain.sheet_columns import COLUMNS, column_of

CONTRACT = (
    "text, thread, profile_ids, scheduled_for, timezone, fold, media_urls, media_types, alt_texts, labels, metadata, "
    "first_comment, max_lateness, on_late, on_segment_failure, platforms"
)


def read(text: str) -> list[SheetRow]:
    return read_csv(text.encode())


def sheet(*records: list[str], delimiter: str = ",") -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(records)
    return out.getvalue().encode()


def one(header: str, *cells: str) -> SheetRow:
    """The row of a file with one row."""
    (row,) = read_csv(sheet(header.split(","), list(cells)))
    return row


def refusal(data: bytes | str) -> Problem:
    with pytest.raises(Problem) as caught:
        read_csv(data.encode() if isinstance(data, str) else data)
    assert caught.value.code == "invalid_request"
    return caught.value


def fault(row: SheetRow) -> tuple[str, str, str | None]:
    """Pointer, detail and column of the row's only error."""
    (error,) = row.errors
    assert error.code == "invalid_request"
    return error.pointer, error.detail, error.extra.get("column")


def test_the_columns_are_the_contract_s_in_its_order_and_then_two_of_our_own() -> None:
    assert ", ".join(column.name for column in COLUMNS) == CONTRACT + ", queue_id, allow_duplicate"


def test_every_column_is_a_member_of_a_create_body() -> None:
    members = {field.alias for field in PostIn.model_fields.values()}
    # publishNow is no matter of a sheet, and a reservation is for one post.
    assert {column.path[0] for column in COLUMNS} | {"publishNow", "reservationId"} == members


def test_a_row_becomes_the_create_body_that_json_would_send() -> None:
    data = sheet(
        [column.name for column in COLUMNS],
        [
            "", '[{"text": "1/2"}, {"text": "2/2", "media": []}]', "prof_a;prof_b", "2027-06-15T09:00:00", "America/New_York",
            "0", "https://cdn.example.com/launch.jpg", "image", "A rocket\\; seen from below", "launch", '{"crmId": "42"}',
            "First!", "PT30M", "publish", "resume", '{"threads": {"replyControl": "everyone"}}', "queue_1", "false",
        ],
    )
    (row,) = read_csv(data)
    assert row == SheetRow(
        1, 2,
        {
            "thread": [{"text": "1/2"}, {"text": "2/2", "media": []}], "profileIds": ["prof_a", "prof_b"],
            "scheduledFor": "2027-06-15T09:00:00", "timezone": "America/New_York", "fold": 0,
            "media": [{"url": "https://cdn.example.com/launch.jpg", "type": "image", "altText": "A rocket; seen from below"}],
            "labels": ["launch"], "metadata": {"crmId": "42"}, "firstComment": "First!", "maxLateness": "PT30M",
            "onLate": "publish", "onSegmentFailure": "resume", "platforms": {"threads": {"replyControl": "everyone"}},
            "queueId": "queue_1", "allowDuplicate": False,
        },
        (),
    )


def test_an_empty_cell_is_an_absent_member_and_so_is_one_of_blanks_where_blanks_mean_nothing() -> None:
    for column in COLUMNS:
        if column.name != "text":
            blank = "" if column.kind == "text" else "  "
            assert one(f"text,{column.name}", "Hello", blank) == SheetRow(1, 2, {"text": "Hello"}), column.name


def test_text_is_taken_letter_for_letter() -> None:
    texts = (" a ", "'quoted", '="00123"', "“typographic”", "a\nb\r\nc\rd", "x\ty;z\\;", "\ufeffmark", "true", "{}", "a\u2028")
    for text in texts:
        row = one("text,first_comment,platforms.x.text", text, text, text)
        assert row.body == {"text": text, "firstComment": text, "platforms": {"x": {"text": text}}}


def test_a_time_that_a_spreadsheet_rewrote_is_left_to_the_rules_of_time() -> None:
    assert one("text,scheduled_for", "Hello", "2027-06-15 09:00").body["scheduledFor"] == "2027-06-15 09:00"


def test_rows_count_from_one_and_know_their_line_whatever_stands_between() -> None:
    rows = read('\n,,\ntext,labels\r\n"one\n\nmore",a\r\n\r\n , \r\ntwo,b\rthree,c')
    assert [(row.number, row.line, row.body["text"]) for row in rows] == [(1, 4, "one\n\nmore"), (2, 9, "two"), (3, 10, "three")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_header_tells_the_delimiter_and_lists_work_under_each(delimiter: str) -> None:
    data = sheet(["labels", "text", "profile_ids"], ["a;b\\;c", "x, y; z\tw", "prof_a; prof_b"], delimiter=delimiter)
    (row,) = read_csv(data)
    assert row.body == {"labels": ["a", "b;c"], "text": "x, y; z\tw", "profileIds": ["prof_a", "prof_b"]}


def test_a_header_of_one_column_needs_no_delimiter() -> None:
    assert [row.body for row in read("text\nHello")] == [{"text": "Hello"}]
    assert [row.body for row in read('"platforms.x.text"\nHello')] == [{"platforms": {"x": {"text": "Hello"}}}]


def test_header_names_may_have_capitals_blanks_and_quotes_and_a_byte_order_mark_before_them() -> None:
    (row,) = read_csv('\ufeff" Text ",PROFILE_IDS , Platforms.Threads.replyControl\nHello,prof_a,everyone'.encode())
    assert row.body == {"text": "Hello", "profileIds": ["prof_a"], "platforms": {"threads": {"replyControl": "everyone"}}}


def test_dotted_columns_are_laid_over_the_platforms_cell_wherever_they_stand() -> None:
    row = one(
        "platforms.linkedin.visibility,text,platforms,platforms.x.media,platforms.linkedin.title",
        "PUBLIC", "Hello", '{"linkedin": {"visibility": "CONNECTIONS", "a": 1}}', '[{"url": "https://a.example/b.png"}]', "",
    )
    assert row.body["platforms"] == {
        "linkedin": {"visibility": "PUBLIC", "a": 1}, "x": {"media": [{"url": "https://a.example/b.png"}]},
    }


def test_a_dotted_column_has_no_place_in_what_is_no_object() -> None:
    row = one("text,platforms,platforms.x.replySettings", "Hello", '{"x": "everyone"}', "following")
    assert fault(row) == (
        "/platforms/x", "platforms.x.replySettings has no place: what the platforms column holds for x is not an object.",
        "platforms.x.replySettings",
    )


def test_types_and_alternative_texts_go_by_position_and_fewer_are_fine() -> None:
    urls = "https://a.example/1;https://a.example/2;https://a.example/3;"
    row = one("media_urls,media_types,alt_texts", urls, ";video", "one;;three;")
    assert row.body == {
        "media": [
            {"url": "https://a.example/1", "altText": "one"}, {"url": "https://a.example/2", "type": "video"},
            {"url": "https://a.example/3", "altText": "three"},
        ]
    }


def test_more_types_or_alternative_texts_than_media_are_an_error_that_names_the_column() -> None:
    row = one("text,media_urls,ALT_TEXTS,media_types", "Hello", "https://a.example/1", "a; b", "image;;video")
    assert [(e.pointer, e.extra["column"]) for e in row.errors] == [("/media", "media_types"), ("/media", "ALT_TEXTS")]
    assert "ALT_TEXTS has 2 entries, and the row has 1 media" in row.errors[1].detail
    assert "media" not in row.body


def test_an_empty_url_between_others_is_an_error_because_positions_would_shift() -> None:
    row = one("media_urls,alt_texts", "https://a.example/1;;https://a.example/3", "a;b;c")
    assert fault(row)[0::2] == ("/media/1/url", "media_urls")


def test_every_fault_of_a_row_is_told_and_the_rest_is_read() -> None:
    row = one("Text,FOLD,metadata,allow_duplicate,thread", "Hello", "first", "{'a': 1}", "WAHR", '[“a”]')
    assert [(e.pointer, e.extra["column"]) for e in row.errors] == [
        ("/fold", "FOLD"), ("/metadata", "metadata"), ("/allowDuplicate", "allow_duplicate"), ("/thread", "thread"),
    ]
    assert all(e.detail.startswith(str(e.extra["column"])) for e in row.errors)
    assert row.body == {"text": "Hello"}


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ('{"a": “b”}', "typographic quote (“, character 7"),
        ('{"a”: "b"}', "typographic quote (”, character 4"),
        ('{"“a”": «b»}', "typographic quote («, character 9"),
        ('{"a": "“b”", c: 1}', "not valid JSON"),
        ("{‘a’: 1}", "double quotes"),
        ('{\n"a": 1,\n}', "at line 3, character 1 of the cell"),
        ('{"a": 1e999}', "(a) is NaN or infinite"),
        ('{"a": Infinity}', "JSON has no Infinity"),
        ('{"a": "\\ud83d"}', "(a) holds half of a surrogate pair"),
        ('{"a": ' + "1" * 5000 + "}", "thousands of digits"),
        ("[" * 20_000, "nested too deeply"),
        ('{"a": ' + "[" * 31 + "]" * 31 + "}", "nested too deeply"),
        ("null", "leave the cell empty"),
        ("true", "not true or false"),
    ],
)
def test_a_json_cell_that_cannot_be_read_says_why(cell: str, said: str) -> None:
    pointer, detail, column = fault(one("text,metadata", "Hello", cell))
    assert said in detail
    assert pointer.startswith("/metadata") and column == "metadata"


def test_typographic_quotes_inside_json_texts_are_text_and_so_is_nesting_that_can_be_stored() -> None:
    value = {"said": "“so”", "deep": json.loads("[" * 30 + "]" * 30)}
    assert one("text,metadata", "Hello", json.dumps(value, ensure_ascii=False)).body["metadata"] == value


@pytest.mark.parametrize("cell", ["[“en”]", '{"a”: 1}'])
def test_an_option_that_is_json_but_for_its_quotes_is_an_error_and_not_a_text(cell: str) -> None:
    pointer, detail, _ = fault(one("text,platforms.bluesky.langs", "Hello", cell))
    assert pointer == "/platforms/bluesky/langs" and "typographic quote" in detail


def test_an_option_in_json_is_held_to_what_can_be_stored() -> None:
    assert "surrogate" in fault(one("text,platforms.x.a/b", "Hello", '"\\udc00"'))[1]
    assert fault(one("text,platforms.x.a/b", "Hello", '["\\udc00"]'))[0] == "/platforms/x/a~1b/0"
    assert "nested" in fault(one("text,platforms.x.a", "Hello", "[" * 20_000))[1]


def test_a_row_with_more_cells_than_the_header_is_an_error_of_that_row_alone() -> None:
    good, bad, short = read("text,labels\nHello,a,,\nHello, world,a\nHello")
    assert (good.body, good.errors) == ({"text": "Hello", "labels": ["a"]}, ())
    assert (bad.body, bad.errors[0].pointer, bad.errors[0].extra) == ({}, "", {"cells": 3, "columns": 2})
    assert "The row has 3 cells, the header 2" in bad.errors[0].detail
    assert (short.body, short.errors) == ({"text": "Hello"}, ())


def test_columns_without_a_name_are_fine_as_long_as_they_are_empty() -> None:
    good, bad = read("text,,labels,,\nHello,,a,,\nHello,note,a,,\n")
    assert (good.body, good.errors) == ({"text": "Hello", "labels": ["a"]}, ())
    assert "Cell 2 of the row holds 'note', and the header names no column there" in bad.errors[0].detail


@pytest.mark.parametrize(
    ("data", "line", "said"),
    [
        (b"", None, "The file is empty"),
        (b"\xef\xbb\xbf\r\n ,\r\n", None, "The file is empty"),
        (b"text\r\n\r\n,\r\n", None, "no rows below it"),
        ("text\nHello".encode("utf-16"), None, 'UTF-16, which Excel calls "Unicode text"'),
        (b"\xfe\xff" + "text\nHello".encode("utf-16-be"), None, "UTF-16"),
        ("text\nHello".encode("utf-16-le"), 1, "NUL"),
        (b"text\n\nHello \0\n", 3, "NUL"),
        ("text\n\nGrüße".encode("cp1252"), 3, "0xFC (ü, if it is Windows-1252 or Latin-1"),
        ("text\r\rGrüße €".encode("cp1252"), 3, "0xFC"),
        (b"text\nHello \x81", 2, 'holds the byte 0x81. Save it as "CSV UTF-8"'),
        (b"PK\x03\x04\x14\0", None, "workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", None, "old workbook"),
        (b'text\na\n"b\nc\n\nd', 3, "The quote that opens a cell on line 3 is never closed: '\"b\\nc"),
        (b'text,labels\n"a\nb","c ""d\n', 3, "opens a cell on line 3 is never closed"),
        (b'text,labels\n"a\nb" ,c\n', 3, "On line 3 text follows a closing quote: ' ,c"),
        (b'text,labels\n"He said "hi"",c\n', 2, "On line 2 text follows a closing quote: 'hi\"\""),
        (b'text,labels\n"one,a\n"two",b\n', 3, "The cell was opened on line 2"),
        (b'text,labels\nx,"' + b"a\n" * 80_000, 2, "opens a cell on line 2 is never closed"),
        (b"text\na\n" + b"a" * 140_000, 3, "more than 131,072 characters"),
        (b'text\na\n"' + b"a\n" * 80_000 + b'"', 3, "more than 131,072 characters"),
        (b'text,"labels\nHello,a', 1, "opens a cell on line 1 is never closed"),
        (b"profile_ids,scheduled_for\na,b", None, "there must be text or thread"),
        (b"text," + b"labels," * 600 + b"\na", None, "at most 500 are read"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_line(data: bytes, line: int | None, said: str) -> None:
    problem = refusal(data)
    assert said in problem.detail
    assert problem.extra.get("line") == line


def test_an_unknown_column_is_named_with_the_nearest_and_all_there_are() -> None:
    names = ["Profile IDs", "status", "platforms.x", "platforms.x.poll.minutes"]
    problem = refusal(f"text,{','.join(names)}\nHello,a,b,c,d")
    assert problem.detail.startswith("There is no column 'Profile IDs'. Did you mean profile_ids? And 3 more: see errors.")
    assert all(column.name in problem.detail for column in COLUMNS) and "platforms.<name>.<option>" in problem.detail
    assert [error.extra["column"] for error in problem.errors] == names
    assert "One option of one platform is platforms.<name>.<option>" in problem.errors[3].detail


def test_a_file_without_a_header_is_told_so() -> None:
    assert refusal("Buy our tea|prof_a\nBuy our coffee|prof_a").detail.startswith("The first row is the header")


def test_a_column_may_stand_once() -> None:
    assert "names the column labels twice; once is enough" in refusal("text,labels,labels\na,b,c").detail
    assert "as 'Labels' and as 'labels'" in refusal("text,Labels,labels\na,b,c").detail
    assert "platforms.x.text twice" in refusal("platforms.x.text,platforms.X.text\na,b").detail
    # An option's own capitals count: these are two.
    assert read("text,platforms.x.a,platforms.x.A\nHello,b,c")[0].body["platforms"] == {"x": {"a": "b", "A": "c"}}


def test_a_sheet_has_at_most_a_thousand_rows() -> None:
    assert [row.number for row in read("text\n" + "Hello\n" * MOST_ROWS)] == list(range(1, MOST_ROWS + 1))
    problem = refusal("text\n" + "Hello\n" * 1234)
    assert problem.detail == "At most 1,000 rows are taken at once; these are 1,234. Send them in parts."
    assert problem.extra == {"limit": 1000, "rows": 1234}
    with pytest.raises(Problem, match="these are 1,001"):
        read_json([{}] * 1001)


def test_json_rows_are_bodies_as_they_are_and_what_is_no_body_is_an_error_of_its_row() -> None:
    deep: Any = json.loads("[" * 40 + "]" * 40)
    unstorable = [{"text": "\ud800"}, {"metadata": {"a": [float("inf")]}}, {"metadata": deep}]
    rows = read_json([{"text": "a", "whatever": 1}, "b", *unstorable])
    assert [(row.number, row.line) for row in rows] == [(n, None) for n in range(1, 6)]
    assert (rows[0].body, rows[0].errors) == ({"text": "a", "whatever": 1}, ())
    assert [[error.pointer for error in row.errors] for row in rows[1:]] == [[""], ["/text"], ["/metadata/a/0"], [""]]


@pytest.mark.parametrize(
    ("value", "said"), [({}, "POST /v1/posts"), ("x", "JSON array"), (None, "JSON array"), ([], "array is empty")]
)
def test_json_that_is_no_array_of_rows_is_refused(value: Any, said: str) -> None:
    with pytest.raises(Problem) as caught:
        read_json(value)
    assert caught.value.code == "invalid_request" and said in caught.value.detail


def test_a_sheet_is_written_with_all_columns_in_their_order_quoted_as_rfc_4180_says() -> None:
    text = write_csv([
        {
            "text": 'a "b",\nc', "profileIds": ["p;1", "p\\2", " p3"], "fold": 0, "allowDuplicate": False, "labels": [],
            "media": [{"url": "https://a.example/1"}, {"url": "https://a.example/2", "type": "video", "altText": "z"}],
            "platforms": {"x": {"text": "=é"}},
        }
    ])
    assert text == (
        CONTRACT.replace(" ", "") + ",queue_id,allow_duplicate\r\n"
        '"a ""b"",\nc",,p\\;1;p\\\\2;\\ p3,,,0,https://a.example/1;https://a.example/2,;video,;z,,,,,,,'
        '"{""x"": {""text"": ""=é""}}",,false\r\n'
    )


def test_a_member_without_a_column_is_not_dropped_silently() -> None:
    with pytest.raises(ValueError, match="publishNow"):
        write_csv([{"text": "a", "publishNow": True}])


def test_an_empty_draft_is_not_taken_for_a_blank_row() -> None:
    assert [row.body for row in read(write_csv([{}, {"text": " "}]))] == [{}, {"text": " "}]


def test_a_fault_found_later_can_be_told_by_its_column() -> None:
    said = {
        "/scheduledFor": "scheduled_for", "/profileIds/1": "profile_ids", "/media/0/url": "media_urls",
        "/media/2/altText": "alt_texts", "/media/0/type": "media_types", "/media": "media_urls", "/labels": "labels",
        "/platforms/x/text": "platforms", "/thread/0/media/1/url": "thread", "": None, "/publishNow": None,
    }
    assert {pointer: column_of(pointer) for pointer in said} == said


def test_unclosed_quotes_and_endless_headers_are_refused_without_endless_work() -> None:
    """Each of these was, or would be, quadratic if done carelessly: the test hangs then."""
    refusal(b"text" + b",a" * 1_900_000)
    refusal(b"text\n" + b"," * 3_900_000 + b'"')
    refusal(b'text\n"' + b'""' * 1_900_000)
    row = one("text,labels", "Hello", ("a" + "\\;" * 60_000)[:130_000] + " " * 5)
    assert row.body["labels"] == ["a" + ";" * 60_000]
    assert one("text,labels", "Hello", "a" + " " * 130_000 + "\\").body["labels"] == ["a" + " " * 130_000 + "\\"]
