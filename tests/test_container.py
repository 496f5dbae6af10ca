"The container and the units around it: files parse, name only what exists, run as nobody in particular and hold no secret."

import configparser
import json
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from forecastkit.cli.main import app
from forecastkit.core import load_settings

ROOT = Path(__file__).resolve().parents[1]
UNITS = sorted((ROOT / "docs/deploy").iterdir())
FILES = [ROOT / "Dockerfile", ROOT / ".dockerignore", ROOT / "compose.yaml", *UNITS]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = {name: one for name, one in COMPOSE["services"].items() if name != "database"}
DOCKERFILE = re.sub(
    r"\\\n\s*", "", "".join(line for line in (ROOT / "Dockerfile").read_text().splitlines(True) if line[0] != "#")
)
STEPS = [tuple(line.split(None, 1)) for line in DOCKERFILE.splitlines() if line.strip()]
LAST = STEPS[max(i for i, (word, _) in enumerate(STEPS) if word == "FROM") :]


def last(word: str) -> str:
    return [rest for w, rest in LAST if w == word][-1]


def environment_of(text: str) -> dict[str, str]:
    "Variables of forecastkit that a file sets, with the default where one can be told from outside."
    found = re.findall(r"(FORECASTKIT_[A-Z_]+)\s*(?:=|:\s|, value:\s)\s*([^\s},]*)", text)
    return {name: re.sub(r"^\$\{\w+:-(.*)$", r"\1", value.strip("\"'")).rstrip("}") for name, value in found}


def test_the_last_stage_runs_as_no_root_and_asks_after_its_health():
    assert last("USER") == "10001:10001"
    assert "useradd --uid 10001" in DOCKERFILE and last("VOLUME") == last("WORKDIR") == "/var/lib/forecastkit"
    assert json.loads(last("ENTRYPOINT")) == ["forecastkit"]
    code = json.loads(last("HEALTHCHECK").split(" CMD ")[1])
    compile(code[2], "HEALTHCHECK", "exec")
    assert code[0] == "python" and "urllib.request" in code[2] and "/health" in code[2]
    assert not re.search(r"\b(curl|wget|sudo|apt-get|chmod 777)\b", DOCKERFILE)


def test_what_the_dockerfile_copies_is_sent_and_exists():
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert rules[0] == "*"
    sent = [rule[1:] for rule in rules if rule[0] == "!"]
    copied = [name for w, rest in STEPS if w == "COPY" and "--from" not in rest for name in rest.split()[:-1]]
    assert sorted(copied) == sorted(sent)
    assert all((ROOT / name).exists() for name in copied)
    assert not any(fnmatch(name, pattern) for name in copied for pattern in ("*secret*", "*.env", "*.db"))


def test_what_the_package_links_to_is_copied_too():
    "A link that leads nowhere in the image gives a wheel without its notebooks, and a daily job without a page."
    copied = [name for w, rest in STEPS if w == "COPY" and "--from" not in rest for name in rest.split()[:-1]]
    links = [path for path in (ROOT / "forecastkit").rglob("*") if path.is_symlink()]
    assert links and all(path.resolve().relative_to(ROOT).parts[0] in copied for path in links)


def test_versions_are_pinned_and_xgboost_comes_without_cuda():
    tags = re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)
    assert set(tags) == {"python:${BUILD_TAG}", "python:${PYTHON_TAG}"} and tags[-1] == "python:${PYTHON_TAG}"
    assert re.search(r"ARG BUILD_TAG=3\.11-\w+\n+ARG PYTHON_TAG=3\.11-slim-\w+", DOCKERFILE)
    images = {one["image"] for one in COMPOSE["services"].values()}
    assert all(":" in image and not image.endswith(":latest") for image in images)
    assert all(
        "-c constraints.txt" in line or "--no-index" in line
        for line in re.findall(r"pip (?:install|wheel)[^&\n]*", DOCKERFILE)
    )
    requirements, constraints = (ROOT / "pyproject.toml").read_text(), (ROOT / "constraints.txt").read_text()
    assert requirements.count('"xgboost>=') == 1 and re.search(r"^xgboost==3", constraints, re.M)  # what sed replaces
    assert re.search(r"^nvidia-nccl", constraints, re.M)
    asked = re.search(r"'\.\[([a-z,]+)\]'", DOCKERFILE)[1].split(",")
    assert set(asked) <= set(re.findall(r"^([a-z]+) = \[", requirements, re.M)) and "api" in asked


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_a_service_is_confined(name):
    one = COMPOSE["services"][name]
    assert one["read_only"] is True and one["cap_drop"] == ["ALL"] and "privileged" not in one
    assert one["security_opt"] == ["no-new-privileges:true"] and ("healthcheck" in one or name == "api")
    assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ()))
    assert all(volume.split(":")[0] in COMPOSE["volumes"] for volume in one["volumes"])
    assert set(one["secrets"]) <= set(COMPOSE["secrets"]) and set(one["networks"]) <= set(COMPOSE["networks"])


def test_services_of_forecastkit_share_one_image():
    assert sorted(OURS) == ["api", "backup", "daily", "monitor"]
    assert len({one["image"] for one in OURS.values()}) == 1 and [n for n, one in OURS.items() if "build" in one] == [
        "api"
    ]
    assert COMPOSE["networks"]["inside"]["internal"] is True and COMPOSE["services"]["database"]["networks"] == [
        "inside"
    ]


def test_compose_expands_no_variable_that_a_shell_should_see():
    "`$$` reaches the shell; a single `$` must be a variable of Compose, in braces and with a default."
    text = (ROOT / "compose.yaml").read_text().replace("$$", "")
    assert len(re.findall(r"\$", text)) == len(re.findall(r"\$\{[A-Z_]+:-[^}]*\}", text))


def test_the_shell_hands_over_the_password_and_waits_until_the_evening(tmp_path):
    (tmp_path / "database_password").write_text("a word\n")
    entry = [word.replace("$$", "$").replace("/run/secrets", str(tmp_path)) for word in OURS["api"]["entrypoint"]]
    told = subprocess.run([*entry, "printenv", "PGPASSWORD"], capture_output=True, text=True, check=True)
    assert told.stdout == "a word\n"
    waits = re.search(r"sleep (.+)", OURS["daily"]["command"][-1])[1].replace("$$", "$")
    seconds = subprocess.run(
        ["sh", "-c", f"echo {waits}"],
        capture_output=True,
        text=True,
        check=True,
        env={"TZ": "UTC", "PATH": "/usr/bin:/bin"},
    )
    assert 0 < int(seconds.stdout) <= 86400


def test_every_command_and_option_exists():
    group, named = get_command(app), []
    for path in FILES:
        text = path.read_text().replace(", ", " ").replace("]", " ")
        for found in re.finditer(r"\bforecastkit ((?:[a-z]+ )?(?:keys )?[a-z]+)((?: --[a-z-]+)*)", text):
            words = found[1].split()
            if words[0] in group.commands:
                command = group.commands[words[0]]
                while len(words) > 1 and hasattr(command, "commands") and words[1] in command.commands:
                    command = command.commands[words.pop(1)]
                options = {option for p in command.params for option in (*p.opts, *p.secondary_opts)}
                assert set(found[2].split()) <= options, found[0]
                named.append(words[0])
    assert {"serve", "daily", "monitor", "backup", "keys"} <= set(named)
    assert json.loads(last("CMD"))[0] in group.commands


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_variables_are_settings_and_no_file_holds_a_secret_or_a_registry(path):
    text = path.read_text()
    given = {k: v for k, v in environment_of(text).items() if k not in ("FORECASTKIT_PORT",)}
    load_settings(environ=given)  # raises for an unknown one, and for a value that is refused
    assert not re.search(
        r"index-url|pypi|://[^/\s]*:[^/\s]*@|(PASSWORD|TOKEN|KEY)\s*[:=]\s*['\"]?[A-Za-z0-9]{8,}\b", text
    )


@pytest.mark.parametrize("path", [p for p in UNITS if p.suffix in (".service", ".timer")], ids=lambda path: path.name)
def test_a_unit_of_systemd_is_confined_and_starts_what_exists(path):
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read_string(path.read_text())
    if path.suffix == ".timer":
        assert path.with_suffix(".service").exists() and unit["Timer"]["Persistent"] == "yes"
    else:
        service = unit["Service"]
        assert (
            service["User"] == "forecastkit"
            and service["ProtectSystem"] == "strict"
            and service["NoNewPrivileges"] == "yes"
        )
        assert service["ExecStart"].split()[1] in get_command(app).commands


def test_the_cron_job_runs_as_the_user_of_the_image():
    job = yaml.safe_load((ROOT / "docs/deploy/cronjob.yaml").read_text())
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == last("USER")
    (one,) = pod["containers"]
    assert one["image"] == OURS["daily"]["image"] and one["securityContext"]["readOnlyRootFilesystem"] is True
    assert {m["name"] for m in one["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
    assert job["spec"]["concurrencyPolicy"] == "Forbid"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_notebook_shows_each_file_as_it_is(path):
    cells = json.loads((ROOT / "nbs/howto_deploy.ipynb").read_text())["cells"]
    shown = "".join("".join(o.get("text", "")) for cell in cells for o in cell.get("outputs", ()))
    assert path.read_text().strip() in shown, f"run nbs/howto_deploy.ipynb again: {path.name} is another one"
