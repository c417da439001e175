"""The bench's crowd is what the API would have stored, its quick moto answers as the slow one does, and no page grows with it."""

from __future__ import annotations

import io
from datetime import timedelta
from functools import partial
from urllib.parse import urlencode

from dateline.store.bookings import bookings_of
from dateline.store.listing import LOOK, MOST_POSTS, encode_cursor
from dateline.store.posts import from_row, slot_of
from dateline.store.tables import BookingRow, PostRow
from local.seed import WORKSPACE
from tests.harness import START, Dateline
from tests.integration.lists import reading
from tools.bench import lists
from tools.bench.crowd import Crowd
from tools.bench.meter import Meter


def test_a_crowd_is_stored_as_posts_are_and_read_quickly_as_slowly() -> None:
    with Dateline() as dateline:
        crowd = Crowd(dateline, WORKSPACE, "Some text")
        crowd.fill(100, START, timedelta(minutes=10), partial(lists.kind_of, count=100))
        posts = [from_row(row) for row in PostRow.scan()]
        assert sorted(slot_of(post) for post in posts) == [slot for slot, _ in crowd.slots]
        kinds = {slot_of(p): (p.status, tuple((t.profile_id, t.platform) for t in p.targets.values()), p.labels) for p in posts}
        assert kinds == dict(crowd.slots)
        rows = {(r.profile_id, r.slot, r.post_id, r.ws, r.state) for r in BookingRow.scan()}
        assert rows == {tuple(booking) for post in posts for booking in bookings_of(post)}
        sort_at, _, post_id = crowd.slots[50][0].partition("#")
        for case in lists.CASES:
            for more in ({"limit": 9}, {"order": "asc", "limit": 25}, {"cursor": encode_cursor(post_id, sort_at), "limit": 3}):
                query = {name: value for name, value in case.query.items() if name != "span"} | more
                with reading(dateline) as slow:
                    answer = dateline.api("GET", f"/v1/posts?{urlencode(query)}")
                with crowd.quick(), reading(dateline) as quick:
                    assert dateline.api("GET", f"/v1/posts?{urlencode(query)}").json() == answer.json(), case
                assert answer.status == 200 and slow == quick, case


def test_a_page_of_any_filter_reads_little_of_four_thousand_posts() -> None:
    log = io.StringIO()
    with Dateline(environment={"DATELINE_AUTH_CACHE_SECONDS": "60"}) as dateline:
        meter = Meter(dateline, log)
        with meter.measuring():
            measured = lists.measure(dateline, meter, (4_000,))
    for one in measured:
        for page in (*one.first, *one.middle):
            assert page.calls <= 6 and page.posts <= lists.LIMIT and page.units < 60, one
            assert page.items <= 2 * 1100 + 4 + LOOK + MOST_POSTS, one
