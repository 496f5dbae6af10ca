"""Calibrated probability forecasts of markets: made before the outcome, scored after it, checkable at every step.

Modules:

- `forecastkit.calendars.cohorts`: Does the calendar know that the days ahead will be livelier than usual?
- `forecastkit.calendars.fomc`: On which days does the Federal Reserve say that it will decide on interest rates?
- `forecastkit.calendars.meetings`: When does the committee decide next, once the table in this package has run out?
- `forecastkit.calendars.releases`: On which day could anyone have known last month's unemployment?
- `forecastkit.calendars.sessions`: The `Calendar` of an exchange: its sessions with their opens and closes, counting in sessions, target sessions, outcomes, and the grid of refit sessions.
- `forecastkit.cli.data`: What do I have, what is wrong with it, where does more come from, and how do I keep what a study used?
- `forecastkit.cli.evaluation`: What are these forecasts worth, on my data and over my span of years?
- `forecastkit.cli.ledger`: What was forecast, is it still what was written down, and how do I keep it or take it elsewhere?
- `forecastkit.cli.main`: Which one line does a scheduled job need, and what does a person type?
- `forecastkit.cli.options`: Does `--sources` mean the same on every command, and can a program read what a person sees?
- `forecastkit.core.chain`: A hash chain over rows of plain data: each row carries the hash of the row before and its own, and a walk finds where the chain is broken.
- `forecastkit.core.experiments`: The experiment log: an append-only, hash-chained file with one line for every variant that was ever scored.
- `forecastkit.core.files`: The one way of writing and checking files: canonical JSON, atomic writes, SHA-256 sums of files and folders, and arrays in npz that are sealed by a checksum.
- `forecastkit.core.findings`: How does a check report so that a person, a program and a page all read the same?
- `forecastkit.core.home`: `Home` alone knows every path under the home folder: the ledger, the models, the store of series, snapshots, caches, logs.
- `forecastkit.core.settings`: Which settings are in force, where did each come from, and is every one of them allowed?
- `forecastkit.core.targets`: The `Target` of a forecast (symbol, kind of change, horizon), the probabilities it is given at, the VIX regimes, and one spelling for every symbol.
- `forecastkit.data.checks`: Is this price a crash, a split, or a slip of the vendor's pen?
- `forecastkit.data.formats`: Which column of this file is what, and on which day?
- `forecastkit.data.futures`: Which of the futures that trade today is the front one, and what was it worth?
- `forecastkit.data.health`: Can I use these files as they are, and which features suffer if I do?
- `forecastkit.data.history`: Which rows were out by then, and what did they say?
- `forecastkit.data.market`: What was known at the close of this session, and nothing that came later?
- `forecastkit.data.snapshots`: On which numbers was this result found, and are they still the same?
- `forecastkit.data.sources`: Which source gives the series, and what if its file is broken?
- `forecastkit.data.splits`: Which rows may a model learn from, if it is to be tested on those?
- `forecastkit.data.store`: What did this series say on the day the forecast was made, and what does it say now?
- `forecastkit.data.synthetic`: How would you know that a method finds what is there, if you never see what is there?
- `forecastkit.data.timeframes`: At which moment is a bar of fifteen minutes, of an hour, of a week over and known?
- `forecastkit.evaluation.lookahead`: Would this function have said the same on that evening, when nobody knew what came next?
- `forecastkit.evaluation.perturbations`: What else could have happened after that evening, and what would have been known of it?
- `forecastkit.evaluation.scorecard`: What is a forecast worth, beside what else, and how sure is that?
- `forecastkit.evaluation.traces`: What does a function say of each session, and has it said the same before?
- `forecastkit.evaluation.walkforward`: A walk-forward runner: each origin is forecast by the version in force on its day, trained on outcomes known by then.
- `forecastkit.features.base`: What is a feature made of, and was it known at the close?
- `forecastkit.features.cache`: Has this very column been computed already, from these very numbers?
- `forecastkit.features.cross_market`: What does one market say about another, and the calendar about both?
- `forecastkit.features.price`: What can be asked of any price, over any window?
- `forecastkit.features.quality`: What is missing, frozen, impossible or not yet settled today, and how much does it matter?
- `forecastkit.features.regime`: Which nine numbers say whether the market is calm or afraid?
- `forecastkit.features.stock`: What do these bars alone say about how far the price may go?
- `forecastkit.features.volatility`: Where does the VIX stand, how did it get there, and what is it measured against?
- `forecastkit.forecasts.cards`: The cards of a forecast: plain sentences, a text card for the terminal, a fan chart, and an HTML card for notebooks and pages.
- `forecastkit.forecasts.distribution`: The distribution that a set of quantiles stands for: interpolation, exponential tails, its CDF, quantiles, mean, and the same as levels.
- `forecastkit.forecasts.plotting`: Plotting of forecasts in one style: the fan chart, past ranges beside outcomes, state probabilities, reliability diagrams and contributions.
- `forecastkit.forecasts.record`: The `Forecast` record: what was forecast, from which session, for which session, with which quantiles, and every number derived from them.
- `forecastkit.ledger.audit`: If the code that scores the forecasts were wrong, who would notice?
- `forecastkit.ledger.database`: Where is every forecast written down, once, and how does nothing that was reported stored ever get lost?
- `forecastkit.ledger.exports`: How does somebody without this package read the whole track record, and check it?
- `forecastkit.ledger.migrations.versions.0002_chained`: Outcomes and model manifests are chained as forecasts are, so that none of them can vanish or change unnoticed.
- `forecastkit.ledger.records`: What must be written beside a forecast so that nobody, not even its author, can improve it afterwards?
- `forecastkit.ledger.schema`: In which tables is the record kept, and what must be arranged so that SQLite and PostgreSQL keep it equally well?
- `forecastkit.metrics.calibration`: Whether stated probabilities are calibrated: coverage of ranges, the probability integral transform and its test, and the calibration error beside that of a perfect forecaster.
- `forecastkit.metrics.scores`: Proper scores, one value a row: pinball loss, CRPS, Brier, log loss, ranked probability; and errors of points and variances.
- `forecastkit.metrics.significance`: Standard errors of mean scores that know of overlapping outcomes (HAC, Newey-West), the Diebold-Mariano test, and skill with its significance.
- `forecastkit.models.baselines`: How good is a forecast that knows almost nothing?
- `forecastkit.models.boosting`: Can more features say more about how far, and which way, than three lags and a few volatilities do?
- `forecastkit.models.calibration`: When the 80 per cent range has lately held 72 per cent of the outcomes, who tells the model?
- `forecastkit.models.cohort_models`: Does this week deserve a model of its own, or is it an ordinary week with a name?
- `forecastkit.models.forecaster`: What is trained at a refit session, kept in a folder, and asked for a distribution every day?
- `forecastkit.models.forest`: Which days of the past were like this one, in some two hundred features at once, and what became of them?
- `forecastkit.models.garch`: How far may a level go in five sessions, if each day moves as days have moved when they were as wild as this one?
- `forecastkit.models.pool`: How are forecasts that disagree made into one, without pretending that they agree?
- `forecastkit.ops.backups`: What would you need to have kept, so that the track record survives the disk it lies on?
- `forecastkit.ops.registry`: How do you know that the model which is loaded is the one that was trained?
- `forecastkit.pipeline.daily`: What should be gathered each evening, so that the morning's page computes nothing?
- `forecastkit.pipeline.evaluation`: How good would the daily job have been, had it run every day since 2005?
- `forecastkit.pipeline.loading`: What must be fetched before today's forecast, and did every series that it needs arrive?
- `forecastkit.pipeline.preparation`: What stands between a market and a forecast record, and does it look the same tomorrow?
- `forecastkit.pipeline.system`: How does one call become a calibrated forecast that is written down before its outcome?
- `forecastkit.pipeline.universe`: How are two thousand stocks worked through in the memory of one?
- `forecastkit.pipeline.verification`: Which parts of the house are asked whether they knew more than they could?
- `forecastkit.regimes.anomalies`: How unusual is today, how often is that said of an ordinary day, and which features say it?
- `forecastkit.regimes.detector`: Is the market calm, nervous or afraid, and how sure can one be at this close?
- `forecastkit.regimes.fit_cache`: If this model was fitted on the very same rows before, why fit it again?
- `forecastkit.regimes.hmm`: What state is the world in, if it is never seen and its traces are slow?
- `forecastkit.regimes.outliers`: How far from all earlier days does this one stand, and in which of its features?
- `forecastkit.reports.anomalies`: How does a page say that the past is a poor guide to this day, and how often it says so without need?
- `forecastkit.reports.daily`: What would a person want to read each morning, and what must the page admit?
- `forecastkit.reports.scorecard`: How is a scorecard read without being misread?
- `forecastkit.vendors.base`: The base of the vendors: `LiveSource` asks over the network, one symbol's failure stays its own, and a table is checked before it is believed.
- `forecastkit.vendors.catalogue`: The catalogue of vendors by the words that settings use (`cboe, fred, yahoo`), and which of them serves a symbol.
- `forecastkit.vendors.cboe`: Cboe's histories of VIX, VIX9D, VIX3M, VIX6M, VVIX and SKEW as a live source.
- `forecastkit.vendors.download`: Download of a universe into the store: in parallel within the rate limit, only what is missing, each failure named.
- `forecastkit.vendors.edgar`: Facts and filings of companies from the SEC's EDGAR, each with the day it was filed.
- `forecastkit.vendors.finra`: FINRA's daily files of off-exchange and short sale volume, as two series for each symbol.
- `forecastkit.vendors.fred`: Series of FRED with their latest values, all vintages from its archive ALFRED, and the Federal Reserve's page of FOMC meetings.
- `forecastkit.vendors.http`: The HTTP client for vendors: within a rate limit, with retries of passing failures, and errors of one sentence that show no secret.
- `forecastkit.vendors.response`: The response of a vendor's server: read to its end within a deadline and a bound of memory, and refused where it is not what was asked for.
- `forecastkit.vendors.yahoo`: Bars from Yahoo, through yfinance or its chart addresses, adjusted for splits, for dividends too, or as traded."""

import lazy_loader

__version__ = "0.3.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
