"The HTTP API from its outside: who may ask, what comes back, and what is refused; in process, without a network."

import asyncio
import gc
import json
import time
from concurrent.futures import Future

import jsonschema
import pytest
from api_server import settings_at
from engines import DAYS, made
from fastapi.testclient import TestClient

from forecastkit.cli.schemas import SCHEMAS
from forecastkit.core import DataError, Target
from forecastkit.data import synthetic_market
from forecastkit.forecasts import Forecast
from forecastkit.ledger import PredictionDatabase, add_pause, lift_pause
from forecastkit.ops import line_target, standing
from forecastkit.web import Client, add_key, create_app, revoke_key, stored_keys
from forecastkit.web.jobs import job_answer
from forecastkit.web.questions import Asked
from forecastkit.web.service import Service, answer_question

ASK = {"symbol": "AAA", "date": "2016-02-05"}


@pytest.fixture(scope="module")
def market():
    return synthetic_market(seed=3, sessions=330, start="2014-12-01", stocks=("AAA",)).market


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    "A home with three stored forecasts of the VIX and a key of each scope."
    folder = tmp_path_factory.mktemp("home")
    db = PredictionDatabase(f"sqlite:///{folder}/forecasts.db")
    db.store_predictions([(made(i), None) for i in range(3)])
    keys = {scope: add_key(db, scope, scope)[1] for scope in ("read", "forecast", "admin")}
    db.close()
    return folder, keys


@pytest.fixture(scope="module")
def api(home, market):
    with TestClient(
        create_app(settings_at(home[0], web__per_minute=100_000), market), raise_server_exceptions=False
    ) as client:
        yield client


def bearer(home, scope="forecast") -> dict[str, str]:
    return {"Authorization": f"Bearer {home[1][scope]}"}


def is_problem(answer, status: int) -> dict:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    told = answer.json()
    assert told["status"] == status and told["title"] and told["detail"] and told["remedy"]
    return told


def test_a_fresh_forecast_is_made_stored_and_ever_after_the_same(api, home):
    first = api.post("/forecast", json=ASK, headers=bearer(home))
    assert first.status_code == 200, first.text
    for same in (ASK, ASK | {"horizon": 5}, ASK | {"kind": "log_return"}, ASK | {"symbol": "aaa"}):
        assert api.post("/forecast", json=same, headers=bearer(home)).content == first.content
    stored = api.get(f"/forecasts/{first.json()['prediction_id']}", headers=bearer(home))
    assert Forecast.from_json(stored.text).prediction_id == first.json()["prediction_id"]
    assert len(api.get("/forecasts", params={"symbol": "AAA"}, headers=bearer(home)).json()) == 1


def test_several_horizons_are_one_record(api, home):
    first = api.post("/forecast", json=ASK | {"horizons": [5, 1]}, headers=bearer(home))
    assert first.status_code == 200 and set(first.json()["horizons"]) == {"1", "5"}
    assert api.post("/forecast", json=ASK | {"horizons": [1, 5]}, headers=bearer(home)).content == first.content


def test_a_stored_forecast_is_found_without_data(api, home):
    "They are of a time before the series here begin."
    day, path = f"{DAYS[0]:%Y-%m-%d}", "/forecast"
    found = api.post(path, json={"symbol": "^VIX", "date": day}, headers={"X-API-Key": home[1]["forecast"]}).json()
    assert found["prediction_id"] == made(0).prediction_id
    is_problem(api.post(path, json={"symbol": "VIX", "date": "2009-01-05"}, headers=bearer(home)), 409)


def test_lists_have_pages_in_json_and_csv(api, home):
    page = api.get("/forecasts", params={"symbol": "VIX", "limit": 2}, headers=bearer(home, "read"))
    rest = api.get(page.links["next"]["url"], headers=bearer(home, "read"))
    origins = [row["origin"] for row in page.json() + rest.json()]
    assert origins == sorted(origins, reverse=True) and len(origins) == 3 and "next" not in rest.links
    csv = api.get("/forecasts", params={"symbol": "VIX"}, headers=bearer(home, "read") | {"Accept": "text/csv"})
    assert (
        csv.headers["content-type"].startswith("text/csv")
        and csv.text.startswith("symbol,origin,")
        and csv.text.count("\n") == 4
    )


@pytest.mark.parametrize(
    "address",
    [
        "/forecasts?symbl=AAA",
        "/forecasts?limit=1&limit=2",
        "/universe?symbol=VIX",
        "/models?page=2",
        "/forecasts?horizons=5",
    ],
)
def test_a_field_that_nobody_reads_is_refused_and_not_answered_as_if_it_were_not_there(api, home, address):
    told = is_problem(api.get(address, headers=bearer(home, "read")), 422)
    assert "field" in told["detail"] and "symbl" not in told["remedy"]
    assert api.get(address).status_code == 401  # a stranger is told nothing


def test_lists_of_several_horizons_have_pages_and_filters_too(api, home):
    for day in ("2016-02-08", "2016-02-09"):
        asked = {"symbol": "AAA", "date": day, "horizons": [1, 5]}
        assert api.post("/forecast", json=asked, headers=bearer(home)).status_code == 200
    which = {"several": True, "start": "2016-02-08", "limit": 1}
    page = api.get("/forecasts", params=which, headers=bearer(home, "read"))
    rest = api.get(page.links["next"]["url"], headers=bearer(home, "read"))
    told = [(row["origin"], row["horizon"]) for row in page.json() + rest.json()]
    assert told == [("2016-02-09", 1), ("2016-02-09", 5), ("2016-02-08", 1), ("2016-02-08", 5)]
    of_five = api.get("/forecasts", params=which | {"horizon": 5, "limit": 9}, headers=bearer(home, "read"))
    assert [row["horizon"] for row in of_five.json()] == [5, 5] and "next" not in of_five.links
    for nothing in ({"horizon": 2}, {"kind": "pct_change"}):
        assert api.get("/forecasts", params=which | nothing, headers=bearer(home, "read")).json() == []


def test_the_other_addresses_answer(api, home):
    def get(path, **headers):
        answer = api.get(path, headers=bearer(home, "read") | headers)
        assert answer.status_code == 200, answer.text
        return answer

    assert [row["symbol"] for row in get("/universe").json()] == ["AAA", "VIX"]
    assert get("/models", Accept="application/json").json() is not None
    assert get(f"/served-on/{DAYS[0]:%Y-%m-%d}").json()[0]["symbol"] == "VIX"
    assert "performance" in get("/metrics").json()
    assert (
        "forecastkit_forecasts 3" in get("/metrics", Accept="text/plain").text
        or "forecastkit_forecasts" in get("/metrics", Accept="text/plain").text
    )
    assert get("/health").json()["newest_origin"]
    assert api.get("/health").json() == {"live": True, "ready": True}


def test_keys_are_needed_and_each_scope_contains_those_before(api, home):
    assert "www-authenticate" in api.get("/forecasts").headers
    is_problem(api.get("/forecasts"), 401)
    is_problem(api.get("/forecasts", headers={"X-API-Key": "fk_00000000_" + 43 * "A"}), 401)
    is_problem(api.get("/health", headers={"X-API-Key": "wrong"}), 401)
    is_problem(api.post("/forecast", json=ASK, headers=bearer(home, "read")), 403)
    is_problem(api.get("/forecasts", headers=bearer(home) | {"X-API-Key": "other"}), 400)
    assert api.get("/forecasts", headers=bearer(home, "admin")).status_code == 200


def test_a_key_in_the_address_is_refused_and_not_told(api, home, caplog):
    caplog.set_level("INFO", logger="forecastkit.access")
    for query in (f"?api_key={home[1]['read']}", f"?symbol={home[1]['read']}"):
        is_problem(api.get(f"/forecasts{query}"), 400)
    api.get("/forecasts", headers=bearer(home, "read"))
    assert home[1]["read"] not in caplog.text and '"path": "/forecasts"' in caplog.text
    assert json.loads(caplog.records[-1].message)["key"] == home[1]["read"][3:11]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'{"symbol": 5}', b'{"symbol": "VIX", "horizon": NaN}', b'{"symbol": "VIX", "horizon": 1e999}',
        b'{"symbol": "VIX", "horizon": true}', b'{"symbol": "VIX", "horizons": []}', b'{"symbol": "VIX", "horizon": 5, "horizons": [1]}',
        b'{"symbol": "../../etc/passwd"}', b'{"symbol": "http://example.org"}', b'{"symbol": "VIX\\u0000"}', b'{"symbol": "VIX", "date": "2018-02-30"}',
        b'{"symbol": "VIX", "model": "x.skops"}', b'{"symbol": "VIX", "sources": "folder:/"}', b'{"symbol": "VIX", "kind": "x"}',
        b"[" * 9000 + b"]" * 7000, b'{"symbol": "VIX", "x": ' + b"[" * 7000 + b"]" * 7000 + b"}", b"\xff\xfe", '{"symbol": "VIX\u202e"}'.encode(),
    ],
)  # fmt: skip
def test_what_is_no_question_is_refused_with_a_reason(api, home, body):
    headers = bearer(home) | {"Content-Type": "application/json"}
    told = is_problem(api.post("/forecast", content=body, headers=headers), 422)
    assert "etc/passwd" not in json.dumps(told) and "skops" not in json.dumps(told)


@pytest.mark.parametrize(
    "day, words",
    [
        ("2018-02-03", "weekend"),
        ("1950-01-03", "outside the calendar"),
        ("2018-12-25", "holiday"),
        ("2099-12-31", "outside the calendar"),
    ],
)
def test_a_day_on_which_no_forecast_can_be_made_is_refused_at_once(api, home, day, words):
    told = is_problem(api.post("/forecast", json={"symbol": "VIX", "date": day}, headers=bearer(home)), 422)
    assert words in told["detail"] and "leave date out" in json.dumps(told)


def test_bodies_have_a_limit_and_a_kind(api, home):
    big = b'{"symbol": "VIX"' + b" " * 20_000 + b"}"
    is_problem(api.post("/forecast", content=big, headers=bearer(home) | {"Content-Type": "application/json"}), 413)
    is_problem(
        api.post("/forecast", content=iter([big]), headers=bearer(home) | {"Content-Type": "application/json"}), 413
    )
    is_problem(api.post("/forecast", data={"symbol": "VIX"}, headers=bearer(home)), 415)


def test_addresses_and_methods_that_are_none(api, home):
    is_problem(api.get("/nothing", headers=bearer(home)), 404)
    is_problem(api.delete("/forecasts", headers=bearer(home)), 405)
    is_problem(api.get("/forecasts/..%2f..%2fetc", headers=bearer(home)), 404)
    is_problem(api.get("/forecasts/0eff9888-ea94-5cb0-88ac-62a8b999417d", headers=bearer(home)), 404)
    is_problem(api.get("/jobs/0eff9888-ea94-5cb0-88ac-62a8b999417d", headers=bearer(home)), 404)
    is_problem(api.get("/served-on/2018-13-01", headers=bearer(home)), 422)
    for day in ("1000-01-01", "2099-01-05"):  # of which nothing is known any more, or yet
        is_problem(api.get(f"/served-on/{day}", headers=bearer(home)), 404)
    for day in ("1000-01-01", "2016-02-06", "2027-02-05"):  # outside the calendar, no session, not come yet
        told = is_problem(api.post("/forecast", json=ASK | {"date": day}, headers=bearer(home)), 422)
        assert told["remedy"] != "Ask another question."
    is_problem(api.get("/forecasts", params={"limit": 0}, headers=bearer(home)), 422)
    is_problem(api.get("/forecasts", params={"start": "2018-02-05", "end": "2018-02-01"}, headers=bearer(home)), 422)
    is_problem(api.post("/forecast", json={"symbol": "NONE"}, headers=bearer(home)), 404)
    assert "access-control-allow-origin" not in api.get("/health", headers={"Origin": "http://example.org"}).headers


def test_what_every_answer_carries(api, home):
    one, other = (api.get("/health", headers={"X-Request-ID": "mine\x01"}) for _ in range(2))
    assert one.headers["x-request-id"] != other.headers["x-request-id"] != "mine"
    assert (one.headers["cache-control"], one.headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_openapi_names_every_address_with_examples(api):
    described = api.get("/openapi.json").json()
    assert set(described["paths"]) == {
        "/forecast",
        "/forecasts",
        "/forecasts/{id}",
        "/jobs/{id}",
        "/universe",
        "/models",
        "/served-on/{date}",
        "/metrics",
        "/health",
    }
    question = described["paths"]["/forecast"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert question["examples"] and not question["additionalProperties"]
    several = question["properties"]["horizons"]["anyOf"][0]
    assert several["items"] == {"type": "integer", "minimum": 1, "maximum": 252} and question["not"]["required"]
    assert question["properties"]["date"]["format"] == "date" and {} in described["paths"]["/health"]["get"]["security"]
    assert {"HTTPBearer", "APIKeyHeader"} == set(described["components"]["securitySchemes"])


SAME = {
    "/forecast": ("POST", ["forecast"]), "/forecasts": ("GET", ["forecasts list", "forecasts list --multi-horizon"]),
    "/models": ("GET", ["models list"]), "/served-on/{date}": ("GET", ["models serve-on"]),
}  # fmt: skip

ONLY_AT_THE_TERMINAL = {"forecasts list": {"line"}}


def record_schemas(schema: dict) -> list[dict]:
    "The schemas of records that a schema of answers speaks of."
    parts = schema.get("anyOf", [schema])
    return [part.get("items", part) for part in parts]


def kinds_of(schema: dict) -> set[str]:
    "The kinds of values that a schema admits; empty where it says nothing of them."
    said = schema.get("type", [])
    return {said} if isinstance(said, str) else set(said)


@pytest.mark.parametrize("path", SAME)
def test_openapi_says_of_a_record_what_the_terminal_says_of_it(api, path):
    "`forecastkit schema COMMAND` describes the same records."
    method, commands = SAME[path]
    answer = api.get("/openapi.json").json()["paths"][path][method.lower()]["responses"]["200"]
    told = record_schemas(answer["content"]["application/json"]["schema"])
    for over_http, command in zip(told, commands, strict=path != "/forecast"):  # several horizons have no command
        (at_the_terminal,) = record_schemas(SCHEMAS[command])
        own, other = over_http["properties"], at_the_terminal["properties"]
        differing = {
            name for name in own.keys() & other.keys()
            if kinds_of(other[name]) and kinds_of(own[name]) != kinds_of(other[name])
        }  # fmt: skip
        assert differing == set()
        assert set(at_the_terminal["required"]) - own.keys() <= ONLY_AT_THE_TERMINAL.get(command, set())
        assert set(over_http["required"]) <= other.keys()


def test_openapi_says_of_the_runs_of_jobs_what_the_terminal_says_of_them(api):
    told = api.get("/openapi.json").json()["paths"]["/health"]["get"]["responses"]["200"]["content"]
    assert told["application/json"]["schema"]["properties"]["jobs"] == SCHEMAS["monitor"]["properties"]["jobs"]


def test_answers_are_as_openapi_and_the_terminal_describe_them(api, home):
    described = api.get("/openapi.json").json()["paths"]
    asked = {"symbol": "AAA", "date": "2016-02-05"}
    answers = {
        "/forecast": api.post("/forecast", json=asked, headers=bearer(home)),
        "/forecasts": api.get("/forecasts", headers=bearer(home)),
        "/models": api.get("/models", headers=bearer(home)),
        "/served-on/{date}": api.get("/served-on/2016-02-05", headers=bearer(home)),
        "/universe": api.get("/universe", headers=bearer(home)),
        "/health": api.get("/health", headers=bearer(home)),
        "/metrics": api.get("/metrics", headers=bearer(home)),
    }
    for path, answer in answers.items():
        method = "post" if path == "/forecast" else "get"
        assert answer.status_code == 200 and answer.json(), path
        schema = described[path][method]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(answer.json(), schema)
        if path in SAME and path != "/forecasts":  # whose rows do not name the line
            jsonschema.validate(answer.json(), SCHEMAS[SAME[path][1][0]])


def test_what_is_paused_is_refused_with_whoever_can_lift_it(api, home):
    "By everything, by the symbol and by the line that serves it; lists and records stay readable."
    service = api.app.state.service
    line = standing(service.database, line_target(Target("AAA", "log_return", 5))).champion.line.name
    known = api.post("/forecast", json=ASK, headers=bearer(home)).json()["prediction_id"]
    for subject in ("symbol:AAA", f"line:{line}", "all"):
        pause = add_pause(service.database, subject, "a person", "prices in /srv/prices are late")
        service.due = 0.0  # the next look is due
        for question in (ASK, {"symbol": "AAA"}, ASK | {"horizons": [1, 5]}):
            told = is_problem(api.post("/forecast", json=question, headers=bearer(home)), 409)
        assert subject in told["detail"] and "/srv" not in told["detail"]
        assert f"pauses lift {pause.number}" in told["remedy"]
        assert api.get(f"/forecasts/{known}", headers=bearer(home)).status_code == 200
        lift_pause(service.database, pause.number, "a person", "they are back")
    service.due = 0.0
    assert api.post("/forecast", json=ASK, headers=bearer(home)).status_code == 200


@pytest.mark.parametrize("workers", [1, 2], ids=["in memory", "in the database"])
def test_the_limit_is_exact_and_says_how_long_to_wait(home, market, tmp_path, workers):
    db = PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db")
    key = add_key(db, "busy")[1]
    settings = settings_at(tmp_path, web__per_minute=5, web__workers=workers)
    with (
        TestClient(create_app(settings, market), headers={"X-API-Key": key}) as one,
        TestClient(create_app(settings, market), headers={"X-API-Key": key}) as two,
    ):
        asked = [one, two if workers == 2 else one] * 3
        answers = [client.get("/forecasts") for client in asked]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    is_problem(answers[-1], 429)
    db.close()


def test_a_revoked_or_expired_key_is_refused_and_its_last_use_is_known(home, market, tmp_path):
    db = PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db")
    key = add_key(db, "leaver")[1]
    app = create_app(settings_at(tmp_path), market)
    with TestClient(app, headers={"X-API-Key": key}) as client:
        assert client.get("/forecasts").status_code == 200
        revoke_key(db, "leaver")
        app.state.service.due = 0.0  # the next look is due
        assert "revoked" in is_problem(client.get("/forecasts"), 401)["detail"]
    assert stored_keys(db)[0].last_used_at is not None
    db.close()


def test_while_the_database_is_away_every_question_is_503_and_then_it_goes_on(home, market, tmp_path, monkeypatch):
    key = add_key(PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db"), "one")[1]
    app = create_app(settings_at(tmp_path), market)
    with TestClient(app, headers={"X-API-Key": key}) as client:
        with monkeypatch.context() as patch:
            patch.setattr("forecastkit.web.service.ledger_length", raising)
            for path in ("/forecasts", "/health"):
                assert client.get(path).headers["retry-after"] == "5"
                is_problem(client.get(path), 503)
        app.state.service.due = 0.0
        assert client.get("/forecasts").status_code == 200


def raising(connection):
    raise DataError("the database is away")


def test_what_takes_long_is_a_job_to_ask_for_and_the_same_question_is_the_same_job(home, market, tmp_path):
    key = add_key(PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db"), "one", "forecast")[1]
    with TestClient(create_app(settings_at(tmp_path, web__seconds=0.05), market), headers={"X-API-Key": key}) as client:
        while (first := client.post("/forecast", json=ASK)).status_code == 503:
            pass  # a busy machine may not read the ledger in a twentieth of a second
        assert first.status_code == 202 and first.headers["location"] == first.json()["url"]
        while (again := client.post("/forecast", json=ASK)).status_code == 503:
            pass
        assert again.status_code == 200 or again.json()["job"] == first.json()["job"]
    db = PredictionDatabase(f"sqlite:///{tmp_path}/forecasts.db")
    told = job_answer(db, first.json()["job"])  # the app that stopped has finished what ran
    assert told["state"] == "done" and len(db.get_predictions()) == 1
    assert db.get_predictions()["prediction_id"][0] == told["prediction_id"]
    db.close()


def test_what_fails_after_the_caller_has_left_is_told_by_the_job_and_not_by_the_log(tmp_path, market):
    "The loop calls an error that nobody took an accident, and prints a traceback."

    async def asked() -> list[object]:
        told: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        service, late = Service(settings_at(tmp_path, web__seconds=0.05), market), Future()
        service.symbols, service.board.start = (time.monotonic(), frozenset({"AAA"})), lambda question, work=late: work
        assert await answer_question(service, Asked("AAA", "log_return", (5,), False)) is None
        late.set_exception(DataError("no data: bring some"))
        await asyncio.sleep(0.05)
        del late, service.board.start
        gc.collect()
        service.close()
        return told

    assert asyncio.run(asked()) == []


@pytest.mark.parametrize(("code", "error", "match"), [(1, DataError, "did not start"), (143, SystemExit, "143")])
def test_told_to_stop_is_not_a_failure_to_start(tmp_path, monkeypatch, code, error, match):
    import uvicorn

    from forecastkit.web.server import run_server

    def leave(*args: object, **options: object) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(uvicorn, "run", leave)
    with pytest.raises(error, match=match):
        run_server(settings_at(tmp_path), quiet=True)


@pytest.mark.parametrize(
    ("key", "address", "words"),
    [
        ("k", "http://127.0.0.1:9", "is `forecastkit serve` running"),
        ("k", "ftp://x", "an address such as"),
        ("", "http://127.0.0.1:9", "give the key"),
    ],
)
def test_a_client_without_a_server_says_what_to_do(key, address, words):
    with pytest.raises(DataError, match=words):
        Client(key, address, timeout=2.0).forecast("VIX")
