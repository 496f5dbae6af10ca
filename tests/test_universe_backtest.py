"The books of a universe through the command: refused where it saw tomorrow, one line for what makes no sense, the same bits again."

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pandas as pd
import pytest

from forecastkit.cli.main import main
from forecastkit.cli.schemas import SCHEMAS
from forecastkit.core import DataError, ExperimentLog, load_settings
from forecastkit.data import synthetic_market
from forecastkit.pipeline import (
    BacktestTerms,
    LookAheadRefused,
    Universe,
    backtest_universe,
    keep_backtest,
    kept_backtest,
)
from forecastkit.pipeline.backtest import strategy_identity
from forecastkit.pipeline.tried_strategies import count_trial
from forecastkit.trading import CostModel
from forecastkit.trading.order_files import read_orders

NAMES = ("AAA", "BBB", "CCC", "DDD")
SPAN = ("2014-09-02", "2015-06-30")

STRATEGIES = """
import pandas as pd

def honest(market):
    closes = pd.DataFrame({name: market.close(name) for name in ("JPM", "KO")})
    return 0.3 * (closes > closes.shift(20)).astype(float)

def prophet(market):
    closes = pd.DataFrame({name: market.close(name) for name in ("JPM", "KO")})
    return 0.3 * (closes.shift(-1) > closes).astype(float)

def asked(view, names):
    return {name: 0.1 for name in names if view.close(name).iloc[-1] > view.close(name).iloc[-21]}

def unknown(market):
    return pd.DataFrame({"NOPE": 0.5 * market.close("KO").notna()})

def negative(market):
    return pd.DataFrame({"KO": -0.5 * market.close("KO").notna()})

def endless(market):
    return pd.DataFrame({"KO": market.close("KO") * float("inf")})

def words(market):
    return "buy low, sell high"

def broken(market):
    return 1 / 0

def lists(view, names):
    return ["KO"]

def spelled(view, names):
    return {name: "a lot" for name in names}

def imaginary(view, names):
    return {name: 1j for name in names}

def leaves(view, names):
    raise SystemExit(0)

def long(view, names):
    raise ValueError("one line\\nand another")

def talks(view, names):
    print("hello")
    return {"KO": 0.1}

def texts(market):
    return pd.DataFrame({"KO": market.close("KO")}).astype(str) + "x"
"""


def run(*words: str) -> int:
    try:
        return main(list(words))
    except SystemExit as leave:
        return int(leave.code or 0)


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("backtest")
    (folder / "mine.py").write_text(STRATEGIES)
    (folder / "two.csv").write_text("symbol,sector\nJPM,Financials\nKO,Consumer Staples\n")
    return folder


def command(here: Path, name: str, *more: str) -> int:
    words = (
        "--universe",
        str(here / "two.csv"),
        "--start",
        "2016-01-04",
        "--end",
        "2016-12-30",
        "--home",
        str(here / "home"),
    )
    return run("backtest", "--strategy", f"{here / 'mine.py'}:{name}", *words, "--quiet", *more)


@pytest.mark.parametrize("name", ["honest", "asked"])
def test_a_strategy_in_a_file_prints_what_the_schema_promises(here, name, capsys):
    assert command(here, name, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, SCHEMAS["backtest"])
    assert found["verdict"][0]["ok"] and found["trades"] > 0
    assert max(found["identities"].values()) < 1e-9


def test_a_strategy_that_saw_tomorrow_is_refused_and_says_so_if_forced(here, capsys):
    assert command(here, "prophet") == 1
    err = capsys.readouterr().err
    assert "saw tomorrow" in err and err.count("\n") == 1
    assert command(here, "prophet", "--despite-leak") == 0
    assert "NOT VALID" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("unknown", (), "not in the universe"),
        ("negative", (), "short"),
        ("absent", (), "defines no function"),
        ("honest", ("--capital", "-5"), "capital"),
        ("honest", ("--fill", "midnight"), "midnight"),
        ("honest", ("--ledger",), "give one of them"),
        ("honest", ("--end", "2015-01-02"), "needs three"),
        ("honest", ("--stops", "quantiles"), "no quantiles"),
        ("honest", ("--stops", "tight"), "neither"),
        ("honest", ("--method", "best"), "neither"),
        ("honest", ("--orders", "mine.csv"), "give one of them"),
        ("honest", ("--start", "soon"), "no date"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_books_nothing(here, name, more, said, capsys):
    trades = here / "trades.csv"
    assert command(here, name, *more, "--csv", str(trades)) == 2
    out, err = capsys.readouterr()
    assert said in err and err.count("\n") == 1 and not out and not trades.exists()


@pytest.mark.parametrize("name", ["broken", "lists", "spelled", "imaginary", "leaves", "long"])
def test_a_strategy_whose_code_fails_is_one_line_and_exit_3(here, name, capsys):
    assert command(here, name) == 3
    out, err = capsys.readouterr()
    assert name in err and err.count("\n") == 1 and not out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("texts", "no weight"),
        ("endless", "an infinite number"),
        ("words", "a table of weights by session and ticker is wanted"),
    ],
)
def test_a_table_that_holds_no_weights_is_one_line_and_exit_3(here, name, said, capsys):
    trades = here / "trades.csv"
    assert command(here, name, "--csv", str(trades)) == 3
    out, err = capsys.readouterr()
    assert said in err and err.count("\n") == 1 and not out and not trades.exists()


def test_what_a_strategy_prints_stays_out_of_the_json(here, capsys):
    assert command(here, "talks", "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["trades"] > 0 and "hello" in err


def test_the_page_says_first_what_the_probe_found(here, capsys):
    page = here / "books.html"
    assert command(here, "prophet", "--despite-leak", "--html", str(page)) == 0
    text = page.read_text()
    assert text.index("NOT VALID") < text.index("Risk, trades and costs") < text.index("Do the books balance?")
    assert "written with hindsight" in text and "<script" not in text


@pytest.mark.slow("test_two_processes_and_a_second_run_keep_the_same_books")
def test_dask_workers_keep_the_same_books(tmp_path, market, whole):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        spread = books_of(tmp_path / "dask", market, run__dask=cluster.scheduler_address)
    np.testing.assert_array_equal(spread.result.equity, whole.books.result.equity)


@pytest.mark.slow("test_a_future_that_continues_differently_changes_no_earlier_equity")
@pytest.mark.usefixtures("whole")
def test_the_full_audit_trains_again_and_finds_nothing(trained, market):
    found = backtest_universe(Universe(NAMES), *SPAN, settings_at(trained), market, full_audit=True)
    assert found.ok and "panel forecast" in " ".join(report.subject for report in found.verdict)


def test_trades_go_into_a_csv_that_adds_up_to_the_equity(here, capsys):
    trades = here / "all.csv"
    assert command(here, "honest", "--json", "--csv", str(trades)) == 0
    found, table = json.loads(capsys.readouterr().out), pd.read_csv(trades)
    assert len(table) == found["trades"]
    assert table["profit"].sum() == pytest.approx(found["equity_final"] - 1_000_000, abs=1e-3)


@pytest.fixture(scope="module")
def market():
    return synthetic_market(seed=5, sessions=900, start="2012-01-03", stocks=NAMES).market


def settings_at(home: Path, **more: object):
    given = {"data.home": str(home), "run.progress": False, "model.rounds": 5, "model.refit_every": 63}
    return load_settings(environ={}, overrides=given | {key.replace("__", "."): value for key, value in more.items()})


def books_of(home: Path, market, **more: object):
    return backtest_universe(Universe(NAMES), *SPAN, settings_at(home, **more), market)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    "A home in which the versions of the universe lie once `whole` has run."
    return tmp_path_factory.mktemp("trained")


@pytest.fixture(scope="module")
def whole(trained, market) -> SimpleNamespace:
    "The books of a run that nobody disturbed, and how many files it kept."
    books = books_of(trained, market)
    return SimpleNamespace(books=books, files=len(list((trained / "raw").glob("*/*.npz"))))


def test_two_processes_and_a_second_run_keep_the_same_books(tmp_path, market, trained, whole, walks_in_processes):
    first, again = whole.books, books_of(trained, market)
    two = books_of(tmp_path, market, run__n_jobs=2)
    for other in (again, two):
        np.testing.assert_array_equal(first.result.equity, other.result.equity)
        assert first.result.to_dict() == other.result.to_dict()
    assert first.ok and first.verdict[0].facts["values compared"] > 0


def test_a_run_that_is_killed_keeps_the_same_books_when_run_again(tmp_path, market, whole):
    home, script = tmp_path / "killed", Path(__file__).with_name("kill_backtest.py")
    victim = subprocess.Popen([sys.executable, str(script), str(home)])
    while not list((home / "raw").glob("*/*.npz")) and victim.poll() is None:
        time.sleep(0.005)  # a loop that never rests takes the core that the victim needs
    victim.kill()
    victim.wait()
    kept = len(list((home / "raw").glob("*/*.npz")))
    assert 0 < kept < whole.files, "the kill came too late to test anything"
    np.testing.assert_array_equal(whole.books.result.equity, books_of(home, market).result.equity)


def test_a_future_that_continues_differently_changes_no_earlier_equity(tmp_path, market, whole):
    days, other = market.bars("AAA").index, market
    cut = days.searchsorted(pd.Timestamp("2015-03-02"))
    for name in NAMES:
        bars = market.bars(name).copy()
        bars.loc[days[cut:], ["open", "high", "low", "close"]] *= 1.3
        other = other.with_series(name, bars)
    runs = [run.result.equity.loc[: days[cut - 1]] for run in (whole.books, books_of(tmp_path, other))]
    assert len(runs[0]) > 100
    np.testing.assert_array_equal(*runs)


def test_a_strategy_is_refused_by_the_function_too(tmp_path, market):
    def prophet(view):
        closes = pd.DataFrame({name: view.close(name) for name in NAMES})
        return 0.1 * (closes.shift(-1) > closes).astype(float)

    with pytest.raises(LookAheadRefused):
        backtest_universe(Universe(NAMES), *SPAN, settings_at(tmp_path), market, strategy=prophet)


def test_a_ticker_that_left_the_universe_is_not_bought_after(tmp_path, market):
    left = pd.DataFrame({
        "symbol": [*NAMES, "AAA"], "date": [*[pd.Timestamp("1900-01-01")] * 4, pd.Timestamp("2015-01-05")], "change": [1, 1, 1, 1, -1],
    })  # fmt: skip
    members = left.assign(known_at=left["date"].dt.tz_localize("UTC"))
    terms = BacktestTerms(fraction=50.0, short=True)  # so that something is held at all
    found = backtest_universe(Universe(NAMES, members=members), *SPAN, settings_at(tmp_path), market, terms=terms)
    position = pd.DataFrame(found.result.books.position, found.result.sessions, found.result.books.prices.tickers)
    assert position["AAA"].loc[:"2014-12-31"].abs().sum() > 0
    assert position["AAA"].loc["2015-01-07":].abs().sum() == 0


def test_capital_that_is_no_money_is_refused():
    with pytest.raises(DataError, match="starts with money"):
        BacktestTerms(capital=float("nan"))


@pytest.mark.parametrize("terms", [{"fraction": float("nan")}, {"fraction": -1.0}, {"fill": "midnight"}])
def test_terms_that_make_no_sense_are_refused_before_anything_is_trained(terms):
    with pytest.raises(DataError, match=r"fraction|midnight"):
        BacktestTerms(**terms)


def test_the_page_shows_the_run_that_was_made_and_runs_nothing_again(here, monkeypatch, capsys):
    import forecastkit.reports as reports

    given = {}
    monkeypatch.setattr(
        reports, "write_report", lambda name, html, parameters, progress: given.update(parameters) or keep(parameters)
    )
    shown = []

    def keep(parameters):
        shown.append(kept_backtest(parameters["kept"]))

    assert command(here, "honest", "--json", "--html", str(here / "one.html")) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(given) == {"kept", "end"} and not Path(given["kept"]).exists()
    for name in ("equity_final", "sharpe", "by_year", "trades", "survivorship", "subject"):
        assert shown[0].to_dict()[name] == found[name]


def test_a_kept_run_that_somebody_changed_is_no_result(tmp_path, whole):
    file = keep_backtest(whole.books, tmp_path / "run.npz")
    with np.load(file) as kept:
        arrays = {name: kept[name] for name in kept.files}
    arrays["strategy.cash"] = arrays["strategy.cash"] + 1000.0
    np.savez(file, **arrays)
    with pytest.raises(ArithmeticError, match="do not balance"):
        kept_backtest(file)
    np.savez(file, strategy=np.zeros(3))
    with pytest.raises(DataError, match="holds no backtest"):
        kept_backtest(file)


def test_a_strategys_weights_are_cut_to_the_limits_and_the_result_says_so(here, capsys):
    assert command(here, "honest", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert any("ticker 5%" in one for one in found["remarks"])
    assert found["gross_exposure"] < 0.11 and found["identities"]["limits"] < 1e-9


def test_stops_by_average_true_range_close_positions_of_a_strategy(here, capsys):
    trades = here / "stopped.csv"
    assert command(here, "honest", "--json", "--stops", "atr", "--csv", str(trades)) == 0
    assert {"stop", "target"} & set(pd.read_csv(trades)["exit_by"])


ORDERS = """symbol,session,side,size,kind,limit,stop_loss
KO,2016-02-01,buy,1000,,,
KO,2016-03-01,sell,5000,,,
KO,2016-03-02,buy,-5,,,
KO,2016-03-03,buy,nan,,,
JPM,2016-02-01,buy,100,limit,nan,
JPM,2016-02-02,buy,100,limit,1000,
JPM,2016-02-02,buy,100,limit,1000,
JPM,2016-02-06,buy,100,,,
NOPE,2016-02-01,buy,100,,,
JPM,someday,buy,100,,,
KO,2016-04-01,sell,1000,,,
"""


def test_orders_of_a_file_are_booked_and_those_that_make_no_sense_are_one_line_each(here, capsys):
    file, trades = here / "orders.csv", here / "booked.csv"
    file.write_text(ORDERS)
    words = (
        "--universe",
        str(here / "two.csv"),
        "--start",
        "2016-01-04",
        "--end",
        "2016-12-30",
        "--home",
        str(here / "home"),
    )
    assert run("backtest", "--orders", str(file), *words, "--json", "--csv", str(trades)) == 0
    out, err = capsys.readouterr()
    found, table = json.loads(out), pd.read_csv(trades)
    refused = [line for line in err.splitlines() if line.startswith("refused: ")]
    said = (
        "sells more",
        "-5",
        "nan",
        "NaN or not above 0",
        "second order",
        "no session",
        "unknown ticker NOPE",
        "no date",
    )
    assert len(refused) == found["rejects"] == len(said)
    assert all(any(word in line for line in refused) for word in said)
    assert sorted(zip(table["ticker"], table["shares"])) == [("JPM", 100.0), ("KO", 1000.0)]
    assert any("held to no limits" in one for one in found["remarks"])


@pytest.mark.parametrize(
    "text", ["", "symbol,session\nKO,2016-01-04\n", "symbol,session,size,colour\nKO,2016-01-04,1,red\n"]
)
def test_a_file_that_holds_no_orders_is_one_line(here, text, capsys):
    file = here / "none.csv"
    file.write_text(text)
    assert (
        run(
            "backtest",
            "--orders",
            str(file),
            "--universe",
            str(here / "two.csv"),
            "--home",
            str(here / "home"),
            "--quiet",
        )
        == 2
    )
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and "none.csv" in err and not out


@pytest.mark.parametrize("end", ["", ",", ",,"])
def test_a_comma_behind_each_order_moves_no_cell_and_a_row_with_a_field_more_is_refused_alone(end, tmp_path):
    file = tmp_path / "orders.csv"
    file.write_text(f"symbol,session,size\nKO,2016-01-04,1{end}\nJPM,2016-01-04,7,60\nKO,2016-01-05,1,2016-01-06,500\n")
    orders, rejects = read_orders(file)
    assert [(one.ticker, f"{one.session:%Y-%m-%d}", one.size) for one in orders] == [("KO", "2016-01-04", 1.0)]
    assert [(one.ticker, "more fields" in one.reason) for one in rejects] == [("JPM", True), ("KO", True)]


def test_orders_in_another_encoding_and_numbers_of_another_script_are_refused_in_plain_words(tmp_path):
    file = tmp_path / "orders.csv"
    file.write_bytes("symbol,session,size\nKÖ,2016-01-04,1\n".encode("latin-1"))
    with pytest.raises(DataError, match="not written in UTF-8: save it as CSV in UTF-8"):
        read_orders(file)
    file.write_text("symbol,session,size\nKO,2016-01-04,1_4\nJPM,2016-01-04,7\nAA,2016-01-04,much\nBA,2016-01-04,\n")
    orders, rejects = read_orders(file)
    assert [one.ticker for one in orders] == ["JPM"]
    assert [one.reason for one in rejects] == [
        "size '1_4' is no number",
        "size 'much' is no number",
        "no size is given",
    ]


@pytest.mark.usefixtures("whole")
def test_forecasts_of_data_that_would_be_refused_are_not_traded(trained, market, monkeypatch):
    from forecastkit.pipeline import backtest_inputs

    terms = BacktestTerms(fraction=50.0, short=True)  # so that something is held at all
    monkeypatch.setattr(backtest_inputs, "refused_rows", lambda prepared, rows: np.ones(len(rows), dtype=bool))
    found = backtest_universe(Universe(NAMES), *SPAN, settings_at(trained), market, terms=terms)
    assert len(found.result.trades) == 0 and "quality is refused" in found.remarks[0]


@pytest.mark.usefixtures("whole")
def test_optimal_sizes_break_no_limit_and_balance(trained, market):
    terms = BacktestTerms(method="optimal", fraction=5.0, every=10)
    found = backtest_universe(Universe(NAMES), *SPAN, settings_at(trained), market, terms=terms)
    assert max(found.result.to_dict()["identities"].values()) < 1e-9


def test_a_universe_of_one_ticker_has_books(tmp_path, market):
    found = backtest_universe(Universe(("AAA",)), *SPAN, settings_at(tmp_path), market)
    assert found.ok and len(found.result.books.prices.tickers) == 1


@pytest.mark.no_cover
def test_edited_code_under_the_same_name_is_another_trial(here, capsys):
    mine, home = here / "edited.py", ("--home", str(here / "edited"))
    text = (
        "import pandas as pd\n\nSHARE = 0.1\n\n\ndef held(market):\n"
        "    return pd.DataFrame({'KO': SHARE * market.close('KO').notna()})\n"
    )

    def trials(code: str) -> int:
        mine.write_text(code)
        assert command(here, "held", *home, "--strategy", f"{mine}:held", "--end", "2016-03-30", "--json") == 0
        return json.loads(capsys.readouterr().out)["sharpe"]["trials"]

    assert [trials(text), trials(text), trials("# a remark\n" + text)] == [1, 1, 1]
    assert [trials(text.replace("0.1", "0.2")), trials(text.replace("SHARE *", "-1 * -SHARE *"))] == [2, 3]


@pytest.mark.no_cover
def test_edited_orders_under_the_same_name_are_another_trial(here, capsys):
    path, trials = here / "rewritten.csv", list[int]()
    for size in (10, 10, 20):
        path.write_text(f"symbol,session,side,size\nKO,2016-02-01,buy,{size}\n")
        words = ("--orders", str(path), "--universe", str(here / "two.csv"), "--home", str(here / "rewritten"))
        assert run("backtest", *words, "--start", "2016-01-04", "--end", "2016-03-30", "--quiet", "--json") == 0
        trials.append(json.loads(capsys.readouterr().out)["sharpe"]["trials"])
    assert trials == [1, 1, 2]


def test_code_that_cannot_be_told_from_another_is_a_new_trial_each_time():
    drawn = np.random.default_rng(0)

    def by_chance(view, names):
        return {"KO": drawn.random()}

    assert strategy_identity(by_chance) != strategy_identity(by_chance)


def test_one_strategy_in_two_processes_at_once_is_one_trial(tmp_path):
    result = SimpleNamespace(sharpe=SimpleNamespace(value=0.5))
    log = ExperimentLog(tmp_path / "backtests.jsonl")
    assert count_trial(log, {"subject": "one"}, result) == 1
    first = log.entries()[0]
    log.append("backtest", first["name"], "one", {"sharpe": 0.5})  # what the other process had not yet seen
    assert [count_trial(log, {"subject": name}, result) for name in ("one", "two")] == [1, 2]


def test_the_optimal_sizes_know_what_trading_costs():
    dear = BacktestTerms(costs=CostModel(bps=20.0), method="optimal")
    assert dear.sizer({}).cost == pytest.approx(22e-4)
