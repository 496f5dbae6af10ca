"The store keeps every telling, survives what happens to files, and its snapshots stay what they were."

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.calendars import get_calendar
from forecastkit.cli.main import main
from forecastkit.core import DataError, keyed_sum
from forecastkit.data.health import health_report
from forecastkit.data.market import MarketData
from forecastkit.data.snapshots import SnapshotSource, freeze_snapshot, list_snapshots, stored_sources
from forecastkit.data.sources import FolderSource, load_market
from forecastkit.data.store import (
    CachedSeries,
    Store,
    effective_moment,
    read_cached,
    read_rows,
    write_cached,
    write_rows,
)
from forecastkit.data.synthetic import synthetic_market

NYSE = get_calendar("XNYS")

STOCK = synthetic_market(seed=5, sessions=120, stocks=["MINE"]).market.bars("MINE")
EVENING = "2011-01-03 22:00Z"
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


def test_what_goes_in_comes_out_to_the_bit(store):
    receipt = store.put("MINE", STOCK, "me", EVENING, NYSE)
    assert (receipt.added, receipt.revised, receipt.same, receipt.unfinished) == (120, 0, 0, 0)
    pd.testing.assert_frame_equal(store.bars("MINE"), STOCK, check_freq=False, check_exact=True)
    direct = load_market([store]).fingerprint(["MINE"])
    for copy in (store.cache).iterdir():
        copy.unlink()
    pd.testing.assert_frame_equal(store.bars("MINE"), STOCK, check_freq=False, check_exact=True)
    assert load_market([store]).fingerprint(["MINE"]) == direct
    assert store.verify() == []


def test_the_same_fetch_changes_no_byte(store):
    store.put("MINE", STOCK, "me", EVENING, NYSE)
    before = files(store.folder)
    receipt = store.put("MINE", STOCK.sample(frac=1, random_state=0), "me", "2011-02-01 22:00Z", NYSE)
    assert receipt.same == 120 and files(store.folder) == before


def test_any_order_of_fetches_gives_one_history(store, tmp_path):
    other = Store(tmp_path / "other")
    store.put("MINE", STOCK, "me", EVENING, NYSE)
    for start in (80, 40, 0):
        other.put("MINE", STOCK.iloc[start : start + 40], "me", EVENING, NYSE)
    assert load_market([store]).fingerprint() == load_market([other]).fingerprint()


def test_a_published_revision_is_seen_from_its_day_on(store):
    "GDP of 2008 Q4: -3.8 % on 2009-01-30, -6.2 % on 2009-02-27 (https://www.bea.gov/help/faq/1003)."
    quarter = pd.DatetimeIndex(["2008-10-01"])
    for value, moment in ((-3.8, "2009-01-30 13:30Z"), (-6.2, "2009-02-27 13:30Z")):
        frame = pd.DataFrame({"value": [value], "known_at": [pd.Timestamp(moment)]}, quarter)
        store.put("A191RL1Q225SBEA", frame, "BEA", pd.Timestamp(moment) + pd.Timedelta(hours=1), NYSE)
    market = load_market([store])
    told = {
        day: market.as_of(day).macro("A191RL1Q225SBEA").iloc[0] for day in ("2009-01-30", "2009-02-26", "2009-02-27")
    }
    assert told == {"2009-01-30": -3.8, "2009-02-26": -3.8, "2009-02-27": -6.2}
    with pytest.raises(DataError, match="before the data"):
        market.as_of("2009-01-29")


def test_a_published_value_that_changes_is_known_from_its_fetch(store):
    values = pd.DataFrame({"value": [2.7, 2.8]}, pd.DatetimeIndex(["2018-02-01", "2018-02-02"]))
    store.put("DGS10", values, "fred", "2018-02-05 22:00Z", NYSE)
    store.put("DGS10", values.assign(value=[2.7, 2.9]), "fred", "2018-02-07 14:00Z", NYSE)  # before the open
    view = load_market([store]).as_of
    assert view("2018-02-06").macro("DGS10").tolist() == [2.7, 2.8]
    assert view("2018-02-07").macro("DGS10").tolist() == [2.7, 2.9]


QUARTERS = pd.DatetimeIndex(["2008-07-01", "2008-10-01"])
GROWTH = "A191RL1Q225SBEA"


def told(*rows: tuple[int, str, float]) -> pd.DataFrame:
    "Vintages of growth: quarter, day of publication, value."
    moments = pd.DatetimeIndex([f"{day} 13:30Z" for _, day, _ in rows]).as_unit("us")
    return pd.DataFrame(
        {"value": [value for *_, value in rows], "known_at": moments}, QUARTERS[[place for place, *_ in rows]]
    )


def test_two_publications_corrected_in_one_evening_are_one_change(store, tmp_path, capsys):
    first = told((1, "2009-01-30", -3.8), (1, "2009-02-27", -6.2), (0, "2008-10-30", -0.3))
    store.put(GROWTH, first, "alfred", "2009-03-02 22:00Z", NYSE)
    again = told((1, "2009-01-30", -3.6), (1, "2009-02-27", -6.3), (0, "2008-10-30", -0.3))
    assert store.put(GROWTH, again, "alfred", "2009-03-03 22:00Z", NYSE).revised == 1
    for copy in (None, *store.cache.iterdir()):  # from the quick copy, and from the file
        if copy:
            copy.unlink()
        market = load_market([store])
        seen = [
            market.as_of(day).macro(GROWTH).iloc[-1] for day in ("2009-01-30", "2009-02-27", "2009-03-03", "2009-03-04")
        ]
        assert seen == [-3.8, -6.2, -6.2, -6.3]
        assert market.macro(GROWTH).tolist() == [-0.3, -6.3]
    assert MarketData({GROWTH: store.read(GROWTH, NYSE).frame}).fingerprint() == market.fingerprint()
    export = store.read(GROWTH, NYSE).frame.rename_axis("date").reset_index()
    (tmp_path / "files").mkdir()
    export.to_csv(tmp_path / "files" / f"{GROWTH}.csv", index=False)
    assert load_market([FolderSource(tmp_path / "files")]).fingerprint() == market.fingerprint()
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["data", "list", "--sources", "store", "--home", str(tmp_path)])
    assert GROWTH in capsys.readouterr().out


def test_a_publication_that_is_past_stays_as_it_was_told(store):
    store.put(GROWTH, told((1, "2009-01-30", -3.8), (1, "2009-02-27", -6.2)), "alfred", "2009-03-02 22:00Z", NYSE)
    for again in (told((1, "2009-01-30", -3.6), (1, "2009-02-27", -6.2)), told((1, "2009-01-30", -3.6))):
        assert store.put(GROWTH, again, "alfred", "2009-03-03 22:00Z", NYSE).revised == 0
        assert load_market([store]).macro(GROWTH).tolist() == [-6.2]


def test_a_correction_may_be_taken_back(store):
    for minute, value in enumerate((-3.8, -3.6, -3.8, -3.6)):
        store.put(GROWTH, told((1, "2009-01-30", value)), "alfred", f"2009-03-02 22:0{minute}Z", NYSE)
        assert load_market([store]).macro(GROWTH).tolist() == [value]
    with pytest.raises(
        DataError, match=r"2008-10-01: a change fetched before .* check the clock"
    ):  # the same moment again
        store.put(GROWTH, told((1, "2009-01-30", -3.5)), "alfred", "2009-03-02 22:03Z", NYSE)
    assert load_market([store]).macro(GROWTH).tolist() == [-3.6]


def test_a_home_that_holds_two_values_of_one_moment_is_read(store):
    "Homes written before 0.3 may: of the two the one that was published later counts, as it stands behind the other."
    store.put(GROWTH, told((1, "2009-01-30", -3.8), (1, "2009-02-27", -6.2)), "alfred", "2009-03-02 22:00Z", NYSE)
    rows, about = read_rows(store.path(GROWTH))
    moment = pd.Timestamp("2009-03-03 22:00Z").as_unit("us")
    twins = rows.assign(value=[-3.6, -6.3], known_at=moment, fetched_at=moment)
    write_rows(
        store.path(GROWTH), pd.concat([rows, twins]), {name: about[name] for name in ("symbol", "repairs", "origin")}
    )
    assert load_market([store]).macro(GROWTH).tolist() == [-6.3]
    assert store.verify() == []


@st.composite
def fetches(draw):
    "What a vendor tells at six moments of a few days: bars, values, or vintages of two days each."
    kind = draw(st.sampled_from(["bars", "values", "vintages"]))
    sizes = st.sampled_from([1.0, 1.5, 2.0])
    told_days = st.lists(st.integers(0, 9), min_size=1, max_size=6, unique=True).map(sorted)
    steps = draw(st.lists(st.sampled_from([1, 30, 200, 700, 1500]), min_size=6, max_size=6))
    moments = pd.Timestamp(f"{STOCK.index[14]:%Y-%m-%d} 21:00Z") + pd.to_timedelta(np.cumsum(steps), unit="min")
    found = []
    for _ in steps:
        days = STOCK.index[draw(told_days)]
        if kind == "bars":
            found.append(STOCK.loc[days[0] : STOCK.index[9]] * draw(sizes))
            continue
        frame = pd.DataFrame({"value": [draw(sizes) for _ in days]}, days)
        if kind == "vintages":
            early = days.tz_localize("UTC") + pd.Timedelta(hours=13)
            late = frame.assign(value=[draw(sizes) for _ in days], known_at=early + pd.Timedelta(hours=5))
            frame = pd.concat([frame.assign(known_at=early), late][: draw(st.integers(1, 2))])
        found.append(frame)
    return list(zip(moments, found))


@settings(max_examples=25, deadline=None)
@given(told=fetches())
def test_whatever_is_corrected_the_market_loads_and_says_the_last(tmp_path_factory, told):
    store, late = Store(tmp_path_factory.mktemp("told")), set()
    for moment, frame in told:
        bars = "close" in frame.columns
        symbol, column = ("MINE", "close") if bars else ("DGS10", "value")
        store.put(symbol, frame, "me", moment, NYSE)
        market = load_market([store])
        series = market.close(symbol) if bars else market.macro(symbol)
        last = frame[~frame.index.duplicated(keep="last")][column]
        if "known_at" in frame.columns and not frame.index.has_duplicates:
            last = last[
                ~last.index.isin(late)
            ]  # an early publication alone changes nothing where the later one is held
        late |= set(frame.index[frame.index.duplicated()])
        assert series.loc[last.index].tolist() == last.tolist()


@pytest.mark.parametrize("hour, seen", [("18:00", 119), ("22:00", 119)])
def test_no_view_mixes_prices_before_and_after_a_split(store, hour, seen):
    store.put("MINE", STOCK.iloc[:100], "me", f"{STOCK.index[99]:%Y-%m-%d} 22:00Z", NYSE)
    halved = STOCK.iloc[:seen].assign(**STOCK.iloc[:seen][["open", "high", "low", "close"]] / 2)
    day = STOCK.index[seen - 1 if hour == "22:00" else seen]
    assert store.put("MINE", halved, "me", f"{day:%Y-%m-%d} {hour}Z", NYSE).revised == 100
    market = load_market([store])
    for session in STOCK.index[50:]:
        close = market.as_of(session).close("MINE")
        whole = STOCK["close"].loc[close.index]
        assert close.equals(whole.rename("MINE")) or close.equals((whole / 2).rename("MINE"))
    assert len(market.as_of(day).close("MINE")) == seen
    assert [fault.kind for fault in health_report([store]).faults] == ["re-adjusted"]


def test_an_unfinished_bar_waits(store):
    receipt = store.put("MINE", STOCK, "me", f"{STOCK.index[-1]:%Y-%m-%d} 19:59Z", NYSE)
    assert (receipt.added, receipt.unfinished) == (119, 1)
    assert store.put("MINE", STOCK.iloc[-5:], "me", f"{STOCK.index[-1]:%Y-%m-%d} 20:01Z", NYSE).added == 1


def test_a_blank_says_nothing_and_noise_is_none(store):
    store.put("MINE", STOCK, "me", EVENING, NYSE)
    assert store.put("MINE", STOCK[["close"]], "me", EVENING, NYSE).same == 120
    assert store.put("MINE", STOCK * (1 + 1e-8), "me", EVENING, NYSE).same == 120
    changed = STOCK.iloc[[3]].assign(volume=1.0)
    with pytest.raises(DataError, match="check the clock"):
        store.put("MINE", changed, "me", f"{STOCK.index[3]:%Y-%m-%d} 21:00Z", NYSE)


def test_repairs_travel_with_the_series(store):
    holes = STOCK.drop(STOCK.index[10])
    store.put("MINE", holes, "me", EVENING, NYSE)
    assert [repair.what for repair in load_market([store]).repairs] == ["no row for this session"]
    store.put("MINE", STOCK.iloc[8:13], "me", EVENING, NYSE)
    assert load_market([store]).repairs == ()


@pytest.mark.parametrize("change", ["cut", "flip", "empty"])
def test_a_damaged_file_is_named(store, change):
    store.put("MINE", STOCK, "me", EVENING, NYSE)
    path = store.path("MINE")
    content = path.read_bytes()
    middle = len(content) // 3
    damaged = {
        "cut": content[:-9],
        "flip": content[:middle] + bytes([content[middle] ^ 8]) + content[middle + 1 :],
        "empty": b"",
    }
    path.write_bytes(damaged[change])
    with pytest.raises(DataError, match=r"MINE\.parquet: "):
        store.bars("MINE")
    assert len(store.verify()) == 1


@settings(max_examples=40, deadline=None)
@given(at=st.integers(0, 3000), bit=st.integers(0, 7))
def test_no_flipped_bit_changes_a_value_silently(tmp_path_factory, at, bit):
    store = Store(tmp_path_factory.mktemp("flip"))
    store.put("MINE", STOCK.iloc[:20], "me", EVENING, NYSE)
    path = store.path("MINE")
    good, content = read_rows(path)[0], bytearray(path.read_bytes())
    content[at % len(content)] ^= 1 << bit
    path.write_bytes(content)
    try:
        assert read_rows(path)[0].equals(good)
    except DataError as error:
        assert str(error).startswith("MINE.parquet: ")


def test_a_cache_that_is_damaged_or_readonly_only_slows(store):
    store.put("MINE", STOCK, "me", EVENING, NYSE)
    (copy,) = store.cache.iterdir()
    copy.write_bytes(copy.read_bytes()[:-8])
    pd.testing.assert_frame_equal(store.bars("MINE"), STOCK, check_freq=False)
    assert store.verify() == []


def test_odd_names_stay_inside(store):
    frame = pd.DataFrame(
        {"value": [1.0], "known_at": [pd.Timestamp("2018-02-01 14:00Z")]}, pd.DatetimeIndex(["2018-01-01"])
    )
    for name in ("../UP", "A/B C", "CON@1", "BRK.B", "BRK"):
        store.put(name, frame, "me", EVENING, NYSE)
    assert len(store.symbols) == 5 and all(
        store.read(symbol, NYSE).frame["value"].tolist() == [1.0] for symbol in store.symbols
    )
    assert {path.parent for path in store.folder.parent.rglob("*.parquet")} == {store.folder}
    with pytest.raises(DataError, match="the store has no NOSUCH: it has "):
        store.read("NOSUCH", NYSE)


def _write(home: str, part: int) -> None:
    for start in range(20 * part, 120, 40):
        Store(home).put("MINE", STOCK.iloc[start : start + 20], f"writer {part}", EVENING, NYSE)


def test_writers_wait_for_one_another(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(str(tmp_path), part)) for part in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    pd.testing.assert_frame_equal(Store(tmp_path).bars("MINE"), STOCK, check_freq=False)


def test_killed_at_any_moment_it_can_go_on(tmp_path):
    code = """if True:
        import sys
        from forecastkit.calendars import get_calendar
        from forecastkit.data.store import Store
        from forecastkit.data.synthetic import synthetic_market
        bars = synthetic_market(seed=5, sessions=120, stocks=["MINE"]).market.bars("MINE")
        print("ready", flush=True)
        for n in range(1, 121):
            Store(sys.argv[1]).put("MINE", bars.iloc[:n], "me", "2011-01-03 22:00Z", get_calendar("XNYS"))"""
    for wait in (0.05, 0.3, 0.7):
        job = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        job.stdout.readline()
        time.sleep(wait)
        os.kill(job.pid, signal.SIGKILL)
        job.wait()
        job.stdout.close()
        assert Store(tmp_path).verify() == []
    Store(tmp_path).put("MINE", STOCK, "me", EVENING, NYSE)
    pd.testing.assert_frame_equal(Store(tmp_path).bars("MINE"), STOCK, check_freq=False)


def test_the_evening_belongs_to_its_close():
    table = NYSE
    for moment in pd.date_range("2018-11-20", "2018-11-28", freq="97min", tz="UTC"):
        found = effective_moment(moment, NYSE)
        trading = ((table.opens <= moment) & (moment < table.closes)).any()
        assert found == moment if trading else found == table.closes[table.closes <= moment][-1]
    assert effective_moment(NYSE.closes_of(["2018-11-23"])[0], NYSE) == pd.Timestamp("2018-11-23 18:00Z")


def test_a_snapshot_is_what_the_study_saw(store, tmp_path):
    store.put("MINE", STOCK, "me", EVENING, NYSE)
    store.put("MINE", STOCK * 0.9, "me", "2011-01-04 22:00Z", NYSE)
    folder = tmp_path / "bars"
    folder.mkdir()
    STOCK.drop(STOCK.index[4]).rename_axis("date").to_csv(folder / "OTHER.csv")
    sources = [store, FolderSource(folder), "sample"]
    wanted = ["MINE", "OTHER", "VIX", "AAA"]
    used = load_market(sources, wanted)
    study = freeze_snapshot(tmp_path, "paper", sources, NYSE, wanted)
    store.put("MINE", STOCK * 7, "me", "2011-01-05 22:00Z", NYSE)
    (folder / "OTHER.csv").unlink()
    opened = stored_sources(tmp_path)["snapshot"]("paper")
    again = load_market([opened])
    assert again.fingerprint() == used.fingerprint() == study.manifest["fingerprint"]
    assert again.repairs == used.repairs
    sessions = STOCK.index[[5, 60, 119]]
    assert again.fingerprints(sessions).tolist() == used.fingerprints(sessions).tolist()
    assert list_snapshots(tmp_path)["rows"].tolist() == [sum(one["rows"] for one in study.manifest["series"].values())]
    assert study.verify() == []


def test_a_snapshot_that_was_changed_is_refused(store, tmp_path):
    store.put("MINE", STOCK, "me", EVENING, NYSE)
    study = freeze_snapshot(tmp_path, "paper", [store], NYSE)
    with pytest.raises(DataError, match="with other content: choose another name"):
        freeze_snapshot(tmp_path, "paper", ["sample"], NYSE, symbols=["AAA"])
    manifest = study.folder.parent / "manifest.json"
    told = json.loads(manifest.read_text())
    told["fingerprint"] = "0" * 16
    manifest.write_text(json.dumps(told))
    assert "table of meetings" in study.verify()[0]
    study.path("MINE").write_bytes(store.path("MINE").read_bytes())
    assert "is not what was frozen" in study.verify()[0]
    study.path("MINE").unlink()
    assert "MINE is in none of the sources" in study.verify()[0]
    assert [path.name for path in manifest.parent.parent.iterdir()] == ["paper"]


def test_a_half_snapshot_is_none(store, tmp_path):
    (tmp_path / "store" / "snapshots" / ".paper.x1").mkdir(parents=True)
    assert list_snapshots(tmp_path).empty
    for name in ("paper", "../x", ""):
        with pytest.raises(DataError):
            SnapshotSource(tmp_path, name)


@pytest.mark.parametrize("apart, revised", [(0.9e-6, 0), (1.1e-6, 1), (-0.9e-6, 0), (-1.1e-6, 1)])
def test_noise_ends_at_one_part_in_a_million(store, apart, revised):
    store.put("MINE", STOCK, "me", EVENING, NYSE)
    changed = STOCK.iloc[[7]].assign(volume=STOCK["volume"].iloc[7] * (1 + apart))
    assert store.put("MINE", changed, "me", "2011-02-01 22:00Z", NYSE).revised == revised


def test_values_of_another_dtype_are_the_same_telling(store):
    store.put("MINE", STOCK, "me", EVENING, NYSE)
    receipt = store.put("MINE", STOCK.astype(np.float32), "me", EVENING, NYSE)
    assert receipt.revised == 0


def test_a_quick_copy_of_another_version_is_made_again(tmp_path):
    "What bears its sum and is no Arrow, such as the copies of 0.2, is no copy; the file behind it is read."
    about, numbers = b'{"columns":["close"]}'.ljust(24), np.arange(6.0)
    content = np.array([3], dtype=np.int64).tobytes() + about + numbers.tobytes()
    copy = tmp_path / "VIX@1-2-3"
    for text in (content, b"", bytes(8), b"ARROW1\0\0" + content):
        copy.write_bytes(text + bytes.fromhex(keyed_sum(text, b"")))
        assert read_cached(str(copy)) is None
    copy.write_bytes(b"short")
    assert read_cached(str(copy)) is None and read_cached(str(tmp_path / "absent")) is None


def test_a_quick_copy_gives_every_bit_back(tmp_path):
    days = np.array(["2018-02-05", "2018-02-06"], dtype="datetime64[us]")
    values = np.array([[-0.0, np.nan], [5e-324, np.inf]])
    quick = CachedSeries({"columns": ["a", "b"], "origin": "Zürich"}, days, days + 1, values)
    write_cached(tmp_path / "copy", quick)
    back = read_cached(str(tmp_path / "copy"))
    assert back.about == quick.about and back.values.shape == (2, 2)
    assert [part.tobytes() for part in back[1:]] == [part.tobytes() for part in quick[1:]]
