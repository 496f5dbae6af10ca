"A file that could not be written is refused before any work is done for it, by every command that writes one."

import pytest

from forecastkit.cli.main import main

COMMANDS = (
    ["backtest"],
    ["evaluate"],
    ["evaluate", "--universe", "sample"],
    ["explain"],
    ["forecast", "--universe", "sample"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_page_below_a_file_or_in_place_of_a_folder_is_refused_at_once(command, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for where in (tmp_path / "file" / "p.html", tmp_path):
        code = main([*command, "--home", str(tmp_path / "home"), "--html", str(where)])
        out, err = capsys.readouterr()
        assert (code, out) == (2, "") and "cannot be written" in err and len(err.strip().splitlines()) == 1
    assert not (tmp_path / "home").exists()


def test_trades_are_refused_alike(tmp_path, capsys):
    assert main(["backtest", "--home", str(tmp_path / "home"), "--csv", str(tmp_path)]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_pause_of_what_cannot_be_printed_is_refused_in_one_line(tmp_path, capsys):
    for words in (
        ("all", "--why", "\udcff"),
        ("all", "--why", "x" * 2000),
        ("line:a\u202eb", "--why", "late"),
        ("all", "--why", "late", "--who", ""),
    ):
        assert main(["pauses", "add", *words, "--home", str(tmp_path)]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not list(tmp_path.rglob("*.db"))
