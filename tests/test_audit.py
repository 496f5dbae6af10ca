"The audit of a function of one's own: leaks on few days, remembered or encoded ones are found; what a function takes; exit codes."

import numpy as np
import pandas as pd
import pytest
from leaks.sparse import ENCODED, INNOCENT, REMEMBERED, SPARSE

from forecastkit.cli.main import main
from forecastkit.core import SettingsError, UserCodeError
from forecastkit.data import synthetic_market
from forecastkit.evaluation import audit
from forecastkit.evaluation.answer_findings import memory_findings, search_cuts
from forecastkit.evaluation.audit_cuts import date_kinds, plan_cuts, smallest_share
from forecastkit.evaluation.audit_views import FrameViews, MarketViews
from forecastkit.evaluation.fresh_answers import FirstAnswer
from forecastkit.evaluation.function_audit import AuditLimits, audit_report


@pytest.fixture(scope="module")
def close() -> pd.Series:
    return synthetic_market(sessions=1200, seed=5).market.close("SPX")


def reported(fn, data, cuts: int = 80, **limits):
    "The report of a function without memory, whose first answer needs no process of its own."
    views = FrameViews(data)
    first = FirstAnswer(views.table(fn(views.whole()), views.whole()))
    return audit_report(fn, views, first, AuditLimits(cuts=cuts, **limits), "asked", None)


def told(report) -> str:
    "What a report says of form."
    return "; ".join(note for note in report.notes if note.startswith("form"))


@pytest.mark.parametrize(
    "name", ["on quarter ends", "on year ends", "on lowest levels", "filled_backwards", "month_end_from_the_data"]
)
def test_a_leak_on_few_days_is_found(name, close):
    assert not reported(SPARSE[name], close).ok


@pytest.mark.parametrize("name", ["in_the_seventh_digit", "in_words", "in_the_rows_that_are_left_out", "in_a_seed"])
def test_an_encoded_leak_is_found(name, close):
    assert not reported(ENCODED[name], close, 40).ok


@pytest.mark.parametrize(
    "name", ["on quarter ends", "calendar_of_month_ends", "cache_by_content", "words_of_the_past", "rows_after_a_year"]
)
def test_an_innocent_is_not_accused(name, close):
    assert reported(INNOCENT[name], close, 40).ok


def rises(close) -> pd.Series:
    "Whether tomorrow is above today."
    return close.shift(-1) > close


def zeros_with_a_sign(close):
    return pd.Series(np.where(rises(close), -0.0, 0.0), close.index)


def absent_in_two_ways(close):
    words = pd.Series("calm", close.index, dtype=object)
    words[close.diff() < 0] = np.nan
    words[(close.diff() < 0) & rises(close)] = None
    return words


def seed_of_the_last_value(close):
    return close + 1e-6 * np.random.default_rng(int(close.iloc[-1] * 1e4)).normal(size=len(close))


def narrower_in_short_data(close):
    return close.astype("float32") if len(close) < 1100 else close


@pytest.mark.parametrize("fn", [zeros_with_a_sign, absent_in_two_ways, seed_of_the_last_value, narrower_in_short_data])
def test_a_form_that_carries_tomorrow_is_a_finding(fn, close):
    report = reported(fn, close, 20)
    assert not report.ok
    assert {one.probe for one in report.found} <= {"truncate", "perturb"} and {one.feature for one in report.found} <= {
        "SPX",
        "value",
    }
    if fn in (zeros_with_a_sign, absent_in_two_ways):
        assert {report.found[0].value, report.found[0].other} in ({"0.0", "-0.0"}, {"None", "NaN"})


def dtype_of_the_last_day(close):
    up = (close.diff() > 0).astype(int)
    return up if close.iloc[-1] > close.iloc[-2] else up.astype(float)


def columns_by_size(close):
    lags = pd.DataFrame({f"lag {k}": close.shift(k) for k in range(3)})
    return lags[lags.iloc[-1].sort_values().index]


def newest_first_where_it_rose(close):
    return close if close.iloc[-1] > close.iloc[-2] else close[::-1]


def negative_zeros_everywhere(close):
    return close * (0.0 if close.iloc[-1] > close.iloc[-2] else -0.0)


def below_the_tolerance(close):
    return close * (1 + 1e-12 * rises(close))


@pytest.mark.parametrize(
    ("fn", "words"),
    [
        (dtype_of_the_last_day, "the dtype of"),
        (columns_by_size, "the order of the columns"),
        (newest_first_where_it_rose, "the order of the rows"),
        (negative_zeros_everywhere, "the sign of zero"),
        (below_the_tolerance, "less than the tolerance"),
    ],
)
def test_a_form_that_carries_nothing_is_listed_for_whoever_asks(fn, words, close):
    silent, asked = reported(fn, close, 20), reported(fn, close, 20, forms=True)
    assert silent.ok and asked.ok
    assert not told(silent) and words in told(asked)


def test_the_smallest_leaks_are_found_to_the_last_bit(close):
    assert not reported(below_the_tolerance, close, 10, tolerance=0.0).ok
    assert reported(INNOCENT["expanding_scale"], close, 10, tolerance=0.0, forms=True).ok


def test_a_cut_without_an_answer_counts_for_nothing(close):
    def late(shown):
        if len(shown) < 700:
            raise ValueError("too short")
        return shown.diff()

    views = FrameViews(close)
    whole = views.table(late(close), close)
    plan = plan_cuts(close.index, {}, 40)
    search = search_cuts(late, views, whole, plan.cuts, "late")
    assert search.asked == len(plan.cuts) and set(search.answered) == {
        cut for cut in plan.cuts if cut >= close.index[699]
    }
    assert reported(late, close, 40).facts["smallest share of rows"] > plan.bound(plan.cuts)


def test_what_is_read_of_short_data_alone_is_shown_there():
    market = synthetic_market(sessions=500, seed=5).market

    def careful(market):
        close = market.close("SPX")
        if len(close) < 400:
            market.close("VIX")
        return close.diff()

    first = FirstAnswer(careful(market).to_frame("SPX"), "market", frozenset({"SPX"}))
    report = audit_report(careful, MarketViews(market, {"SPX"}), first, AuditLimits(cuts=10), "careful", "SPX")
    assert report.ok and report.facts["reads"] == "SPX, VIX"
    assert not any("gave no answer" in note for note in report.notes)


@pytest.mark.parametrize(("extra", "rows"), [("2018-02-05", 3), ("2018-02-06", 2)])
def test_a_row_that_is_decided_at_the_same_moment_is_compared_and_a_later_one_is_not(extra, rows):
    "A Saturday is decided at Monday's close, as Monday is: a Monday that only one answer has is a difference."
    market = synthetic_market(sessions=30, start="2018-01-02", seed=5).market
    whole = pd.DataFrame({"SPX": [1.0, 2.0]}, pd.DatetimeIndex(["2018-02-01", "2018-02-03"]))
    other = pd.concat([whole, pd.DataFrame({"SPX": [3.0]}, pd.DatetimeIndex([extra]))])
    a, b = MarketViews(market, {"SPX"}).agreeing(whole, other, whole.index[1], "perturb")
    assert len(a) == len(b) == rows and a.index.equals(b.index)


def test_few_cuts_go_to_the_rarest_days(close):
    holes = close.index[[200, 700, 701]]
    plan = plan_cuts(close.index, date_kinds(close.index) | {"holes in the data": holes}, 10, seed=1)
    assert plan.cuts.isin(holes).any()


def test_what_is_remembered_between_calls_is_found_and_said(close):
    "Two of the corpus through the whole door; the process costs more than the question."
    for name in ("scaler_of_the_first_call", "cache_by_symbol"):
        assert "state" in set(audit(REMEMBERED[name], close, cuts=4).findings["probe"])


def test_dice_are_told_from_memory():
    days = pd.bdate_range("2020-01-01", periods=3)
    one, two = (pd.DataFrame({"x": values}, days) for values in ([1.0, 2, 3], [1.0, 2, 4]))
    assert [found.probe for found in memory_findings(one, one, two)] == ["repeat"]
    assert [found.probe for found in memory_findings(one, two, two)] == ["state"]


def test_an_intraday_frame_is_audited_row_by_row(close):
    hours = pd.DatetimeIndex([day + pd.Timedelta(hours=h) for day in close.index[:80] for h in (10, 12, 15)], tz="UTC")
    bars = pd.DataFrame({"price": np.linspace(5, 9, 240) + np.sin(np.arange(240.0)), "lots": 3}, hours)
    known = reported(lambda bars: bars["price"].rolling(3).mean(), bars, 40)
    assert known.ok and known.facts["rows"] == 240
    last_of_day = reported(lambda bars: bars["price"].groupby(bars.index.date).transform("last"), bars, 40)
    assert not last_of_day.ok
    assert "last rows of a day" in last_of_day.tables["cuts by kind of day"].index


def test_the_bound_is_that_of_drawing_without_repetition(close):
    rows = close.index
    plan = plan_cuts(rows, date_kinds(rows), 100, seed=2)
    assert plan.bound(rows[:0]) == 1.0 and plan.bound(plan.cuts) == smallest_share(1200, 50)
    leaking, rng = round(plan.bound(plan.cuts) * 1200), np.random.default_rng(0)
    met = [rng.choice(1200, leaking, replace=False) < 50 for _ in range(3000)]
    assert 0.935 < np.mean([one.any() for one in met]) < 0.97


def test_every_kind_of_day_is_asked_where_its_days_are_few(close):
    plan = plan_cuts(close.index, FrameViews(close).kinds(close.to_frame()), 240)
    table = plan.asked(plan.cuts)
    assert (table["cuts"] >= np.minimum(table["rows"], 4)).all()
    assert table.loc["quarter ends", "cuts"] >= 8


def test_decided_at_the_open_asks_for_a_function_of_a_market(close):
    market = synthetic_market(sessions=300, seed=5).market
    with pytest.raises(SettingsError, match="let it take one"):
        audit(lambda close: close.diff(), market, decide="open", cuts=2)


def test_a_function_that_answers_on_everything_only_has_proven_nothing(close):
    def hasty(shown):
        if not shown.equals(close):
            raise ValueError("too short")
        return shown

    with pytest.raises(UserCodeError, match="answers on the whole data only"):
        reported(hasty, close, 4)


CODE = """
import sys
import pandas as pd

def momentum(bars):
    return bars["close"].pct_change(20)

def peeking(close: pd.Series):
    return close.shift(-1)

def breaking(bars):
    raise RuntimeError("no such thing")

def leaving(bars):
    sys.exit(0)
"""


@pytest.mark.parametrize(("name", "code", "says"), [("momentum", 0, "nothing found"), ("peeking", 1, "finding"), ("breaking", 3, "RuntimeError"), ("leaving", 3, "SystemExit")])  # fmt: skip
def test_the_exit_code_tells_a_leak_from_a_failure(name, code, says, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(CODE)
    asked = [
        "verify",
        "--function",
        f"{tmp_path}/mine.py:{name}",
        "--cuts",
        "3",
        "--home",
        str(tmp_path / "home"),
        "--quiet",
    ]
    with pytest.raises(SystemExit) as left:
        main(asked)
    told = capsys.readouterr()
    assert left.value.code == code and says in told.out + told.err
    assert "Traceback" not in told.err and len(told.err.splitlines()) <= 1


def test_bad_input_is_neither(tmp_path, capsys):
    for words in (["--function", "nowhere.py:f"], ["--seconds", "5"], ["--function", "mine.py:f", "--cuts", "0"]):
        assert main(["verify", *words, "--home", str(tmp_path)]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
