"The earnings calendar of a panel, worked out in one pass, says what the calendar of each ticker alone says."

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from proofs import scaled

from forecastkit.calendars import earnings_blocks, earnings_table, get_calendar, next_reports, reaction_mask

NYSE = get_calendar("XNYS")
DAYS = NYSE.sessions_in_range("2016-01-04", "2018-12-31")
REPORTS = st.tuples(
    st.sampled_from(["AAA", "BBB"]),
    st.integers(0, 1090),  # its day
    st.sampled_from(["before_open", "in_session", "after_close", "unknown"]),
    st.integers(-40, 40),  # days between its day and the moment it was known: before it, it was scheduled
)


def table_of(rows: list[tuple[str, int, str, int]]) -> pd.DataFrame:
    "An earnings table of drawn rows, reports known before their day as scheduled ones."
    day = [pd.Timestamp("2016-01-04") + pd.Timedelta(days=days) for _, days, _, _ in rows]
    known = [one.tz_localize("UTC") + pd.Timedelta(days=row[3], hours=21) for one, row in zip(day, rows)]
    kind = ["scheduled" if row[3] < 0 else "reported" for row in rows]
    fields = {"symbol": [row[0] for row in rows], "date": day, "hour": [row[2] for row in rows]}
    return earnings_table(pd.DataFrame({**fields, "kind": kind, "known_at": known}))


def stated(table: pd.DataFrame, symbol: str, session: pd.Timestamp) -> tuple[object, ...]:
    "The next report as known at one close, read off the rows one by one."
    own, close = table[table["symbol"] == symbol], NYSE.closes_of([session])[0]
    made = own[own["kind"] == "reported"]
    predicted = made.assign(date=made["date"] + pd.Timedelta(days=364), kind="predicted")
    best: tuple[object, ...] = (None, None)
    for row in pd.concat([own[own["kind"] == "scheduled"], predicted]).itertuples():
        guess = row.kind == "predicted"
        newer = own[(own["known_at"] <= close) & ((own["date"] - row.date).abs() <= pd.Timedelta(days=30))]
        gone = bool(len(newer) if guess else (newer["known_at"] > row.known_at).any())
        later = row.hour in ("after_close", "unknown") and row.date in NYSE.scheduled
        place = NYSE.scheduled.searchsorted(row.date) + later
        ahead = place > NYSE.scheduled.searchsorted(session)
        overdue = guess and not ahead and session < row.date + pd.Timedelta(days=14)
        if row.known_at <= close and not gone and (ahead or overdue) and (best[0] is None or row.date < best[0]):
            best = (row.date, "overdue" if overdue else row.kind)
    return best


@settings(max_examples=scaled(8), deadline=None)
@given(st.lists(REPORTS, min_size=1, max_size=14))
def test_blocks_say_what_each_ticker_alone_says_and_both_what_the_rows_say(rows):
    table, symbols = table_of(rows), ("AAA", "BBB", "CCC")
    blocks = earnings_blocks(table, symbols, DAYS, NYSE)
    for column, symbol in enumerate(symbols):
        alone = next_reports(table, symbol, DAYS, NYSE)
        assert np.array_equal(blocks["soonest"][:, column], alone["soonest"].to_numpy(), equal_nan=True)
        for name, delay in (("reacted", 0), ("reacted_before", 1)):
            assert np.array_equal(blocks[name][:, column], reaction_mask(table, symbol, DAYS, NYSE, delay).to_numpy())
        for session in DAYS[::97]:
            date, kind = alone.loc[session, ["date", "kind"]]
            said = (None, None) if pd.isna(kind) else (date, kind)
            assert said == stated(table, symbol, session), (symbol, session)


def test_the_order_of_the_sessions_asked_for_changes_no_answer():
    table = table_of([("AAA", 30, "after_close", 0), ("AAA", 120, "unknown", 1), ("AAA", 401, "before_open", -20)])
    mixed = DAYS[np.random.default_rng(3).permutation(len(DAYS))[:200]]
    assert next_reports(table, "AAA", mixed, NYSE).equals(next_reports(table, "AAA", DAYS, NYSE).loc[mixed])
