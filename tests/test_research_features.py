"The named research features: nothing sees tomorrow, and what is absent is NaN with a reason."

import io

import numpy as np
import pandas as pd
import pytest

from forecastkit.core import DataWarning
from forecastkit.data.market import MarketData
from forecastkit.data.synthetic import synthetic_market
from forecastkit.evaluation import audit_market_function
from forecastkit.features import (
    after_hours_volume_pct,
    breadth_rotation,
    breakout_fingerprints,
    cross_asset_correlation,
    cross_asset_history,
    customer_shares,
    dark_pool_history,
    dark_pool_ratio,
    pre_breakout_fingerprint,
    quiet_volume_share,
    read_links,
    supply_chain_leads,
)

STOCKS = ("AAPL", "MSFT", "IBM", "KO")


@pytest.fixture(scope="module")
def market() -> MarketData:
    "Four stocks, the index, the VIX, a yield known on the next morning, and FINRA's series known in the evening."
    whole = synthetic_market(seed=9, sessions=700, stocks=STOCKS).market
    days, rng = whole.bars("AAPL").index, np.random.default_rng(1)
    evening = (days + pd.Timedelta(hours=23)).tz_localize("UTC")
    morning = (days + pd.Timedelta(days=1, hours=12)).tz_localize("UTC")
    total = pd.DataFrame({"value": rng.uniform(1e6, 9e6, len(days)), "known_at": evening}, days)
    short = pd.DataFrame({"value": rng.uniform(0.3, 0.6, len(days)), "known_at": evening}, days)
    rate = pd.DataFrame({"value": 3 + rng.normal(0, 0.05, len(days)).cumsum(), "known_at": morning}, days)
    frames = {name: whole.bars(name) for name in (*STOCKS, "SPX", "VIX")}
    return MarketData({**frames, "AAPL_OFFEX": total, "AAPL_SHORT": short, "DGS10": rate})


def closes_of(market: MarketData) -> pd.DataFrame:
    index = market.close("AAPL").index
    return pd.concat([market.close(name).reindex(index) for name in STOCKS if name in market], axis=1)


LINKS = read_links(
    io.StringIO(
        "symbol,partner,direction,known_at,source\nAAPL,IBM,customer,2010-06-01,a\nAAPL,KO,supplier,2011-02-01,b\n"
    )
)
FUNCTIONS = {
    "dark pool": lambda market: dark_pool_history(market, "AAPL", market.close("AAPL").index).to_frame(),
    "fingerprint": lambda market: breakout_fingerprints(market.bars("AAPL"), market.close("SPX")),
    "cross-asset": lambda market: cross_asset_history(market, "AAPL").dropna(axis=1, how="all"),
    "breadth": lambda market: breadth_rotation(closes_of(market), dict(zip(STOCKS, "abca", strict=True)), least=2),
    "supply chain": lambda market: supply_chain_leads(LINKS, "AAPL", closes_of(market), market.calendar),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_audit_finds_no_leak(market, name):
    whole = FUNCTIONS[name](market)
    assert whole.notna().any().all()
    report = audit_market_function(FUNCTIONS[name], market, cuts=12)
    assert report.ok, report


def test_a_yield_read_by_its_day_would_be_found(market):
    def peeking(market: MarketData) -> pd.DataFrame:
        close = market.close("AAPL")
        rate = market.macro("DGS10").reindex(close.index)
        return close.diff().rolling(63).corr(rate.diff()).to_frame("yields")

    assert not audit_market_function(peeking, market, cuts=12).ok


def test_what_was_traded_in_the_evening_belongs_to_the_next_session(market):
    times = pd.DatetimeIndex(["2018-06-01 12:00", "2018-06-01 17:00", "2018-06-04 12:00"], tz="America/New_York")
    minutes = pd.DataFrame({"volume": [10.0, 30.0, 30.0], "high": 1.0, "low": 1.0}, times)
    share = after_hours_volume_pct(minutes, market.calendar)
    assert share.tolist() == [0.0, 50.0]
    assert after_hours_volume_pct(minutes[:2], market.calendar).iloc[0] == 0.0
    assert quiet_volume_share(minutes, market.calendar).between(0, 1).all()


def test_the_dark_pool_ratio_is_that_of_the_evening_before(market):
    days = market.macro("AAPL_OFFEX").index[-6:-1]
    total, short = (market.macro(f"AAPL_{name}")[days] for name in ("OFFEX", "SHORT"))
    assert dark_pool_ratio(market, "AAPL") == pytest.approx((total * short).sum() / total.sum())


def test_absent_data_are_nan_with_a_reason(market):
    with pytest.warns(DataWarning, match="MSFT_OFFEX"):
        assert np.isnan(dark_pool_ratio(market, "MSFT"))
    with pytest.warns(DataWarning, match="bitcoin: BTC"):
        found = cross_asset_correlation(market, "AAPL")
    assert np.isnan(found["bitcoin"]) and -1 < found["vix"] < 1
    with pytest.warns(DataWarning, match="no dry_up"):
        score, parts = pre_breakout_fingerprint(market.bars("AAPL").assign(volume=np.nan))
    assert np.isnan(score) and 0 <= parts["closeness"] <= 1


def test_series_without_a_day_in_common_are_nan(market):
    "An audit that gives AAPL another past than the VIX has met it: it ended in an IndexError that looked like 80 leaks."
    days = market.close("AAPL").index
    apart = {"AAPL": market.bars("AAPL").loc[days[300] :], "VIX": market.bars("VIX").loc[: days[200]]}
    total = market.macro("AAPL_OFFEX").loc[: days[200]].to_frame("value")
    late = market.macro("AAPL_SHORT").loc[days[300] :].to_frame("value")
    volumes = {"AAPL_OFFEX": total, "AAPL_SHORT": late}
    known = {name: table.assign(known_at=market.known_at(name).loc[table.index]) for name, table in volumes.items()}
    short = MarketData({**apart, **known})
    assert cross_asset_history(short, "AAPL")["vix"].isna().all()
    assert dark_pool_history(short, "AAPL", days[300:]).isna().all()


def test_the_score_stays_within_its_bounds(market):
    for name in STOCKS:
        table = breakout_fingerprints(market.bars(name), market.close("SPX")).dropna()
        assert len(table) and table.min().min() >= 0 and table.max().max() <= 1


def test_a_correlation_is_shrunk_by_how_many_pairs_there_are(market):
    short = cross_asset_history(market, "AAPL", window=20)["vix"].abs().mean()
    spx, vix = (np.log(market.close(name)).diff() for name in ("AAPL", "VIX"))
    assert short == pytest.approx((spx.rolling(20).corr(vix) * 0.5).abs().mean(), rel=0.02)


def test_links_are_numbered_in_the_order_in_which_they_were_known():
    rows = ["KO,IBM,customer,2012-03-01,a", "MSFT,IBM,supplier,2011-02-01,b", "AAPL,IBM,customer,2011-02-01,c"]
    links = read_links(io.StringIO("\n".join(["symbol,partner,direction,known_at,source", *rows])))
    assert links["symbol"].to_dict() == {0: "AAPL", 1: "MSFT", 2: "KO"}


@pytest.mark.parametrize(
    "text", ["", "%", "Apple Inc. accounted for % of revenue.", "and " * 2000, "Apple, " * 9000 + "12% of revenue"]
)
def test_odd_text_has_no_customers(text):
    assert customer_shares(text) == []
