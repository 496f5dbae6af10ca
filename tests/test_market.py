"MarketData.as_of shows all that was known and nothing that was not; fingerprints, repairs and release rules."

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.calendars import get_calendar
from forecastkit.calendars.fomc import fomc_table
from forecastkit.calendars.releases import RELEASES, release_of
from forecastkit.core import DataError
from forecastkit.data.history import latest_known, macro_history, table_history
from forecastkit.data.market import BAR_COLUMNS, MarketData, Repair, repair_bars

NYSE = get_calendar("XNYS")

DAYS = NYSE.sessions_in_range("2018-06-20", "2018-08-10")  # holds a half day and a holiday
PUBLISHED = ("DGS2", "DTWEXBGS", "NFCI", "PAYEMS")


@st.composite
def bars(draw):
    picked = np.array(draw(st.lists(st.integers(0, len(DAYS) - 1), min_size=1, max_size=25, unique=True)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    close = rng.uniform(5, 50, len(picked))
    frame = pd.DataFrame({"open": close, "high": close * 1.02, "low": close * 0.97, "close": close}, DAYS[picked])
    frame["volume"] = np.where(rng.random(len(picked)) < 0.3, np.nan, 1e6)
    if draw(st.booleans()):  # a vendor that delivers late, at its own moments
        frame["known_at"] = NYSE.closes_of(frame.index) + pd.to_timedelta(rng.integers(0, 90, len(picked)), unit="h")
    return frame


@st.composite
def published(draw):
    observed = pd.date_range("2018-05-01", "2018-08-05", freq="D", unit="us")
    n = draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):  # by the rule
        index = observed[np.sort(rng.choice(len(observed), n, replace=False))]
        return pd.DataFrame({"value": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n))}, index)
    index = observed[rng.integers(0, len(observed), n)]  # vintages: a date may stand there several times
    known = index.tz_localize("UTC") + pd.to_timedelta(rng.choice(5000, n, replace=False), unit="h")
    return pd.DataFrame({"value": rng.normal(size=n), "known_at": known}, index)


@st.composite
def markets(draw):
    series = {s: draw(bars()) for s in draw(st.sets(st.sampled_from(["VIX", "SPX", "SPY"]), min_size=1))}
    series |= {s: draw(published()) for s in draw(st.sets(st.sampled_from(PUBLISHED), max_size=3))}
    known = pd.to_datetime(draw(st.lists(st.sampled_from(list(NYSE.closes_of(DAYS))), max_size=5)), utc=True)
    members = pd.DataFrame({"symbol": [f"S{i}" for i in range(len(known))], "joins": True, "known_at": known})
    return {"series": series, "members": members if len(members) else None, "events": fomc_table().iloc[-90:]}


moments = st.one_of(
    st.sampled_from(list(DAYS)),
    st.integers(0, 50 * 24).map(lambda h: pd.Timestamp("2018-06-20", tz="UTC") + pd.Timedelta(hours=h)),
)


def view_of(market, when):
    "The view, or None where nothing was known yet."
    try:
        return market.as_of(when)
    except DataError as error:
        assert "before the data" in str(error)
        return None


def known_of(symbol, frame):
    "When each row is known, written down independently of MarketData."
    if "known_at" in frame.columns:
        return pd.DatetimeIndex(frame["known_at"])
    return NYSE.closes_of(frame.index) if "close" in frame.columns else release_of(symbol).known_at(frame.index)


@settings(max_examples=40, deadline=None)
@given(markets(), moments)
def test_a_view_holds_all_that_was_known_and_nothing_else(given_data, when):
    market = MarketData(**given_data)
    cutoff = when if when.tzinfo else NYSE.closes_of([when])[0]
    view = view_of(market, when)
    expected = {}
    for symbol, frame in given_data["series"].items():
        rows = frame if "close" in frame.columns else frame[frame["value"].notna()]
        expected[symbol] = int((known_of(symbol, rows) <= cutoff).sum())
    if view is None:
        assert not any(expected.values())
        return
    assert {s: len(view.known_at(s)) for s in view.symbols} == {s: n for s, n in expected.items() if n}
    assert all((view.known_at(symbol) <= cutoff).all() for symbol in view.symbols)
    events, members = given_data["events"], given_data["members"]
    assert len(view.events) == (events["known_at"] <= cutoff).sum()
    assert members is None or len(view.members) == (members["known_at"] <= cutoff).sum()
    assert view.moment == cutoff


@settings(max_examples=15, deadline=None)
@given(markets(), st.sets(st.sampled_from(["VIX", "SPX", "SPY", *PUBLISHED])))
def test_fingerprints_of_an_index_are_those_of_its_views(given_data, symbols):
    market = MarketData(**given_data)
    first = next(day for day in DAYS if view_of(market, day) is not None)
    index = DAYS[DAYS.get_loc(first) :]
    for chosen in (None, symbols):
        expected = [market.as_of(day).fingerprint(chosen) for day in index]
        assert market.fingerprints(index, chosen).tolist() == expected
        assert market.fingerprints(index[::-1], chosen).tolist() == expected[::-1]
        part = market.as_of(index[-1] if len(index) < 9 else index[8])
        assert part.fingerprints(index, chosen).tolist() == [part.as_of(d).fingerprint(chosen) for d in index]


@settings(max_examples=40, deadline=None)
@given(markets(), st.integers(0, 2**32 - 1))
def test_load_order_and_form_leave_no_trace(given_data, seed):
    rng = np.random.default_rng(seed)
    series = {}
    for symbol in rng.permutation(list(given_data["series"])):
        frame = given_data["series"][symbol].sample(frac=1, random_state=seed)
        series[symbol] = frame.set_index(frame.index.as_unit("ns"))[rng.permutation(frame.columns)]
    members = given_data["members"]
    other = {"events": given_data["events"].sample(frac=1, random_state=seed), "series": series}
    other["members"] = None if members is None else members.sample(frac=1, random_state=seed)
    one, two = MarketData(**given_data), MarketData(**other)
    assert one.fingerprint() == two.fingerprint()
    pd.testing.assert_frame_equal(one.summary(), two.summary())
    for symbol in one.symbols:
        read = type(one).bars if "close" in given_data["series"][symbol].columns else type(one).macro
        assert read(one, symbol).equals(read(two, symbol))


@settings(max_examples=40, deadline=None)
@given(markets(), moments, st.sampled_from(["cut", "perturb"]))
def test_what_comes_later_cannot_be_seen(given_data, when, probe):
    market = MarketData(**given_data)
    view = view_of(market, when)
    cutoff = when if when.tzinfo else NYSE.closes_of([when])[0]
    series = {}
    for symbol, frame in given_data["series"].items():
        later = known_of(symbol, frame) > cutoff
        numbers = [c for c in frame.columns if c != "known_at"]
        series[symbol] = frame[~later] if probe == "cut" else frame.copy()
        if probe == "perturb":
            series[symbol].loc[later, numbers] *= 3.0
    tables = {k: v if v is None else v[v["known_at"] <= cutoff] for k, v in given_data.items() if k != "series"}
    other = view_of(MarketData(series, **tables), when)
    assert (view is None) == (other is None)
    if view is not None:
        assert view.fingerprint() == other.fingerprint()
        index = DAYS[NYSE.closes_of(DAYS) <= cutoff]
        for symbol in view.symbols:
            assert view.at_sessions(symbol, index).equals(other.at_sessions(symbol, index))
            assert view.at_sessions(symbol, index).equals(market.at_sessions(symbol, index))


@settings(max_examples=40, deadline=None)
@given(markets(), st.sampled_from(list(DAYS)), st.sampled_from(list(DAYS)))
def test_cutting_twice_is_cutting_once(given_data, a, b):
    market = MarketData(**given_data)
    direct, wide = view_of(market, min(a, b)), view_of(market, max(a, b))
    if direct is not None:
        assert wide.as_of(min(a, b)).fingerprint() == direct.fingerprint()
        assert direct.as_of(max(a, b)).fingerprint() == direct.fingerprint()
        assert direct.as_of(max(a, b)).moment == direct.moment


@settings(max_examples=40, deadline=None)
@given(markets(), st.data())
def test_the_fingerprint_covers_every_value_and_moment(given_data, data):
    market = MarketData(**given_data)
    symbol = data.draw(st.sampled_from(sorted(given_data["series"])))
    frame = given_data["series"][symbol].copy()
    frame["known_at"] = known_of(symbol, frame)
    row, column = data.draw(st.integers(0, len(frame) - 1)), data.draw(st.sampled_from(list(frame.columns)))
    same = market.with_series(symbol, frame)
    assert same.fingerprint() == market.fingerprint()  # the rule's moments, written out, are the same content
    old = frame[column].iloc[row]
    if column != "known_at" and not np.isnan(old):
        frame.iloc[row, frame.columns.get_loc(column)] = np.nextafter(old, 100 if column != "high" else 1000)
        assert market.with_series(symbol, frame).fingerprint() != market.fingerprint()
    elif column == "known_at" and not (symbol in PUBLISHED and np.isnan(frame["value"].iloc[row])):
        frame.iloc[row, frame.columns.get_loc(column)] = old + pd.Timedelta(microseconds=1)
        assert market.with_series(symbol, frame).fingerprint() != market.fingerprint()


@settings(max_examples=25, deadline=None)
@given(published())
def test_at_sessions_is_the_newest_date_in_its_latest_revision(frame):
    market = MarketData({"PAYEMS": frame, "VIX": pd.DataFrame({"close": 20.0}, DAYS)})
    rows = frame.assign(known_at=known_of("PAYEMS", frame)).dropna()
    seen = market.at_sessions("PAYEMS", DAYS) if "PAYEMS" in market else pd.Series(np.nan, DAYS)
    if "PAYEMS" in market:
        last = rows.sort_values("known_at").groupby(level=0)["value"].last()
        assert market.macro("PAYEMS").to_dict() == last.to_dict()
    for day, close in zip(DAYS, NYSE.closes_of(DAYS)):
        known = rows[rows["known_at"] <= close]
        newest = known[known.index == known.index.max()].sort_values("known_at")
        assert np.isnan(seen[day]) if newest.empty else seen[day] == newest["value"].iloc[-1]


def test_fingerprint_of_members_and_events():
    frame, events = pd.DataFrame({"close": 20.0}, DAYS), fomc_table()
    plain = MarketData({"VIX": frame})
    assert MarketData({"VIX": frame}, events=events.iloc[1:]).fingerprint() != plain.fingerprint()
    members = pd.DataFrame({"symbol": ["AAPL"], "joins": [True], "known_at": [NYSE.closes_of(DAYS)[5]]})
    joined = MarketData({"VIX": frame}, members=members)
    assert joined.fingerprint() != plain.fingerprint()
    assert joined.as_of(DAYS[4]).fingerprint() == plain.as_of(DAYS[4]).fingerprint()
    assert joined.as_of(DAYS[5]).fingerprint() != plain.as_of(DAYS[5]).fingerprint()


def test_the_date_of_a_value_and_no_bit_of_a_nan_is_in_the_fingerprint():
    known = NYSE.closes_of(DAYS)[-3:]
    one, two = (pd.DataFrame({"value": 1.0, "known_at": known}, DAYS[at : at + 3]) for at in (0, 1))
    assert MarketData({"DGS2": one}).fingerprint() != MarketData({"DGS2": two}).fingerprint()
    odd = np.array([0x7FF8000000000001, 0xFFF8000000000000], dtype=np.uint64).view(np.float64)
    plain, strange = (pd.DataFrame({"close": 20.0, "open": nan}, DAYS[:2]) for nan in (np.nan, odd))
    assert MarketData({"VIX": plain}).fingerprint() == MarketData({"VIX": strange}).fingerprint()


def test_a_series_added_to_a_view_is_cut_like_the_others():
    market = MarketData({"VIX": pd.DataFrame({"close": 20.0}, DAYS)})
    added = market.as_of(DAYS[7]).with_series("SPX", pd.DataFrame({"close": 2700.0}, DAYS))
    assert added.close("SPX").index.equals(DAYS[:8]) and added.moment == NYSE.closes_of(DAYS)[7]
    assert "SPX" not in market and "SPX" not in market.as_of(DAYS[7])
    later = market.as_of(DAYS[7]).with_series("SPX", pd.DataFrame({"close": 2700.0}, DAYS[8:]))
    assert later.symbols == ("VIX",)


def test_nothing_handed_out_or_in_can_change_the_market():
    frame = pd.DataFrame({"close": np.linspace(10, 20, len(DAYS))}, DAYS)
    market = MarketData({"VIX": frame, "DGS2": pd.DataFrame({"value": 1.0}, DAYS)}, members=fomc_table())
    before = market.fingerprint()
    frame.iloc[:] = 99.0
    for view in (market, market.as_of(DAYS[9])):
        handed_out = [
            view.bars("VIX"),
            view.events,
            view.members,
            view.close("VIX"),
            view.macro("DGS2"),
            view.known_at("VIX"),
        ]
        for rows in handed_out:
            rows.iloc[:] = rows.iloc[::-1].to_numpy()
        with pytest.raises(ValueError, match="read-only"):
            view.close("VIX").to_numpy()[0] = 99.0
    assert market.close("VIX").tolist() == np.linspace(10, 20, len(DAYS)).tolist()
    assert market.events.equals(MarketData({}).events) and market.members.equals(MarketData({}).events)
    assert market.with_series("VIX", market.bars("VIX")).fingerprint() == before
    assert pickle.loads(pickle.dumps(market)).fingerprint() == before  # noqa: S301  worker processes get it so


def test_a_view_sent_to_a_worker_holds_no_later_row():
    marker = 12345.678901
    frame = pd.DataFrame({"close": np.where(np.arange(len(DAYS)) < 9, 20.0, marker)}, DAYS)
    market = MarketData({"VIX": frame, "SPX": frame[9:]})
    sent = pickle.dumps(market.as_of(DAYS[8]))
    told = np.float64(marker).tobytes()
    assert told in pickle.dumps(market)
    assert told not in sent
    assert pickle.loads(sent).close("VIX").tolist() == [20.0] * 9  # noqa: S301  as workers get it
    assert pickle.loads(sent).fingerprint() == market.as_of(DAYS[8]).fingerprint()  # noqa: S301


def test_a_market_put_together_one_by_one_is_the_market_at_once(monkeypatch):
    frames = {f"S{i:02d}": pd.DataFrame({"close": 20.0 + i}, DAYS) for i in (3, 1, 2)}
    repairs = {name: [Repair(name, DAYS[i], "no close", "row dropped") for i in (5, 1)] for name in frames}
    dated, built = [], MarketData({})
    whole = MarketData(frames, repairs=[repair for listed in repairs.values() for repair in listed])
    monkeypatch.setattr("forecastkit.data.market._repair_known", lambda repair, calendar: dated.append(repair) or 0)
    for name, frame in frames.items():
        built = built.with_series(name, frame, repairs[name])
    assert dated == [repair for listed in repairs.values() for repair in listed]  # each once, however many are there
    assert built.symbols == whole.symbols == ("S01", "S02", "S03")
    assert built.fingerprint() == whole.fingerprint()
    assert sorted(built.repairs) == sorted(whole.repairs)
    assert whole.repairs == tuple(sorted(whole.repairs, key=lambda repair: (repair.session, repair.symbol)))
    again = built.with_series("S02", frames["S02"])
    assert {repair.symbol for repair in again.repairs} == {"S01", "S03"}


def test_a_view_cuts_only_what_is_read():
    market = MarketData({name: pd.DataFrame({"close": 20.0}, DAYS) for name in ("VIX", "SPX")})
    view = market.as_of(DAYS[9])
    assert view.symbols == ("SPX", "VIX")
    assert len(view.close("VIX")) == 10
    assert ["rows" in vars(history) for history in view._series.values()] == [False, True]


def test_a_revised_value_is_read_as_first_printed_before_its_revision():
    "A made-up series: 100 first, 101.5 from 9 March on."
    month, out = (
        pd.DatetimeIndex(["2018-01-01"] * 2),
        pd.DatetimeIndex(["2018-02-02 13:30", "2018-03-09 13:30"], tz="UTC"),
    )
    market = MarketData({"PAYEMS": pd.DataFrame({"value": [100.0, 101.5], "known_at": out}, month)})
    seen = {day: market.as_of(day).macro("PAYEMS").tolist() for day in ("2018-02-02", "2018-03-08", "2018-03-09")}
    assert seen == {"2018-02-02": [100.0], "2018-03-08": [100.0], "2018-03-09": [101.5]}


def test_a_bar_of_a_half_day_is_known_at_one_o_clock():
    market = MarketData({"SPX": pd.DataFrame({"close": 2700.0}, DAYS)})
    assert market.as_of("2018-07-03 13:00-04:00").close("SPX").index[-1] == pd.Timestamp("2018-07-03")
    assert market.as_of("2018-07-03 12:59-04:00").close("SPX").index[-1] == pd.Timestamp("2018-07-02")


def test_bitcoin_ends_its_day_after_new_york():
    index = pd.date_range("2018-06-20", "2018-08-10", unit="us")
    market = MarketData({"BTC": pd.DataFrame({"close": np.arange(len(index)) + 1.0}, index)})
    friday, monday = pd.Timestamp("2018-06-29"), pd.Timestamp("2018-07-02")
    assert market.as_of(friday).close("BTC").index[-1] == pd.Timestamp("2018-06-28")
    assert market.as_of(monday).close("BTC").index[-1] == pd.Timestamp("2018-07-01")
    assert market.at_sessions("BTC", pd.DatetimeIndex([monday])).iloc[0] == 12.0


@pytest.mark.parametrize("when", ["2018-07-04", "2018-07-07", "2018-06-19", "2018-06-25 16:00", "soon", None])
def test_as_of_refuses_what_is_no_session_of_the_data(when):
    market = MarketData({"SPX": pd.DataFrame({"close": 2700.0}, DAYS)})
    with pytest.raises(DataError) as caught:
        market.as_of(when)
    assert "2018-06-20" in str(caught.value) if when == "2018-06-19" else True
    if when == "2018-06-19":
        with pytest.raises(DataError, match="before the data: the first session is 2018-06-20"):
            market.fingerprints(pd.DatetimeIndex([when]))


GOOD = pd.DataFrame({"open": 20.0, "high": 22.0, "low": 18.0, "close": 21.0, "volume": 5.0}, DAYS)
BROKEN = {
    "a price of 0 or less": GOOD.assign(close=0.0),
    "a volume below 0": GOOD.assign(volume=-1.0),
    "high below low": GOOD.rename(columns={"high": "low", "low": "high"}),
    "columns swapped": GOOD.rename(columns={"close": "volume", "volume": "close"}),
    "close is no number": GOOD.assign(close=["x", *["21"] * (len(DAYS) - 1)]),
    "open is no number": GOOD.assign(open=np.inf),
    "two rows that differ": pd.concat([GOOD, GOOD.iloc[:1] * 1.01]),
    "a date in the future": GOOD.set_index(DAYS + pd.Timedelta(days=3650)),
    "dates without time": GOOD.set_index(NYSE.closes_of(DAYS)),
    "at least close": GOOD.rename(columns={"close": "adjusted"}),
}


@pytest.mark.parametrize("words", BROKEN)
def test_a_broken_series_is_refused_in_one_line(words):
    with pytest.raises(DataError, match=words) as caught:
        repair_bars("VIX", BROKEN[words], NYSE, today="2020-01-01")
    assert "VIX" in str(caught.value) and "\n" not in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_repaired_bars_are_accepted_and_need_no_second_repair(data):
    rows = st.sets(st.integers(0, len(DAYS) - 1), max_size=4)
    frame = GOOD.copy()
    outside, empty, absent, twice = (data.draw(rows) for _ in range(4))
    frame.iloc[sorted(outside)[:1], frame.columns.get_loc("open")] = 99.0
    frame.iloc[sorted(empty), frame.columns.get_loc("close")] = np.nan
    kept = frame[~np.isin(np.arange(len(DAYS)), sorted(absent))]
    again = pd.concat([kept, kept.iloc[[i for i in twice if i < len(kept)]]]).sample(frac=1, random_state=1)
    clean, repairs = repair_bars("VIX", again, NYSE)
    market = MarketData({"VIX": clean}, repairs=repairs)
    assert repair_bars("VIX", market.bars("VIX"), NYSE)[0].equals(clean)
    assert len(clean) == len(DAYS) - len(empty | absent)
    assert clean["close"].equals(frame.loc[clean.index, "close"])
    assert sum(r.what == "the same row twice" for r in repairs) == len([i for i in twice if i < len(kept)])
    for day in (DAYS[10], DAYS[20]):
        assert market.as_of(day).repairs == tuple(r for r in market.repairs if r.session <= day)


def test_repairs_of_the_real_vix(shared_data):
    frame = pd.read_csv(shared_data / "cboe" / "vix-daily.csv", index_col="DATE", parse_dates=True)
    clean, repairs = repair_bars("VIX", frame.rename(columns=str.lower), NYSE)
    by_kind = pd.Series([r.what for r in repairs]).value_counts().to_dict()
    assert by_kind == {
        "open or close outside low..high": 47,
        "no row for this session": 4,
        "no session of the exchange": 1,
    }
    assert Repair("VIX", pd.Timestamp("2004-06-11"), "no session of the exchange", "row dropped") in repairs
    assert (len(clean), clean["close"].isna().sum(), clean["high"].isna().sum()) == (7303, 0, 47)


def test_real_published_series_are_never_known_on_their_own_day(shared_data):
    frames = {}
    for path in sorted((shared_data / "fred").glob("*.csv")):
        frame = pd.read_csv(path, index_col="observation_date", parse_dates=True)
        frames[path.stem] = frame.set_axis(["value"], axis=1)
    index = NYSE.sessions_in_range("2000-01-03", "2018-12-31")
    market = MarketData({**frames, "SPX": pd.DataFrame({"close": 1.0}, index)})
    for series in frames:
        dates = market.macro(series)
        age = MarketData({series: pd.DataFrame({"value": dates.index.to_numpy().astype("int64")}, dates.index)})
        newest = pd.to_datetime(age.at_sessions(series, index).dropna(), unit="us")
        assert (newest < newest.index).all()


# First publications: (series, observation date, the day it came out in New York)
CAME_OUT = [
    ("UNRATE", "2013-12-01", "2014-01-10"),
    ("PAYEMS", "2015-12-01", "2016-01-08"),
    ("PAYEMS", "2023-02-01", "2023-03-10"),
    ("DTWEXBGS", "2010-03-12", "2010-03-15"),
    ("NFCI", "2026-05-22", "2026-05-28"),
    ("CPIAUCSL", "2006-01-01", "2006-02-22"),  # the fifteenth business day
    ("JTSJOL", "2016-01-01", "2016-03-17"),  # with the revision of the year, as each January
]


@pytest.mark.parametrize(("series", "observed", "came_out"), CAME_OUT)
def test_a_rule_is_never_earlier_than_the_publication(series, observed, came_out):
    known = release_of(series).known_at(pd.DatetimeIndex([observed]))[0]
    assert pd.Timestamp(came_out, tz="UTC") < known < pd.Timestamp(came_out, tz="UTC") + pd.Timedelta(days=10)


def test_rules_of_release_by_hand():
    for series, observed, known in [
        ("DGS2", "2018-10-05", "2018-10-09 15:00"),  # the Friday before Columbus Day
        ("DFF", "2018-02-03", "2018-02-05 15:00"),  # a Saturday
        ("BAMLH0A0HYM2", "2018-12-31", "2019-01-02 15:00"),
        ("ICSA", "2018-02-03", "2018-02-08 15:00"),
        ("NFCI", "2018-02-16", "2018-02-22 15:00"),  # the week of Presidents' Day: Thursday
        ("DCOILWTICO", "2018-02-06", "2018-02-14 22:00"),
        ("AAA", "2018-01-01", "2018-02-07 15:00"),
    ]:
        assert release_of(series).known_at(pd.DatetimeIndex([observed]))[0] == pd.Timestamp(known, tz="UTC"), series
    mondays = NYSE.sessions[NYSE.sessions.day_of_week == 0][-2000:]
    released = release_of("DTWEXBGS").known_at(mondays - pd.Timedelta(days=3))
    assert (released > NYSE.closes_of(mondays)).all()  # the dollar of a Friday comes out after Monday's close


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.ids[0])
def test_a_release_depends_on_its_own_date_alone(release):
    observed = pd.date_range("1995-01-01", "2020-12-31", freq="D")
    known = release.known_at(observed)
    sample = np.random.default_rng(0).permutation(len(observed))[:200]
    assert release.known_at(observed[sample]).equals(known[sample])
    assert (known > observed.tz_localize("UTC") + pd.Timedelta(hours=21)).all()
    longest = {"day": 10, "week": 25, "month": 110, "quarter": 140}[release.ends]
    assert (known - observed.tz_localize("UTC") < pd.Timedelta(days=longest)).all()


def test_unknown_series_and_frames_are_refused_by_name():
    with pytest.raises(DataError, match="NROU has no publication rule"):
        MarketData({"NROU": pd.DataFrame({"value": [1.0]}, DAYS[:1])})
    with pytest.raises(DataError, match="SPX: neither bars"):
        MarketData({"SPX": pd.DataFrame({"price": [1.0]}, DAYS[:1])})
    with pytest.raises(DataError, match=r"2018-07-04 is no session"):
        MarketData({"SPX": pd.DataFrame({"close": [1.0]}, pd.DatetimeIndex(["2018-07-04"]))})


def test_columns_of_bars_are_always_the_five():
    market = MarketData({"VVIX": pd.DataFrame({"close": [90, 91]}, DAYS[:2])})
    assert tuple(market.bars("VVIX").columns) == BAR_COLUMNS
    assert market.bars("VVIX").dtypes.eq("float64").all()
    assert str(market.bars("VVIX").index.dtype) == "datetime64[us]"
    assert NYSE.sessions.dtype == market.bars("VVIX").index.dtype


# --- histories


def values_of(*rows: tuple[str, float, str]) -> pd.DataFrame:
    "Observation date, value, and when it was out."
    days, values, known = zip(*rows)
    return pd.DataFrame({"value": values, "known_at": pd.to_datetime(known, utc=True)}, pd.DatetimeIndex(days))


REVISED = values_of(("2018-01-02", 1.0, "2018-01-03"), ("2018-01-05", 3.0, "2018-01-08"), ("2018-01-04", 2.0, "2018-01-08"),
                    ("2018-01-02", 1.5, "2018-01-09"), ("2018-01-05", 3.5, "2018-01-10"))  # fmt: skip


def microseconds(*moments: str) -> np.ndarray:
    return pd.DatetimeIndex(moments).to_numpy(dtype="datetime64[us]").astype(np.int64)


def test_the_newest_date_is_read_in_its_revision_of_then():
    "Nothing before the first; a late revision of an older date changes nothing; a moment on the dot counts."
    history = macro_history("UNRATE", REVISED)
    moments = microseconds(
        "2018-01-02 23:00", "2018-01-03", "2018-01-07", "2018-01-08", "2018-01-09", "2018-01-10", "2019-01-01"
    )
    np.testing.assert_array_equal(latest_known(history, moments), [np.nan, 1.0, 1.0, 3.0, 3.0, 3.5, 3.5])
    assert history.counts(moments).tolist() == [0, 1, 1, 3, 4, 5, 5]
    assert history.until(int(moments[4])).latest()["value"].tolist() == [1.5, 2.0, 3.0]


def test_every_prefix_has_a_fingerprint_of_its_content_alone():
    history, counts = macro_history("UNRATE", REVISED), np.array([5, 0, 3, 3, 1])
    found = history.digests(counts)
    assert found[1] == b"" and found[2] == found[3] and len(set(found)) == 4
    for moment, print_ in (("2018-01-08", found[2]), ("2018-01-03", found[4])):
        part = history.until(int(microseconds(moment)[0]))
        assert part.digests(np.array([len(part.known)])) == [print_]
    shuffled = macro_history("UNRATE", REVISED.iloc[[3, 1, 4, 0, 2]])
    assert shuffled.digests(counts) == found
    for other in (
        REVISED.assign(value=[1.0, 3.0, 2.0, 1.5, 3.6]),
        REVISED.set_axis([*REVISED.index[:4], pd.Timestamp("2018-01-04")]),
    ):
        assert (
            macro_history("UNRATE", other).digests(counts)[1:] == found[1:]
            and macro_history("UNRATE", other).digests(counts)[0] != found[0]
        )
    assert macro_history("PAYEMS", REVISED).digests(counts)[4] != found[4]


@pytest.mark.parametrize("at", [0, 2, 4])
def test_two_values_of_a_date_known_at_once_are_refused_by_that_date(at):
    twice = pd.concat([REVISED, REVISED.iloc[[at]].assign(value=9.0)])
    with pytest.raises(
        DataError,
        match=rf"UNRATE {REVISED.index[at]:%Y-%m-%d}: two rows of one date, known at the same moment: keep one \(1 rows\)",
    ):
        macro_history("UNRATE", twice)


@pytest.mark.parametrize(("earlier", "good"), [("0 days", True), ("1us", False)])
def test_a_value_is_known_from_the_beginning_of_its_date_at_the_earliest(earlier, good):
    frame = values_of(("2018-01-02", 1.0, "2018-01-02")).assign(
        known_at=lambda f: f["known_at"] - pd.Timedelta(earlier)
    )
    if good:
        assert macro_history("UNRATE", frame).known.tolist() == microseconds("2018-01-02").tolist()
    else:
        with pytest.raises(DataError, match="a known_at before it could be known"):
            macro_history("UNRATE", frame)


def test_a_table_of_facts_is_the_same_in_any_order_and_another_with_another_fact():
    facts = pd.DataFrame({"date": pd.to_datetime(["2018-01-31", "2018-03-21", "2018-05-02"]), "kind": ["a", "b", "c"],
                          "known_at": pd.to_datetime(["2017-06-20", "2017-06-20", "2017-06-01"], utc=True)})  # fmt: skip
    history, counts = table_history("events", facts), np.arange(4)
    assert (
        history.known.tolist() == microseconds("2017-06-01", "2017-06-20", "2017-06-20").tolist()
        and history.rows["kind"].iloc[0] == "c"
    )
    for order in ([2, 1, 0], [1, 2, 0]):
        assert table_history("events", facts.iloc[order]).digests(counts) == history.digests(counts)
    changed = table_history("events", facts.assign(kind=["a", "b", "d"])).digests(counts)
    assert changed[0] == b"" and not set(changed[1:]) & set(history.digests(counts)[1:])
    assert table_history("members", facts).digests(counts)[1:] != history.digests(counts)[1:]
    with pytest.raises(DataError, match="the table of events needs a column known_at"):
        table_history("events", facts.drop(columns="known_at"))
    with pytest.raises(DataError, match="known_at must hold moments with a time zone"):
        table_history("events", facts.assign(known_at=facts["known_at"].dt.tz_localize(None)))
