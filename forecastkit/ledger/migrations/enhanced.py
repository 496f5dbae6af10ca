"""The forecasts in the columns of the documents, spelled for SQLite and for PostgreSQL; migrations make views of it."""

# SQLite lets no view call its functions of JSON where a schema is not trusted, so the lists are followed as text
MEDIAN = (
    "(WITH RECURSIVE s(i, probs, vals, q, v) AS ("
    "SELECT 0, substr(p.forecast, instr(p.forecast, '\"probs\":[') + 9), substr(p.forecast, instr(p.forecast, '\"values\":[') + 10), '', '' "
    "UNION ALL SELECT i + 1, substr(probs, instr(probs, ',') + 1), substr(vals, instr(vals, ',') + 1), "
    "substr(probs, 1, instr(probs, ',') - 1), substr(vals, 1, instr(vals, ',') - 1) FROM s WHERE i < 200 AND q <> '{level}') "
    "SELECT CAST(v AS REAL) FROM s WHERE q = '{level}')"
)
MEDIAN_PG = (
    "(SELECT v.value::double precision FROM json_array_elements_text(p.forecast::json->'probs') WITH ORDINALITY AS q(value, place) "
    "JOIN json_array_elements_text(p.forecast::json->'values') WITH ORDINALITY AS v(value, place) USING (place) "
    "WHERE q.value::double precision = {level})"
)
ENHANCED = (
    "SELECT p.prediction_id, p.symbol, p.origin AS prediction_date, p.target_session, p.horizon, p.kind, p.model_version, "
    "{median} AS prediction, {low} AS lower_bound, {high} AS upper_bound, {confidence} AS confidence_score, "
    "{label} AS direction, {more}p.timeliness, p.num_features_used, p.made_at, o.change AS actual_value "
    "FROM predictions AS p LEFT JOIN outcomes AS o "
    "ON o.symbol = p.symbol AND o.kind = p.kind AND o.origin = p.origin AND o.horizon = p.horizon"
)
ENHANCED_V2 = (
    "SELECT e.*, abs(e.actual_value - e.prediction) AS absolute_error, "
    "e.actual_value BETWEEN e.lower_bound AND e.upper_bound AS inside_80, "
    "p.stored_at, p.code_version, p.data_fingerprint, EXISTS (SELECT 1 FROM predictions AS o WHERE o.symbol = p.symbol "
    "AND o.kind = p.kind AND o.origin = p.origin AND o.horizon = p.horizon AND o.model_version <> p.model_version) "
    "AS has_other_versions FROM model_predictions_enhanced AS e JOIN predictions AS p ON p.prediction_id = e.prediction_id"
)


def after(part: str, name: str, text: bool = False) -> str:
    "An SQLite expression: the number, or the text, behind a key in a part of a forecast's metadata; NULL where it has none."
    begun, key = f'"{part}":{{', f'"{name}":'
    rest = f"substr(p.forecast, instr(p.forecast, '{begun}') + {len(begun)})"
    tail = f"substr({rest}, instr({rest}, '{key}') + {len(key) + text})"
    words = f"substr({tail}, 1, instr({tail}, '\"') - 1)" if text else f"CAST({tail} AS REAL)"
    return f"CASE WHEN instr(p.forecast, '{begun}') > 0 THEN {words} ELSE NULL END"


def enhanced(
    risk: bool = False,  # whether the risk score is a column
) -> tuple[str, str]:
    "The words of the view for SQLite and for PostgreSQL."
    of = "p.forecast::json->'metadata'->'{}'->>'{}'"
    spellings = (
        (MEDIAN, after("direction", "confidence"), after("direction", "label", text=True), after("risk", "score")),
        (MEDIAN_PG, f"({of.format('direction', 'confidence')})::double precision", of.format("direction", "label"),
         f"({of.format('risk', 'score')})::double precision"),
    )  # fmt: skip
    sqlite, postgresql = (
        ENHANCED.format(
            **{name: level.format(level=p) for name, p in (("median", 0.5), ("low", 0.1), ("high", 0.9))},
            confidence=confidence, label=label, more=f"{score} AS risk_score, " if risk else "",
        )
        for level, confidence, label, score in spellings
    )  # fmt: skip
    return sqlite, postgresql
