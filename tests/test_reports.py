"Report pages: the section on anomalies with its false-alarm rate, and runs that neither mix nor leave anything behind."

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import pytest

from forecastkit.core import DataError
from forecastkit.core.settings import load_settings
from forecastkit.data.synthetic import synthetic_market
from forecastkit.pipeline.system import IntegratedSystem
from forecastkit.reports import runner
from forecastkit.reports.anomalies import (
    alarm_sentence,
    anomaly_headline,
    anomaly_record,
    anomaly_scores,
    anomaly_section,
    draw_anomalies,
    stands_out_table,
)
from forecastkit.reports.runner import kernel_config, run_report


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    quick = load_settings(
        environ={},
        overrides={"data.home": str(home), "run.progress": False, "model.rounds": 3, "model.refit_every": 126},
    )
    return IntegratedSystem(settings=quick, market=synthetic_market(seed=7, sessions=1100).market).daily()


def with_p(day, p: float):
    values = day.anomaly.p_values.copy()
    values.loc[day.as_of, "p_value"] = p
    return replace(day, anomaly=replace(day.anomaly, p_values=values))


@pytest.mark.parametrize(
    ("p", "kind", "words"),
    [(0.004, "alarm", "A very unusual day"), (0.01, "alarm", "A very unusual day"), (0.03, "warning", "An unusual day"),
     (0.05, "warning", "An unusual day"), (0.2, "", "A day like others")],
)  # fmt: skip
def test_the_verdict_follows_the_p_value(day, p, kind, words):
    page = anomaly_section(with_p(day, p))
    assert (f'<p class="{kind}">{words}' if kind else f"<p>{words}") in page
    assert ("What sets it apart" in page) == (p <= 0.05)


def test_the_verdict_counts_the_days_that_were_as_unusual(day):
    ranked = day.anomaly.ranked
    assert f"7 of the {ranked} days" in anomaly_headline(with_p(day, 8 / (ranked + 1)))
    assert f"none of the {ranked} days" in anomaly_headline(with_p(day, 1 / (ranked + 1)))


def test_the_observed_rate_stands_beside_the_stated_one():
    p = pd.Series(0.5, pd.bdate_range("2018-01-01", periods=300))
    p.iloc[-20:-15] = 0.005
    assert alarm_sentence(p).startswith(
        "Of the last 250 sessions 5 at 1% and 5 at 5% were flagged; of ordinary ones it would be about 2.5 at 1% and 12.5"
    )
    assert "unlike the days before" not in alarm_sentence(p)
    assert "unlike the days before" in alarm_sentence(p * 0.06)


def test_without_a_version_the_page_says_so_and_shows_no_table(day):
    unknown = replace(
        day.anomaly, p_values=day.anomaly.p_values * np.nan, reasons=pd.DataFrame(), scores=pd.DataFrame(), ranked=0
    )
    early = replace(day, anomaly=unknown)
    assert "cannot be said yet" in anomaly_section(early)
    assert "<table" not in anomaly_section(early) + anomaly_record(early)


def test_tables_are_of_this_day_and_carry_their_errors(day):
    assert stands_out_table(day).index.tolist() == day.anomaly.reasons.index[:5].tolist()
    scores = anomaly_scores(day)
    assert scores["forecasts"].str.replace(",", "").astype(int).sum() == day.anomaly.scores["days"].sum()
    filled = scores["better by"] != ""
    assert scores.loc[filled, "better by"].str.fullmatch(r"[+-]\d+\.\d\d \(\d+\.\d\d\)").all()


def test_the_picture_has_a_line_a_session(day):
    known = day.anomaly.p_values["p_value"].dropna()
    ax = draw_anomalies(day.anomaly.p_values["p_value"])
    assert len(ax.collections[0].get_segments()) == len(known)


RUN = """
import sys
from forecastkit.reports import run_report
print(run_report("weekly", "output", {"day": sys.argv[1]}, progress=False))
"""


def weekly(folder, code: str) -> None:
    "A report of one cell in a folder of its own."
    book = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell('day = ""', metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell(code),
        ]
    )
    (folder / "reports").mkdir(exist_ok=True)
    nbformat.write(book, folder / "reports" / "weekly.ipynb")


def test_runs_at_once_in_one_folder_leave_one_whole_page_and_nothing_else(tmp_path):
    weekly(tmp_path, "import time\ntime.sleep(1)\nprint('the page of', day)")
    days = ["Monday", "Tuesday", "Wednesday"]
    started = [subprocess.Popen([sys.executable, "-c", RUN, day], cwd=tmp_path, stderr=subprocess.PIPE) for day in days]
    for one in started:
        assert one.wait(timeout=300) == 0, one.stderr.read().decode()
    page = (tmp_path / "output" / "weekly.html").read_text()
    assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>")
    assert [day for day in days if f"the page of {day}" in page] in [[day] for day in days]
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if not path.is_dir())
    assert left == ["output/weekly.html", "output/weekly.ipynb", "reports/weekly.ipynb"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("1 / 0", "cell .* stopped with ZeroDivisionError"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "its kernel did not start, or ended"),
    ],
    ids=["raises", "killed"],
)
def test_a_report_that_breaks_keeps_the_page_of_before_and_shows_where(code, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weekly(tmp_path, "print('the page of', day)")
    page = run_report("weekly", "output", {"day": "Monday"}, progress=False)
    weekly(tmp_path, code)
    with pytest.raises(DataError, match=f"report weekly: {words}"):
        run_report("weekly", "output", {"day": "Tuesday"}, progress=False)
    assert "the page of Monday" in page.read_text()
    assert ("ZeroDivisionError" in page.with_suffix(".ipynb").read_text()) == (code == "1 / 0")


def test_a_kernel_starts_beside_a_file_with_a_name_of_the_library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("types", "operator", "signal"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a user file taken for the standard library')")
    weekly(tmp_path, "import operator\nprint('the page of', operator.add(1, 2))")
    assert "the page of 3" in run_report("weekly", "output", {}, progress=False).read_text()
    weekly(tmp_path, "import os, sys\nprint('the page of', os.environ.get('PYTHONSAFEPATH'), sys.flags.safe_path)")
    assert "the page of None True" in run_report("weekly", "output", {}, progress=False).read_text()


def test_what_is_handed_to_a_notebook_is_there_for_this_run_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weekly(tmp_path, "from forecastkit.reports import handed\nprint('the page of', handed('table'), handed('other'))")
    given = {"table": pd.Timestamp("2018-12-31")}
    assert "2018-12-31 00:00:00 None" in run_report("weekly", "output", {}, progress=False, objects=given).read_text()
    assert "the page of None None" in run_report("weekly", "output", {}, progress=False).read_text()
    assert not list(tmp_path.rglob("handed*"))


@pytest.mark.parametrize("known", [True, False])
def test_a_file_that_was_laid_in_place_of_what_is_handed_is_not_unpickled(known, tmp_path, monkeypatch):
    "Another's file beside the kernel, with and without something that was handed."
    monkeypatch.chdir(tmp_path)
    real = runner.hand_over

    def swapped(objects, folder):
        if known:
            real(objects, folder)
        Path(folder, runner.HANDED).write_bytes(b"cos\nsystem\n(S'touch " + bytes(tmp_path / "owned") + b"'\ntR.")

    monkeypatch.setattr(runner, "hand_over", swapped)
    weekly(tmp_path, "from forecastkit.reports import handed\nprint('the page of', handed('table'))")
    if known:
        with pytest.raises(DataError, match="changed on its way"):
            run_report("weekly", "output", {}, progress=False, objects={"table": 1})
    else:
        assert (
            "the page of None" in run_report("weekly", "output", {}, progress=False, objects={"table": 1}).read_text()
        )
    assert not (tmp_path / "owned").exists() and not [name for name in os.environ if name.startswith("HANDED_")]


def test_the_page_of_a_day_in_hand_gathers_nothing_again(day, tmp_path, monkeypatch):
    "There are no data where the notebook would look for them."
    monkeypatch.chdir(tmp_path)
    given = {"sources": f"folder:{tmp_path}/nothing", "home": str(tmp_path / "home"), "as_of": f"{day.as_of:%Y-%m-%d}"}
    page = run_report("daily", "output", given, progress=False, objects={"day": day}).read_text()
    assert f"{day.forecast.in_points.expected:.2f}" in page and "How earlier forecasts fared" in page
    with pytest.raises(DataError, match="stopped with"):
        run_report("daily", "other", given, progress=False)


def test_a_folder_with_a_long_path_needs_no_file_sockets():
    assert kernel_config("fk-1").KernelManager.transport == "ipc"
    assert kernel_config(90 * "x").KernelManager.transport == "tcp"


def test_every_report_notebook_comes_with_the_package():
    root = Path(__file__).parent.parent
    packaged = root / "forecastkit" / "notebooks"
    assert {path.name for path in (root / "reports").glob("*.ipynb")} == {
        path.name for path in packaged.glob("*.ipynb")
    }


@pytest.mark.parametrize(("rounds", "refits"), [("0", []), (0, []), ("3", [3])])
def test_the_explain_page_makes_as_many_refits_as_the_command_line_asks_for(rounds, refits):
    book = nbformat.read(Path(__file__).resolve().parents[1] / "reports" / "explain.ipynb", as_version=4)
    (source,) = [
        cell.source for cell in book.cells if cell.source.startswith("if ") and "forecast_null(" in cell.source
    ]
    made = []
    given = {
        "rounds": rounds, "system": SimpleNamespace(prepared=lambda session: None), "IntegratedSystem": SimpleNamespace, "session": None, "origin": None,
        "forecast_null": lambda prepared, origin, count: made.append(count) or SimpleNamespace(width=None, middle=None), "null_table": lambda null: "",
        "columns": "".join, "HTML": str, "reports": SimpleNamespace(table=lambda *shown: "", paragraph=lambda *said: said[0]),
    }  # fmt: skip
    exec(compile(source, "explain.ipynb", "exec"), given)  # noqa: S102
    assert made == refits
    assert ("No refits" in given["told"]) == (not refits)
