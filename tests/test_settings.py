"The layers of the settings, and that what is packaged, documented and committed is one thing."

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecastkit.core import SettingsError, Target, settings_report
from forecastkit.core.settings import SECTIONS, Settings, default_ini, load_settings
from forecastkit.ops import sink_reference

ROOT = Path(__file__).parents[1]
ADDRESSES = ("yahoo", "cboe", "fred", "alfred", "finra", "edgar", "edgar_tickers", "fomc")
KEYS = [(s, f) for s, declared in SECTIONS.items() for f in fields(declared)]


def test_the_committed_file_holds_the_packaged_defaults():
    assert (ROOT / "settings.ini").read_text() == default_ini()
    settings = load_settings(ROOT / "settings.ini", environ={})
    assert settings == Settings()
    assert set(settings.origins.values()) == {"settings.ini"}


@pytest.mark.parametrize(("section", "field"), KEYS, ids=[f"{s}.{f.name}" for s, f in KEYS])
def test_what_the_table_shows_can_be_written_back(section, field):
    shown = {name: text for name, text, _ in Settings().table()}[f"{section}.{field.name}"]
    assert load_settings(overrides={f"{section}.{field.name}": shown}, environ={}) == Settings()


def test_each_layer_wins_over_the_one_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "settings.ini").write_text(
        "[model]\nseed = 1\nrounds = 11\n[forecast]\nhorizon = 1\n[run]\nn_jobs = 2\n"
    )
    (tmp_path / "named.ini").write_text("[model]\nseed = 2\n[forecast]\nhorizon = 2\n[run]\nn_jobs = 3\n")
    environ = {"FORECASTKIT_SETTINGS": "named.ini", "FORECASTKIT_FORECAST_HORIZON": "3", "FORECASTKIT_RUN_N_JOBS": "4"}
    s = load_settings(overrides={"run.n_jobs": 5}, environ=environ)
    assert (s.model.rounds, s.model.seed, s.forecast.horizon, s.run.n_jobs) == (11, 2, 3, 5)
    keys = ("model.min_train_rows", "model.rounds", "model.seed", "forecast.horizon", "run.n_jobs")
    assert [s.origins[k] for k in keys] == ["default", "settings.ini", "settings.ini", "environment", "argument"]
    only = load_settings("named.ini", environ=environ | {"FORECASTKIT_SETTINGS": "absent.ini"})
    assert only.model.rounds == 100  # a path given leaves the two usual places aside


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[forecast]\nhorizon = 0\n", "forecast.horizon = '0' is not allowed: give a whole number from 1 to 252"),
        ("[forecast]\nhorizon = 5 sessions\n", "'5 sessions'"),
        ("[forecast]\nkind = percent\n", "pct_change, log_return"),
        ("[forecast]\nregime_bounds = 15, 20\n", "three increasing"),
        ("[model]\nband_gain = nan\n", "a number from 0 to 1"),
        ("[model]\ntrain_start = 1992-02-30\n", "a date"),
        ("[model]\nsed = 4\n", "did you mean model.seed?"),
        ("[data]\nsources =\n", "data.sources = ''"),
        ("[run]\nprogress = perhaps\n", "true or false"),
        ("[database]\nurl = postgresql+pg8000:/typo\n", "an address"),
        ("[live]\nrate = 0\n", "live.rate = '0' is not allowed: give a number from 0.01 to 1000"),
        ("[live]\ncboe = ftp://host\n", "an address such as http://127.0.0.1:8080"),
        ("[live]\ncontact = Ada\n", "a name and a mail address"),
        ("[live]\nadjust = dividends\n", "one of splits, all, none"),
        ("[run]\ndask = host:8786\n", "tcp://host:8786"),
        ("[data]\nfeature_cache = -1\n", "a whole number from 0 to 100000"),
        ("[quality]\ngood = 0.99\n", "increasing thresholds"),
        ("[DEFAULT]\nlib_name = x\n", "DEFAULT.lib_name is not a setting"),
        ("[model]\nseed = 1\nseed = 2\n", "is not a settings file"),
        ("seed = 1\n", "is not a settings file"),
        (b"\xff\xfe[model]", "is not a settings file"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path, text, part):
    path = tmp_path / "s.ini"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as caught:
        load_settings(path, environ={})
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    if "thresholds" not in part:
        assert "s.ini: " in str(caught.value)


def test_a_mistake_is_refused_even_where_a_later_layer_wins():
    with pytest.raises(SettingsError, match="FORECASTKIT_MODEL_SEED"):
        load_settings(overrides={"model.seed": 1}, environ={"FORECASTKIT_MODEL_SEED": "one"})


def test_a_password_is_shown_nowhere():
    url = "postgresql+psycopg://me:s@cret:x@host/db"
    s = load_settings(overrides={"database.url": url}, environ={})
    assert s.database_url() == url
    with pytest.raises(SettingsError) as caught:
        load_settings(environ={"FORECASTKIT_DATABASE_URL": url.replace("postgresql", "oracle")})
    for text in (repr(s), repr(s.database), str(s.table()), str(caught.value)):
        assert "cret" not in text


def test_a_key_is_shown_nowhere():
    environ = {"FORECASTKIT_LIVE_FRED_KEY": "abc123secret", "FORECASTKIT_LIVE_CBOE": "http://me:secret@proxy/cboe"}
    s = load_settings(environ=environ)
    assert (s.live.fred_key, s.live.cboe) == ("abc123secret", "http://me:secret@proxy/cboe")
    shown = [repr(s), repr(s.live), str(s.table())]
    for wrong in ("abc 123secret", "http://secret"):
        with pytest.raises(SettingsError, match=r"live\.fred_key") as caught:
            load_settings(environ={"FORECASTKIT_LIVE_FRED_KEY": wrong})
        shown.append(str(caught.value))
    with pytest.raises(SettingsError, match=r"live\.fred_key") as caught:
        replace(s, live=replace(s.live, fred_key=" secret "))
    assert "secret" not in " ".join([*shown, str(caught.value)])
    assert ("live.fred_key", "***", "environment") in s.table()


def test_every_key_that_shapes_a_model_changes_the_digest_and_no_other_does():
    other = {str: "1999-01-04", int: 77, float: 0.9, bool: False, tuple: (1.0, 2.0, 3.0)}
    special = {"data.sources": ("x",), "data.home": Path("x"), "data.calendar": "XLON", "forecast.kind": "log_return",
               "database.url": "sqlite:///x", "forecast.symbol": "SPX", "quality.good": 0.8, "quality.usable": 0.6,
               "quality.excellent": 0.99, "live.contact": "Ada ada@example.org", "live.adjust": "all", "live.fred_key": "abc123",
               "run.dask": "tcp://host:8786", **{f"horizons.{frame}": (3, 7) for frame in ("m15", "h1", "h4", "d1", "w1")}, "releases.rules": ("NROU quarter 30 15",), "direction.weights_by_state": ("bear_elevated: breadth 2",),
               "direction.weights_by_sector": ("Energy: breadth 2",), "direction.calibrate": True,
               "monitor.sinks": ("file:alerts.jsonl",), "monitor.least": "info", "monitor.quiet": "22-7",
               "monitor.group": "all", "model.pool": "depth=4", "models.automatic": True, "paper.automatic": True, "paper.capital": 5e5, "paper.universe": "AAPL", "paper.fill": "vwap", "paper.stops": "atr", "paper.short": True, "web.symbols": ("VIX",), "web.host": "::1", "web.body_limit": 1000}  # fmt: skip
    special |= {f"live.{name}": "http://127.0.0.1:8080" for name in ADDRESSES}
    for section, f in KEYS:
        name = f"{section}.{f.name}"
        changed = load_settings(overrides={name: special.get(name, other.get(type(f.default)))}, environ={})
        assert changed != Settings(), name
        assert (changed.model_digest() != Settings().model_digest()) == f.metadata["shapes_model"], name


def test_origins_follow_a_replaced_section(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base = load_settings(overrides={"model.seed": 1}, environ={})
    changed = replace(base, forecast=replace(base.forecast, horizon=1))
    assert (changed.origins["forecast.horizon"], changed.origins["model.seed"]) == ("argument", "argument")
    assert base.origins["forecast.horizon"] == "default"
    back = replace(changed, model=base.model, forecast=replace(base.forecast, horizon=5))
    assert back.origins["forecast.horizon"] == "default"


@given(
    st.floats(0, 1, allow_nan=False),
    st.integers(1, 252),
    st.lists(st.floats(0, 1000), min_size=3, max_size=3, unique=True),
)
def test_any_allowed_value_survives_the_file_to_the_last_bit(tmp_path_factory, gain, horizon, bounds):
    settings = load_settings(
        overrides={"model.band_gain": gain, "forecast.horizon": horizon, "forecast.regime_bounds": sorted(bounds)},
        environ={},
    )
    file = tmp_path_factory.mktemp("s") / "s.ini"
    lines = [f"[{name.partition('.')[0]}]\n{name.partition('.')[2]} = {text}\n" for name, text, origin in settings.table()
             if origin == "argument"]  # fmt: skip
    sections: dict[str, str] = {}
    for line in lines:
        head, _, body = line.partition("\n")
        sections[head] = sections.get(head, "") + body
    file.write_text("".join(f"{head}\n{body}" for head, body in sections.items()))
    assert load_settings(file, environ={}) == settings


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ('symbol = "VIX"', "forecast.symbol", "VIX"),
        ("symbol = '^gspc'  # the S&P 500", "forecast.symbol", "SPX"),
        ("horizon = 21 ; a month", "forecast.horizon", 21),
        ('horizon = "5"', "forecast.horizon", 5),
        ('regime_bounds = 15, "20", 30  # points', "forecast.regime_bounds", (15.0, 20.0, 30.0)),
        ("kind = log_return\t; logs", "forecast.kind", "log_return"),
        ("calendar = xnys", "data.calendar", "XNYS"),
        ("calendar = 24/7", "data.calendar", "24/7"),
        ("calendar = us_futures", "data.calendar", "us_futures"),
        ('sources = "folder:a, b", sample', "data.sources", ("folder:a, b", "sample")),
        ("sources = 'folder:old', sample", "data.sources", ("folder:old", "sample")),
        ('sources = "folder:prices #2"', "data.sources", ("folder:prices #2",)),
        ("home = O'Neill's data", "data.home", Path("O'Neill's data")),
        ("url = postgresql://me:p#ss;w@db/f", "database.url", "postgresql://me:p#ss;w@db/f"),
    ],
)
def test_values_as_people_write_them(tmp_path, line, key, value):
    section, _, name = key.partition(".")
    file = tmp_path / "s.ini"
    file.write_text(f"[{section}]\n{line}\n")
    settings = load_settings(file, environ={})
    assert getattr(getattr(settings, section), name) == value
    shown = {row: text for row, text, _ in settings.table()}[key]
    if key != "database.url":
        assert load_settings(overrides={key: shown}, environ={}) == settings


@pytest.mark.parametrize("kind", [np.int64, np.int8, np.uint16])
def test_numpy_numbers_are_numbers(kind):
    settings = load_settings(overrides={"forecast.horizon": kind(5), "model.band_gain": np.float32(0.5)}, environ={})
    assert (type(settings.forecast.horizon), type(settings.model.band_gain)) == (int, float)
    assert settings.forecast.horizon == 5
    assert type(Target("VIX", horizon=kind(5)).horizon) is int
    assert Target("VIX", horizon=kind(5)) == Target("VIX")


@pytest.mark.parametrize("wrong", [True, np.True_, 5.0, np.float64(5), "5", None, [5], 0, np.int64(253)])
def test_what_is_no_number_of_sessions_is_refused(wrong):
    with pytest.raises(SettingsError, match="number of sessions"):
        Target("VIX", horizon=wrong)


def test_a_report_for_programs_lists_every_mistake(tmp_path):
    file = tmp_path / "s.ini"
    file.write_text("[forecast]\nhorizon = 0\n[model]\nsed = 4\n[database]\nurl = oracle://me:s3cr8et@db\n")
    report = settings_report(file, environ={"FORECASTKIT_RUN_N_JOBS": "many"})
    assert not report["ok"]
    assert len(report["problems"]) == 4
    assert "s3cr8et" not in json.dumps(report)
    assert report["settings"] == []
    fine = settings_report(environ={"FORECASTKIT_LIVE_FRED_KEY": "abc123secret"})
    assert fine["ok"]
    assert {"name": "live.fred_key", "value": "***", "origin": "environment"} in fine["settings"]
    assert settings_report(tmp_path / "absent.ini", environ={})["problems"][0].endswith(
        "give the name of a settings file"
    )
    disordered = settings_report(overrides={"quality.good": 0.99}, environ={})
    assert "increasing thresholds" in disordered["problems"][0]


@pytest.mark.parametrize("place", ["../alerts.jsonl", "..", "a/../../b", "/var/../etc/a", r"..\alerts.jsonl"])
def test_a_file_of_alerts_lies_in_the_home_or_is_absolute_and_never_above(place):
    with pytest.raises(SettingsError, match=r"in the home folder; \.\. is refused"):
        load_settings(overrides={"monitor.sinks": f"file:{place}"}, environ={})
    with pytest.raises(SettingsError, match=r"no \.\. in it"):
        sink_reference(f"file:{place}")
    for fine in ("file:alerts.jsonl", "file:/var/log/a..b.jsonl", "file:deep/alerts..jsonl"):
        assert load_settings(overrides={"monitor.sinks": fine}, environ={}).monitor.sinks == (fine,)
        assert sink_reference(fine) == fine


@pytest.mark.parametrize(
    "text", ["slack://S3cretToken/b/c", "file:x, mailtos://ada:S3cretToken@example.org", "S3cretToken"]
)
def test_the_address_of_a_sink_is_refused_in_settings_and_not_shown(text, tmp_path):
    (tmp_path / "s.ini").write_text(f"[monitor]\nsinks = {text}\n")
    for give in (
        lambda: load_settings(tmp_path / "s.ini", environ={}),
        lambda: load_settings(environ={"FORECASTKIT_MONITOR_SINKS": text}),
        lambda: load_settings(overrides={"monitor.sinks": text}, environ={}),
    ):
        with pytest.raises(
            SettingsError, match=r"monitor\.sinks = \*\*\* is not allowed: give nothing, or names"
        ) as told:
            give()
        assert "S3cretToken" not in str(told.value)
