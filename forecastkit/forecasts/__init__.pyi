"""Quantile distributions, the `Forecast` record, its cards and plots."""

from .plotting import (
    ACCENT as ACCENT,
    BEHIND_WORDS as BEHIND_WORDS,
    FAINT as FAINT,
    blank_axes as blank_axes,
    figure_html as figure_html,
    figure_pair as figure_pair,
    figure_png as figure_png,
    figure_svg as figure_svg,
    interval_history as interval_history,
    state_strip as state_strip,
    fan_chart as fan_chart,
    house_style as house_style,
    INK as INK,
    REGIME_COLOURS as REGIME_COLOURS,
    reliability as reliability,
    session_axes as session_axes,
    SHADES as SHADES,
    WARNING as WARNING,
)
from .cards import (
    feature_words as feature_words,
    label_words as label_words,
    html_card as html_card,
    plot_forecast as plot_forecast,
)
from .distribution import (
    cdf_at as cdf_at,
    central as central,
    mean_of as mean_of,
    quantile_at as quantile_at,
    strictly_increasing as strictly_increasing,
)
from .cards import (
    show_day as show_day,
    show_level as show_level,
    show_percent as show_percent,
)
from .record import (
    DIRECTION_MARGIN as DIRECTION_MARGIN,
    Forecast as Forecast,
)
from .horizons import (
    plot_horizons as plot_horizons,
    coherent_quantiles as coherent_quantiles,
    join_horizons as join_horizons,
    MultiHorizonForecast as MultiHorizonForecast,
    range_width as range_width,
)
