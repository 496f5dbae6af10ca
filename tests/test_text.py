"Secrets are planted in every place in which one may travel, and looked for in what is shown."

import ast
import io
import pickle
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
from engines import made
from hypothesis import given, settings
from hypothesis import strategies as st

import forecastkit.cli
from forecastkit import core
from forecastkit.cli.main import main
from forecastkit.cli.options import emit, print_note
from forecastkit.core import csv_safe_frame, printable, redacted
from forecastkit.forecasts.cards import in_words
from forecastkit.forecasts.distribution import in_brief
from forecastkit.ledger import write_csv
from forecastkit.vendors.response import error_message

SECRET = "zqS3cr8etQz"  # noqa: S105  # letters that occur in no message


@pytest.mark.parametrize(
    "secret",
    [SECRET, f"{SECRET}@home", f"a@{SECRET}", f"x/{SECRET}", f"pass {SECRET}", f"{SECRET}?x=1", f"1234{SECRET}"],
)
@pytest.mark.parametrize(
    "text",
    [
        "postgresql+psycopg://me:{}@db:5432/f",
        "cannot reach 'postgresql://me:{}@db/f': connection refused",
        "mysql://:{}@db",
        "https://ada:{}@proxy.example.org:8080/data?symbol=VIX",
        "http://proxy:{}@127.0.0.1/x (asked by ada@example.org)",
    ],
)
def test_a_password_of_an_address(text, secret):
    shown = redacted(text.format(secret))
    assert SECRET not in shown
    assert "***" in shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://host/x?{}=SECRET", "https://host/x?a=1&{}=SECRET&b=2", "{}=SECRET", "{}: SECRET", "{} = 'SECRET'",
        '{{"{}": "SECRET", "b": 1}}', "{{'{}': 'SECRET'}}", "{}=SECRET; path=/", "({}=SECRET)",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "name",
    [
        "password",
        "passwd",
        "PWD",
        "token",
        "access_token",
        "api_key",
        "apikey",
        "API-Key",
        "client_secret",
        "fred_key",
        "sslpassword",
    ],
)
def test_a_named_secret(text, name):
    shown = redacted(text.format(name).replace("SECRET", SECRET))
    assert SECRET not in shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        f"https://{SECRET}@host/x", f"https://host/x?key={SECRET}", f"Authorization: Bearer {SECRET}", f"authorization: Basic {SECRET}==",
        f"X-Api-Key: {SECRET}", f"Cookie: {SECRET}", f"got Bearer {SECRET} back", f"next=https%3A%2F%2Fada%3A{SECRET}%40host%2Fx",
    ],
)  # fmt: skip
def test_other_ways(text):
    assert SECRET not in redacted(text)


def test_an_exception_and_a_known_secret():
    assert SECRET not in redacted(ValueError(f"login of me with {SECRET} failed"), secrets=[SECRET])


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=80))
def test_redaction_ends_and_is_stable(text):
    shown = redacted(text)
    assert redacted(shown) == shown


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(codec=None), max_size=60))
def test_nothing_that_is_printed_controls_a_terminal(text):
    shown = printable(text)
    assert shown.isprintable() or "\u00a0" in shown or any(c.isspace() for c in shown)
    assert "\x1b" not in shown
    assert "\n" not in shown
    assert shown.encode().decode() == shown


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(st.sampled_from(["=", "+", "-", "@", "\t", " =", "x", ""]), st.text(max_size=8)),
        min_size=1,
        max_size=6,
    )
)
def test_no_cell_is_a_formula(parts):
    cells = [mark + text for mark, text in parts]
    frame = pd.DataFrame({"=name": cells, "n": range(len(cells))}, index=cells)
    safe = csv_safe_frame(frame)
    for text in [*safe["'=name"], *safe.index]:
        if text.lstrip(" \u00a0")[:1] in set("=+-@\t") and len(text.lstrip(" \u00a0")) > 1:
            float(text)
    assert safe["n"].tolist() == frame["n"].tolist()


def test_numbers_are_untouched():
    frame = pd.DataFrame({"change": [-1.5, 2.0], "at": pd.to_datetime(["2018-02-05", "2018-02-06"])})
    pd.testing.assert_frame_equal(csv_safe_frame(frame), frame)
    assert pd.read_csv(io.StringIO(csv_safe_frame(frame).to_csv(index=False)))["change"].tolist() == [-1.5, 2.0]


@pytest.mark.parametrize(
    "kind",
    [
        core.DataError,
        core.DataQualityError,
        core.DataWarning,
        core.FeatureDimensionError,
        core.SettingsError,
        core.ModelNotFoundError,
        core.ModelIntegrityError,
    ],
)
def test_no_error_carries_a_secret_or_an_escape(kind):
    error = kind(f"https://ada:{SECRET}@proxy/x?token={SECRET} says \x1b[2J")
    for text in (str(error), repr(error), str(error.args), str(pickle.loads(pickle.dumps(error)))):  # noqa: S301
        assert SECRET not in text
        assert "\x1b" not in text
    assert isinstance(pickle.loads(pickle.dumps(error)), kind)  # noqa: S301  (processes hand errors to each other)


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a.",
        "a://",
        "a://b:",
        "a://b:c@",
        "password",
        "password=",
        "token:",
        "_key",
        '"',
        "%3A%2F%2F",
        "bearer ",
        "a_key ",
        "://:@",
    ],
)
def test_a_long_hostile_text_is_redacted_once_and_for_all(piece):
    """Patterns that backtrack would not come to an end on these."""
    text = redacted(piece * (30_000 // len(piece)) + " password=hunter2")
    assert "hunter2" not in text


def test_an_exported_ledger_holds_no_formula(tmp_path):
    path, moment = tmp_path / "ledger.csv", pd.Timestamp("2018-02-05 22:00", tz="UTC")
    rows = {"symbol": ["=cmd|' /C calc'!A0", "VIX"], "q50": [-1.25, 0.1], "made_at": moment, "stored_at": moment}
    assert write_csv([pd.DataFrame(rows)], path) == 2
    first, second = path.read_text().splitlines()[1:]
    assert first.startswith("'=cmd|' /C calc'!A0,-1.25,2018-02-05 22:00")
    assert second.startswith("VIX,0.1,")


HOSTILE = "vix\x1b[2J\x1b]0;owned\x07\u202efdp"


def test_commands_print_nothing_that_controls_a_terminal(capsys):
    table = pd.DataFrame({f"a{HOSTILE}": [HOSTILE, "b"], "n": [1, 2]})
    for value, as_json in (
        (table, False),
        (table, True),
        (HOSTILE, False),
        ([HOSTILE], True),
        (f"{HOSTILE}\nb", False),
    ):
        emit(value, as_json)
    print_note(f"note: {HOSTILE}")
    for said in capsys.readouterr():
        assert "vix" in said and all(line.isprintable() for line in said.splitlines())


def test_commands_print_through_one_door():
    """What is printed by another way is not made harmless."""
    for path in Path(forecastkit.cli.__file__).parent.glob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        printing = [
            node.lineno for node in calls if ast.unparse(node.func) in ("print", "typer.echo", "sys.stdout.write")
        ]
        assert len(printing) == (3 if path.name == "options.py" else 0), f"{path.name} prints in lines {printing}"


def test_files_with_hostile_names_are_listed_harmlessly(tmp_path, capsys):
    (tmp_path / f"{HOSTILE}.csv").write_text("date,close\n2018-02-05,1.0\n")
    with suppress(SystemExit):
        main(["data", "list", "--sources", f"folder:{tmp_path}", "--home", str(tmp_path / "home")])
    said = "".join(capsys.readouterr())
    assert "owned" in said and "\x1b" not in said and "\u202e" not in said


def test_an_exported_cell_holds_no_escape():
    table = csv_safe_frame(pd.DataFrame({"cohort": [f"={HOSTILE}", "\x1b[31m", "\u202e=1", "a\r\nb"]}))
    assert all(text.isprintable() and not text.startswith(("=", "\x1b")) for text in table["cohort"])


def test_no_card_of_a_forecast_holds_an_escape():
    forecast = made(3, metadata={"data_notes": [HOSTILE]})
    for card in (str(forecast), "\n".join(in_words(forecast)), forecast._repr_html_()):
        assert "owned" in card and "\x1b" not in card and "\u202e" not in card
    with pytest.raises(core.DataError, match="must be printable texts"):
        made(3, cohort=HOSTILE)


def test_of_a_long_text_without_a_blank_the_beginning_is_kept():
    "An account of a service, a path or a token has no word to cut after: `textwrap.shorten` would leave nothing of it."
    assert printable("x" * 300, most=200) == "x" * 194 + " [...]"
    assert printable("one  two threes", most=13) == "one two [...]"
    assert printable("y" * 200, most=200) == "y" * 200
    assert printable("KeyError: " + "k" * 300, most=60) == "KeyError: " + "k" * 44 + " [...]"
    assert printable("[...]", most=8) == "[...]"
    assert printable("two words", most=3) == "t [...]"
    assert error_message({"error": "z" * 300}).startswith("zzz")
    assert in_brief("w" * 100).startswith("'www")
