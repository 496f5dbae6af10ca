"""Features of one's own through every door: used where they are honest, refused where they know tomorrow, and nothing changed without them."""

import json
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

import forecastkit as fk
from forecastkit.cli.main import main as command
from forecastkit.core import PROBS, DataError, LookAheadError, UserCodeError, load_settings
from forecastkit.data.synthetic import synthetic_market
from forecastkit.features import Feature, user_code_digest
from forecastkit.ledger import PredictionDatabase
from forecastkit.models.user_members import ResidualQuantiles, user_member
from forecastkit.pipeline import IntegratedSystem, load_user_code, profile_of, with_user_code

MARKET = synthetic_market(seed=11, sessions=900, start="2013-01-02", stocks=["MINE"]).market
SMALL = {
    "model.train_start": "2010-01-04", "model.walk_start": "2010-01-04", "model.min_train_rows": "500", "model.rounds": "5",
    "model.refit_every": "126", "run.progress": False, "direction.sessions": "0", "forecast.explain": "0",
}  # fmt: skip
FILE = """import numpy as np


def reach(market, symbol):
    close = market.close(symbol)
    return np.log(close / close.shift(10))


def tomorrow(market, symbol):
    print("look at me")
    return market.close(symbol).shift(-1)


def broken(market):
    return 1 / 0


def short(market, symbol):
    return market.close(symbol).to_numpy()[:7]


def empty(market, symbol):
    return market.close(symbol) * np.nan


def chance(market, symbol):
    return market.close(symbol) * np.random.default_rng().random()


def vix_log(market):
    return market.close("VIX")


def late(market, symbol):
    if len(market.close(symbol)) < 900:
        raise ValueError("too short")
    return market.close(symbol).shift(-1)


reach_of = type("Reach", (), {"__call__": lambda self, market, symbol: reach(market, symbol)})()
LIST = [reach, {"reach_twice": lambda market, symbol: 2 * reach(market, symbol)}]
"""


def reach(market, symbol):
    close = market.close(symbol)
    return np.log(close / close.shift(10))


def tomorrow(market, symbol):
    return market.close(symbol).shift(-1)


@pytest.fixture
def home(tmp_path, monkeypatch):
    "A folder of bars, a file of features and a home that is empty, named by the environment."
    bars = tmp_path / "bars"
    bars.mkdir()
    for symbol in ("VIX", "SPX", "MINE"):
        MARKET.bars(symbol).rename_axis("Date").reset_index().to_csv(bars / f"{symbol}.csv", index=False)
    (tmp_path / "mine.py").write_text(FILE)
    for key, value in {**SMALL, "data.home": tmp_path / "home", "data.sources": f"folder:{bars}"}.items():
        monkeypatch.setenv(f"FORECASTKIT_{key.replace('.', '_').upper()}", str(value))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def told(monkeypatch):
    "Forecasts tell their direction and what brought them about, as they do for users."
    monkeypatch.delenv("FORECASTKIT_DIRECTION_SESSIONS")
    monkeypatch.delenv("FORECASTKIT_FORECAST_EXPLAIN")


def main(arguments):
    "The exit code of a command."
    try:
        return command(arguments)
    except SystemExit as leave:
        return leave.code or 0


def stored(home):
    settings = load_settings()
    if not (home / "home").exists():
        return []
    return PredictionDatabase(settings.database_url()).get_predictions(every_version=True)["forecast"].tolist()


@pytest.mark.no_cover
def test_a_feature_of_ones_own_through_memory_file_store_and_terminal(home, told, capsys):
    plain = fk.forecast("MINE")
    own = fk.forecast("MINE", features=reach)
    assert own.values != plain.values and own.model_version != plain.model_version
    assert own.metadata["user_code"][0]["name"] == "reach"
    assert "user_code" not in plain.metadata
    from_file = fk.forecast("MINE", features="mine.py:reach")
    assert from_file.prediction_id == own.prediction_id  # the same code is the same version, wherever it stands
    assert len(stored(home)) == 2
    assert main(["forecast", "--symbol", "MINE", "--features", "mine.py:reach", "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["prediction_id"] == own.prediction_id
    system = IntegratedSystem(settings=fk.pipeline.settings_for(load_settings(), "MINE"), features=[reach])
    assert system.generate_forecast().prediction_id == own.prediction_id
    in_memory = fk.forecast(MARKET.bars("MINE"), symbol="MINE", features=reach)
    assert in_memory.values != fk.forecast(MARKET.bars("MINE"), symbol="MINE").values
    assert in_memory.metadata["user_code"] == own.metadata["user_code"]


def test_without_user_code_nothing_is_another(home):
    target = fk.Target("MINE")
    assert with_user_code(profile_of(target)) is profile_of(target)
    assert profile_of(target).user_digest == ""
    by_profile = IntegratedSystem(
        settings=fk.pipeline.settings_for(load_settings(), "MINE"),
        profile=profile_of(fk.pipeline.profile.target_of(fk.pipeline.settings_for(load_settings(), "MINE"))),
    ).generate_forecast()
    assert by_profile.prediction_id == fk.forecast("MINE").prediction_id


@pytest.mark.parametrize("door", ["symbol", "memory", "file", "system"])
def test_a_feature_that_knows_tomorrow_is_refused_with_the_finding_and_nothing_is_stored(home, door):
    doors = {
        "symbol": lambda: fk.forecast("MINE", features=tomorrow),
        "memory": lambda: fk.forecast(MARKET.bars("MINE"), symbol="MINE", features=tomorrow),
        "file": lambda: fk.forecast("MINE", features="mine.py:tomorrow"),
        "system": lambda: IntegratedSystem(features={"tomorrow": tomorrow}).evaluate("2015-06-01"),
    }
    with pytest.raises(LookAheadError, match="tomorrow is refused") as caught:
        doors[door]()
    assert not caught.value.report.ok
    assert stored(home) == []


@pytest.mark.parametrize("command", [["forecast"], ["evaluate", "--start", "2015-06-01"], ["daily"], ["train"]])
def test_the_terminal_refuses_it_in_one_line_and_stores_nothing(home, capsys, command):
    code = main([*command, "--symbol", "MINE", "--features", "mine.py:tomorrow", "--quiet"])
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if line != "look at me"]
    assert code == 1 and said.out == "" and len(lines) == 1 and "tomorrow is refused" in lines[0]
    assert stored(home) == []


def test_verify_reports_it_by_its_name(home, capsys):
    assert main(["verify", "--symbol", "MINE", "--features", "mine.py:tomorrow", "--cuts", "3", "--fitted", "0"]) == 1
    assert "tomorrow [" in capsys.readouterr().out
    assert (
        main(
            ["verify", "--symbol", "MINE", "--features", "mine.py:reach", "--cuts", "3", "--fitted", "1", "--jobs", "1"]
        )
        == 0
    )


@pytest.mark.parametrize(
    ("name", "words", "code"),
    [
        ("broken", "feature broken failed: ZeroDivisionError: division by zero (mine.py, line 15)", 2),
        ("short", "returns ndarray", 2),
        ("empty", "has no value at any session", 2),
        ("chance", "fix its seed", 1),
        ("vix_log", "is called vix_log already", 2),
        ("late", "late is refused", 1),
        ("nothing", "defines no function nothing", 2),
        ("FILE", "defines no function FILE", 2),
    ],
)
def test_what_a_function_may_do_wrong_is_one_line_and_an_exit_code(home, capsys, name, words, code):
    asked = ["forecast", "--features", f"mine.py:{name}", "--json", "--quiet"]
    asked += [] if name == "vix_log" else ["--symbol", "MINE"]
    assert main(asked) == code
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.splitlines()) == 1 and words in said.err
    assert stored(home) == []


def test_a_file_that_is_absent_broken_or_elsewhere(home, capsys):
    ask = partial(main_with, capsys)
    assert ask("absent.py:reach") == (2, "there is no file absent.py")
    assert ask("mine.txt:reach") == (2, "names no function")
    (home / "slip.py").write_text("def f(market:\n")
    assert ask("slip.py:f") == (2, "is no Python")
    (home / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    assert ask("leaves.py:f") == (2, "SystemExit")
    outside = home / "elsewhere" / "far.py"
    outside.parent.mkdir()
    outside.write_text(FILE)
    (home / "home2").mkdir()
    assert main(["forecast", "--symbol", "MINE", "--features", "home2/../elsewhere/far.py:reach", "--quiet"]) == 0


def main_with(capsys, where):
    code = main(["forecast", "--symbol", "MINE", "--features", where, "--quiet"])
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    words = ["there is no file absent.py", "names no function", "is no Python", "SystemExit"]
    return code, next((one for one in words if one in said), said)


def test_what_is_printed_does_not_stand_among_json(home, capsys):
    (home / "talks.py").write_text(
        "print('hello')\n\ndef talks(market, symbol):\n    print('again')\n    return market.close(symbol)\n"
    )
    assert main(["forecast", "--symbol", "MINE", "--features", "talks.py:talks", "--json", "--quiet"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["symbol"] == "MINE" and "hello" in said.err and "again" in said.err


def test_a_changed_function_is_another_version_and_a_moved_one_is_not():
    def of(text, name="mine"):
        space = {"__name__": name}
        exec(text, space)  # noqa: S102  (a function without a source file)
        return user_code_digest(space["f"], "feature f")

    one = of("def f(market):\n    return market.close('VIX') * 2\n")
    assert one == of("# a comment\n\n\ndef f(market):\n    # another\n    return market.close('VIX') * 2\n")
    assert one != of("def f(market):\n    return market.close('VIX') * 3\n")
    assert of("def f(m):\n    return 2\n", "builtins") != of("def f(m):\n    return 3\n", "builtins")
    helper = "def g(x):\n    return x + {}\n\ndef f(market):\n    return g(market.close('VIX'))\n"
    assert of(helper.format(1)) != of(helper.format(2))


def test_lambdas_partials_objects_and_declarations_have_versions_too():
    vix = profile_of(fk.Target("VIX"))
    shifted = lambda n: lambda market: market.close("VIX").shift(n)  # noqa: E731
    one, two = (with_user_code(vix, {"lagged": shifted(n)}).user_digest for n in (1, 2))
    assert one != two and one == with_user_code(vix, {"lagged": shifted(1)}).user_digest
    bound = [with_user_code(vix, {"own": partial(reach, symbol=name)}).user_digest for name in ("VIX", "SPX")]
    assert bound[0] != bound[1]
    low = Feature("spx_reach", "own", ("SPX",), 10, "log", -1, 1, "Ten sessions.", lambda x: x.change("SPX", 10))
    assert with_user_code(vix, low).user_code[0].name == "spx_reach"
    with pytest.raises(UserCodeError, match="needs a name"):
        with_user_code(vix, lambda market: market.close("VIX"))
    with pytest.raises(UserCodeError, match="refers to something"):
        with_user_code(vix, {"opened": partial(reach, symbol=sys.stdin)})
    with pytest.raises(UserCodeError, match="is called own already"):
        with_user_code(vix, [{"own": reach}, {"own": tomorrow}])
    with pytest.raises(DataError):
        with_user_code(vix, 3)


def test_verify_says_that_the_feature_is_needed_and_makes_the_forecast_again_with_it(home, told, capsys):
    fk.forecast("MINE", features="mine.py:reach")
    assert main(["forecasts", "verify", "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "1 were made with feature reach of the user's own" in said and "--features" in said and "differ" not in said
    assert main(["forecasts", "verify", "--features", "mine.py:reach", "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "recomputed 1 of 1: equal" in said and "own" not in said
    (home / "mine.py").write_text(FILE.replace("shift(10)", "shift(11)"))
    assert main(["forecasts", "verify", "--features", "mine.py:reach", "--quiet"]) == 0
    assert "1 were made with feature reach" in capsys.readouterr().out
    assert main(["forecasts", "verify", "--features", "absent.py:reach", "--quiet"]) == 2


MODELS = """import numpy as np
from sklearn.linear_model import Ridge


class Normal:
    def fit(self, X, y):
        self.middle, self.width = y.mean(), y.std()
        return self

    def predict_quantiles(self, X):
        return np.tile(self.middle + self.width * np.linspace(-2, 2, 23), (len(X), 1))


class Levelled(Normal):
    def predict_quantiles(self, X):
        return super().predict_quantiles(X) + float(X["own_vol_22"].mean())


class Chance(Normal):
    def fit(self, X, y):
        self.middle, self.width = np.random.default_rng().normal(), 1.0
        return self


class Falling(Normal):
    def predict_quantiles(self, X):
        return -super().predict_quantiles(X)


class Few(Normal):
    def predict_quantiles(self, X):
        return super().predict_quantiles(X)[:, :5]


class Broken(Normal):
    def fit(self, X, y):
        raise RuntimeError("no rows")


ridge = Ridge(1e4)
"""


@pytest.fixture
def models(home):
    (home / "models.py").write_text(MODELS)
    return home


@pytest.mark.no_cover
@pytest.mark.parametrize("name", ["Normal", "ridge"])
def test_a_member_of_ones_own_through_the_doors(models, capsys, name, walks_in_processes):
    plain, own = fk.forecast("MINE"), fk.forecast("MINE", members=f"models.py:{name}")
    assert own.values != plain.values and own.model_version != plain.model_version
    assert own.data_fingerprint == plain.data_fingerprint
    assert [(part["kind"], part["name"]) for part in own.metadata["user_code"]] == [("member", name)]
    assert fk.forecast("MINE", members=f"models.py:{name}").values == own.values
    assert main(["forecast", "--symbol", "MINE", "--members", f"models.py:{name}", "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["prediction_id"] == own.prediction_id
    assert main(["forecasts", "verify", "--quiet", "--members", f"models.py:{name}"]) == 0
    assert "recomputed 1 of 2: equal" in capsys.readouterr().out
    assert fk.forecast(MARKET.bars("MINE"), symbol="MINE", members=f"models.py:{name}").metadata["user_code"]


def test_a_regressor_wants_fifty_rows_before_its_first_test():
    "A gap of 22 before the first tested row, which is that after two fifths: 180 rows are enough, 179 are too few."
    days, rng = pd.bdate_range("2016-01-04", periods=180), np.random.default_rng(0)
    X, y = pd.DataFrame({"x": rng.normal(size=180)}, days), pd.Series(rng.normal(size=180), days)
    said = ResidualQuantiles(Ridge()).fit(X, y).predict_quantiles(X)
    assert said.shape == (180, len(PROBS)) and (np.diff(said, axis=1) > 0).all()
    with pytest.raises(UserCodeError, match="wants 50 rows before its first test, and 179 are too few"):
        ResidualQuantiles(Ridge()).fit(X[:179], y[:179])


@pytest.mark.parametrize(
    ("name", "words", "code"),
    [
        ("Levelled", "member Levelled is refused", 1),
        ("Chance", "fix its seed", 2),
        ("Falling", "are no quantiles", 2),
        ("Few", "answers with the shape", 2),
        ("Broken", "member Broken failed: RuntimeError: no rows", 2),
        ("np", "is no model", 2),
    ],
)
def test_a_member_that_cannot_be_used_is_refused_in_one_line_and_nothing_is_stored(models, capsys, name, words, code):
    assert main(["forecast", "--symbol", "MINE", "--members", f"models.py:{name}", "--quiet"]) == code
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and words in said
    assert stored(models) == []


def test_a_stored_version_with_a_feature_of_ones_own_names_it_where_it_is_absent(home):
    fk.forecast("MINE", features="mine.py:reach")
    settings = fk.pipeline.settings_for(load_settings(), "MINE")
    system = IntegratedSystem(settings=settings)
    version = system.registry.versions()["version"].iloc[-1]
    with pytest.raises(ValueError, match=r"without reach.*--features FILE.py:NAME"):
        system.registry.load(version).predict_quantiles(system.feature_engine.build_features(system.market))


def test_a_universe_says_that_it_takes_none(home):
    with pytest.raises(UserCodeError, match="forecast these symbols one by one"):
        fk.forecast(["MINE", "SPX"], features=reach)
    assert main(["forecast", "--universe", "sample", "--features", "mine.py:reach"]) == 2


def test_code_that_reads_arrays_this_package_and_a_module_beside_it_has_a_version(home):
    (home / "beside.py").write_text("ROWS = 10\n")
    text = "import numpy as np\nimport beside\nimport forecastkit as fk\nfrom forecastkit.core import PROBS\n\nWEIGHTS = np.array([1.0, 2.0])\n\n\n"
    text += "def mixed(market, symbol):\n    close = market.close(symbol).shift(beside.ROWS)\n    return close * WEIGHTS.sum() * PROBS[0] * fk.core.PROBS[1]\n"
    (home / "mixed.py").write_text(text)
    mine = profile_of(fk.Target("MINE"))
    first = with_user_code(mine, "mixed.py:mixed").user_digest
    assert first == with_user_code(mine, "mixed.py:mixed").user_digest
    (home / "mixed.py").write_text(text.replace("2.0", "3.0"))
    assert with_user_code(mine, "mixed.py:mixed").user_digest != first


def test_files_in_two_folders_have_each_its_own_module_beside_it(tmp_path):
    text, found = (
        "import beside\nimport tools.window\n\ndef reach(market):\n    return beside.ROWS, tools.window.ROWS\n",
        [],
    )
    for rows in (10, 20, 10):
        folder = tmp_path / str(rows)
        (folder / "tools").mkdir(parents=True, exist_ok=True)
        (folder / "tools" / "__init__.py").touch()
        for file in ("beside.py", "tools/window.py"):
            (folder / file).write_text(f"ROWS = {rows}\n")
        (folder / "mine.py").write_text(text)
        found.append(load_user_code(f"{folder}/mine.py:reach"))
    assert [one(None) for one in found] == [(10, 10), (20, 20), (10, 10)]
    digests = [fk.features.user_code_digest(one, "reach") for one in found]
    assert digests[0] == digests[2] != digests[1]


def test_a_file_beside_that_is_called_as_a_library_does_not_replace_it(tmp_path):
    (tmp_path / "numpy.py").write_text("raise ValueError\n")
    (tmp_path / "mine.py").write_text("import numpy\n\ndef reach(market):\n    return numpy\n")
    assert load_user_code(f"{tmp_path}/mine.py:reach")(None) is np


@pytest.mark.parametrize(
    "code",
    [
        "import sys\nsys.path.clear()\nraise ValueError('path')",
        "import sys\nsys.modules.pop(__name__)\nraise ValueError('modules')",
        "class Silent(Exception):\n    def __str__(self): raise RuntimeError('no')\nraise Silent",
        "class Base(BaseException): pass\nraise Base('base')",
        "raise GeneratorExit",
        "def __getattr__(name): raise RuntimeError('asked')",
    ],
)
def test_a_hostile_file_is_one_error_of_user_code(tmp_path, monkeypatch, code):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (file := tmp_path / "hostile.py").write_text(code)
    with pytest.raises(UserCodeError, match=r"running hostile\.py failed"):
        load_user_code(f"{file}:reach")


def test_a_file_that_changes_where_modules_are_found_still_gives_its_function(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (file := tmp_path / "moved.py").write_text(
        "import sys\nsys.path.pop(0)\nsys.modules.pop(__name__)\ndef reach(m): pass\n"
    )
    assert load_user_code(f"{file}:reach").__name__ == "reach"


class Says:
    "A member that answers each row with the same numbers."

    def __init__(self, numbers):
        self.numbers = numbers

    def fit(self, X, y):
        return self

    def predict_quantiles(self, X):
        return np.tile(self.numbers, (len(X), 1))


RISING = np.linspace(-1.0, 1.0, len(PROBS))


@pytest.mark.parametrize("numbers", [np.r_[RISING[:-1], np.inf], RISING[::-1]], ids=["not finite", "falling"])
def test_a_member_whose_answers_are_no_quantiles_is_refused_for_either_reason(numbers):
    X, y = pd.DataFrame({"a": np.arange(30.0)}), np.arange(30.0)
    assert user_member(Says(RISING)).fit(X, y).predict_quantiles(X).shape == (30, len(PROBS))
    with pytest.raises(UserCodeError, match="are no quantiles"):
        user_member(Says(numbers)).fit(X, y).predict_quantiles(X)
