"""Report notebooks run by papermill, written as self-contained HTML pages."""

from .html import (
    html_page as html_page,
)
from .runner import (
    check_parameters as check_parameters,
    handed as handed,
    read_parameters as read_parameters,
    report_parameter_names as report_parameter_names,
    report_names as report_names,
    run_report as run_report,
    write_report as write_report,
)
from .scorecard import (
    basis as basis,
    coverage_table as coverage_table,
    direction_table as direction_table,
    ece_table as ece_table,
    horizons_table as horizons_table,
    part_table as part_table,
    point_table as point_table,
    quantile_table as quantile_table,
    regime_scores_table as regime_scores_table,
    skill_table as skill_table,
    worst_quarters_table as worst_quarters_table,
)
from .panel_scorecard import (
    coverage_by as coverage_by,
    coverage_by_symbol as coverage_by_symbol,
    panel_basis as panel_basis,
    panel_coverage_table as panel_coverage_table,
    panel_part_table as panel_part_table,
    panel_skill_table as panel_skill_table,
    panel_worst_quarters_table as panel_worst_quarters_table,
)
from .explanations import (
    beeswarm as beeswarm,
    dependence as dependence,
    explanation_basis as explanation_basis,
    family_strip as family_strip,
    in_per_cent as in_per_cent,
    null_table as null_table,
    origin_sessions as origin_sessions,
    reasons_table as reasons_table,
    stability_sentence as stability_sentence,
    states_table as states_table,
    stored_explanations as stored_explanations,
    stored_sentence as stored_sentence,
    waterfall as waterfall,
    widest_origin as widest_origin,
)
from .universe_rows import (
    ticker_rows as ticker_rows,
)
from .universe_page import (
    sector_map as sector_map,
    universe_day as universe_day,
    universe_table as universe_table,
    UniverseDay as UniverseDay,
)
from .backtest_page import (
    backtest_basis as backtest_basis,
    equity_picture as equity_picture,
    exposure_picture as exposure_picture,
)
from .monitoring_page import (
    drift_history as drift_history,
    gather_monitoring as gather_monitoring,
    line_words as line_words,
    Monitoring as Monitoring,
    monitoring_headline as monitoring_headline,
    rolling_skill as rolling_skill,
    subject_words as subject_words,
    watch_section as watch_section,
)
from .backtest_sections import (
    capacity_curve as capacity_curve,
    cost_curve as cost_curve,
    month_table as month_table,
    rolling_picture as rolling_picture,
    rolling_sharpe as rolling_sharpe,
    trades_picture as trades_picture,
)
from .backtest_evidence import (
    ablation_section as ablation_section,
    book_calibration_section as book_calibration_section,
    crisis_table as crisis_table,
    pit_picture as pit_picture,
    scenarios_section as scenarios_section,
)
from .backtest_report import (
    generate_report as generate_report,
    verdict_words as verdict_words,
)
from .paper_page import (
    paper_picture as paper_picture,
    paper_section as paper_section,
)
from .tuning_studies import (
    gain_words as gain_words,
    parameter_pairs as parameter_pairs,
    parameter_weights as parameter_weights,
    read_tuning as read_tuning,
    tuning_record as tuning_record,
    tuning_summary as tuning_summary,
    TuningRecord as TuningRecord,
)
from .tuning_page import (
    studies_section as studies_section,
    study_sections as study_sections,
    tuning_headline as tuning_headline,
)
from .morning import (
    judgement as judgement,
    morning_card as morning_card,
    write_past_pages as write_past_pages,
)
