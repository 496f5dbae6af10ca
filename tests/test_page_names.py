"Pages: none overwrites another, strays are skipped, few outcomes have no error, parameters are read before anything is loaded, and nothing that only reads makes a ledger."

import numpy as np
import pandas as pd
import pytest

from forecastkit.cli import main as cli
from forecastkit.core import DataError, SettingsError
from forecastkit.ledger.records import observed_coverage
from forecastkit.metrics import overlap_se
from forecastkit.reports import morning, read_parameters
from forecastkit.reports.daily import record_scores
from forecastkit.web.dashboard_frames import coverage_frame


def record_of(n: int) -> pd.DataFrame:
    "The record of the first outcomes, all of them inside."
    scores = {name: np.ones(n) for name in ("inside_50", "inside_80", "inside_90", "crps", "outcome")}
    others = {"rise": np.nan, "base_rate": np.nan, "stated": "neutral"} | {
        f"crps_{name}": np.ones(n) for name in ("climatology", "ar1", "har", "garch")
    }
    return pd.DataFrame(scores | others, pd.bdate_range("2018-01-02", periods=n))


@pytest.mark.parametrize("n", [1, 2, 30])
def test_of_few_outcomes_no_error_is_stated_anywhere(n):
    scores = record_scores(record_of(n), 5)
    assert (scores.loc["inside the 80% range", "s.e."]) == f"- ({n} outcomes)"
    assert np.isnan(overlap_se(np.arange(n), 5))
    pit = pd.DataFrame({"symbol": "VIX", "kind": "pct_change", "horizon": 5, "pit": np.full(n, 0.5)})
    assert np.isnan(observed_coverage(pit)["se"])
    inside = pd.DataFrame({"horizon": 5, **{f"inside_{level}": np.ones(n) for level in (50, 80, 90)}})
    assert coverage_frame(inside)["se"].isna().all()


def test_of_enough_outcomes_an_error_is_stated():
    record = record_of(40)
    record["inside_80"] = np.arange(40) % 2
    assert record_scores(record, 5).loc["inside the 80% range", "s.e."].endswith("%")


def test_folders_that_are_no_session_are_left_out_of_the_list_of_pages(tmp_path):
    for name in ("2018-02-05", "2018-02-30", "abcd-ef-gh", "2018-2-5"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "daily.html").write_text("<h1>A &amp; B, 5 sessions ahead</h1>")
    (tmp_path / "2018-02-05" / "daily-AAPL-21-log_return.html").write_text("<h1>AAPL, 21 sessions ahead</h1>")
    listed = morning.write_past_pages(tmp_path).read_text()
    assert listed.count("<li>") == 2 and "A &amp; B, 5 sessions ahead" in listed and "AAPL, 21 sessions" in listed


def test_a_page_of_another_target_has_a_name_of_its_own():
    from forecastkit.cli.options import target_settings

    names = [
        cli.page_stem("daily", target_settings(*one))
        for one in ((None, None, None), ("AAPL", None, None), (None, 21, None))
    ]
    assert names == ["daily", "daily-AAPL-5-log_return", "daily-VIX-21-pct_change"]
    assert cli.page_stem("monitoring", target_settings("AAPL", 21, None)) == "monitoring"


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("monitoring", {"sessions": "abc"}, "sessions is a whole number, not 'abc': write -p sessions=60"),
        ("daily", {"horizon": "1_0"}, "horizon is a whole number"),
        ("universe", {"store": "perhaps"}, "store is true or false"),
        ("daily", {"as_off": "x"}, "has no parameter as_off"),
    ],
)
def test_a_parameter_of_another_kind_is_refused_by_name(name, given, told):
    with pytest.raises(DataError, match=told):
        read_parameters(name, given)


def test_a_parameter_without_a_name_is_refused():
    with pytest.raises(SettingsError, match="-p =3 is no parameter"):
        cli.split_parameters(["=3"])


def test_a_report_of_a_ledger_that_is_not_there_makes_none_and_keeps_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "none"
    assert cli.main(["report", "monitoring", "-p", f"home={home}", "--output", "pages", "--quiet"]) == 2
    assert "there is no ledger at" in capsys.readouterr().err
    assert not home.exists() and not (tmp_path / "pages").exists()


def test_parameters_decide_the_session_as_options_do(monkeypatch, tmp_path):
    asked = {}

    def origin(name, settings, given, as_of):
        asked.update(symbol=settings.forecast.symbol, horizon=settings.forecast.horizon, home=str(settings.data.home))
        raise DataError("enough")

    monkeypatch.setattr(cli, "report_origin", origin)
    given = ["-p", "symbol=AAPL", "-p", "horizon=21", "-p", f"home={tmp_path}/own"]
    assert cli.main(["report", "daily", *given, "--output", str(tmp_path / "pages"), "--quiet"]) == 2
    assert asked == {"symbol": "AAPL", "horizon": 21, "home": f"{tmp_path}/own"}
