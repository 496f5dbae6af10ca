"What a picture must not do: leave a style behind, change with the clock, or draw what its data do not say."

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from forecastkit.core import PROBS, DataError
from forecastkit.forecasts.plotting import (
    REGIME_COLOURS,
    blank_axes,
    contribution_bars,
    fan_chart,
    figure_html,
    figure_png,
    house_style,
    interval_history,
    reliability,
    state_strip,
)

INDEX = pd.bdate_range("2018-01-02", periods=40, unit="us")
LEVEL = pd.Series(np.linspace(12, 19, 40), INDEX)
STRIP = pd.DataFrame({"risk_on": 0.7, "neutral": 0.2, "risk_off": 0.1}, INDEX)
TABLE = pd.DataFrame({"outcome": LEVEL, "lower": 11.0, "upper": 15.0, "median": 13.0}, INDEX)
VALUES = 19 + 4 * np.log(PROBS / (1 - PROBS))

DRAW = {
    "fan": lambda ax: fan_chart(LEVEL, "2018-03-06", PROBS, VALUES, bounds=(15, 20, 30), ax=ax),
    "strip": lambda ax: state_strip(STRIP, REGIME_COLOURS, ax=ax),
    "reliability": lambda ax: reliability([0.1, 0.5], [0.2, 0.4], [30, 4], ax, ([0.0, 0.3], [0.2, 0.7])),
    "interval": lambda ax: interval_history(TABLE, ax=ax),
    "bars": lambda ax: contribution_bars(pd.Series({"a": 1.0, "b": -2.0}), ax, "%"),
}


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_the_same_picture_is_the_same_bytes_and_no_style_stays_behind(draw):
    before = dict(mpl.rcParams)
    first, second = (draw(blank_axes()) for _ in range(2))
    assert dict(mpl.rcParams) == before
    assert figure_png(first.figure) == figure_png(second.figure)
    assert draw(first) is first  # the axes handed in come back


def test_nothing_is_imported_before_the_first_picture():
    code = (
        "import sys, forecastkit.forecasts.plotting; assert not {'matplotlib', 'seaborn', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_cards_leave_no_figures_open():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    html = figure_html(DRAW["fan"](blank_axes()).figure, 'a "fan"')
    assert plt.get_fignums() == before
    assert html.startswith('<img alt="a &#34;fan&#34;"')
    assert 'src="data:image/png;base64,iVBOR' in html


def test_a_style_that_fails_in_the_middle_is_taken_back():
    before = dict(mpl.rcParams)
    with pytest.raises(RuntimeError), house_style():
        raise RuntimeError
    assert dict(mpl.rcParams) == before


def test_the_fan_refuses_quantiles_that_are_none():
    for values in (VALUES[::-1], VALUES[:-1]):
        with pytest.raises(DataError, match="increasing values"):
            fan_chart(LEVEL, "2018-03-06", PROBS, values, ax=blank_axes())


def test_the_fan_draws_quantiles_with_ties_and_as_text_those_it_was_given():
    ax = fan_chart(LEVEL, "2018-03-06", PROBS, np.round(VALUES), ax=blank_axes())
    assert figure_png(ax.figure)
    assert f"80%  {np.round(VALUES)[3]:.1f} to {np.round(VALUES)[-4]:.1f}" in ax.texts[0].get_text()


def test_an_unknown_outcome_is_neither_inside_nor_outside():
    table = TABLE.assign(outcome=TABLE["outcome"].where(np.arange(40) < 30))
    labels = interval_history(table, blank_axes()).get_legend_handles_labels()[1]
    outside = int((LEVEL[:30] > 15).sum())
    assert labels[2:] == [f"inside ({30 - outside})", f"outside ({outside})"]


def test_bars_add_up():
    parts = pd.Series(np.random.default_rng(0).normal(size=40), [f"f{k}" for k in range(40)])
    ax = contribution_bars(parts, blank_axes(), most=5)
    assert len(ax.patches) == 6
    assert sum(p.get_width() for p in ax.patches) == pytest.approx(parts.sum())


def test_pairs_of_features_draw_every_complete_session_once_and_leave_the_style_alone():
    import matplotlib
    import matplotlib.pyplot as plt

    from forecastkit.features import plot_feature_pairs

    rng, days = np.random.default_rng(3), pd.bdate_range("2018-01-01", periods=60)
    table = pd.DataFrame(rng.normal(size=(60, 3)), days, ["a", "b", "c"])
    table.iloc[:5, 1] = np.nan
    state = pd.Series(["calm", "wild"] * 30, days, name="market")
    before = dict(matplotlib.rcParams)
    grid = plot_feature_pairs(table, state)
    assert dict(matplotlib.rcParams) == before
    below = [grid.axes[i, j] for i in range(3) for j in range(i)]
    assert [sum(len(part.get_offsets()) for part in ax.collections) for ax in below] == [55, 55, 55]
    assert all(grid.axes[i, j] is None for i in range(3) for j in range(i + 1, 3))
    assert {text.get_text() for text in grid.legend.get_texts()} == {"calm", "wild"}
    plt.close(grid.figure)
    with pytest.raises(DataError, match="takes 2 to 6"):
        plot_feature_pairs(pd.concat([table, table.add_suffix("2"), table.add_suffix("3")], axis=1))
