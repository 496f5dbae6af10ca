"""Calibrated probability forecasts of markets: made before the outcome, scored after it, checkable at every step.

Modules:

- `forecastkit.calendars.cohorts`: Does the calendar know that the days ahead will be livelier than usual?
- `forecastkit.calendars.fomc`: On which days does the Federal Reserve say that it will decide on interest rates?
- `forecastkit.calendars.meetings`: When does the committee decide next, once the table in this package has run out?
- `forecastkit.calendars.releases`: On which day could anyone have known last month's unemployment?
- `forecastkit.calendars.sessions`: The `Calendar` of an exchange: its sessions with their opens and closes, counting in sessions, target sessions, outcomes, and the grid of refit sessions.
- `forecastkit.cli.data`: `download`, `data list`, `data health`, `data snapshot` and `data fomc`: the commands about data.
- `forecastkit.cli.evaluation`: `evaluate`: the scorecard of a span of years as tables, as JSON, or as an HTML page.
- `forecastkit.cli.ledger`: `forecasts list`, `verify` and `export`, `backup` and `restore`: the commands about the ledger of forecasts.
- `forecastkit.cli.main`: `main` and `app`: the command `forecastkit` with `daily`, `forecast`, `train`, `verify`, `report` and `settings`.
- `forecastkit.cli.options`: The options that commands share, settings with options laid over them, and printing as a table or as JSON.
- `forecastkit.core.errors`: What does the whole house agree on before it touches a number?
- `forecastkit.core.experiments`: A result is worth less the more variants were tried to find it, so every variant that was scored is written down.
- `forecastkit.core.findings`: How does a check report so that a person, a program and a page all read the same?
- `forecastkit.core.settings`: Which settings are in force, where did each come from, and is every one of them allowed?
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
- `forecastkit.evaluation.walkforward`: What would the model have said on each day, had it been trained with what was known by then?
- `forecastkit.features.base`: What is a feature made of, and was it known at the close?
- `forecastkit.features.cache`: Has this very column been computed already, from these very numbers?
- `forecastkit.features.cross_market`: What does one market say about another, and the calendar about both?
- `forecastkit.features.price`: What can be asked of any price, over any window?
- `forecastkit.features.quality`: What is missing, frozen, impossible or not yet settled today, and how much does it matter?
- `forecastkit.features.regime`: Which nine numbers say whether the market is calm or afraid?
- `forecastkit.features.stock`: What do these bars alone say about how far the price may go?
- `forecastkit.features.volatility`: Where does the VIX stand, how did it get there, and what is it measured against?
- `forecastkit.forecasts.distribution`: What do twenty-three quantiles say between and beyond the probabilities they were given at?
- `forecastkit.forecasts.plotting`: What does a forecast look like when it shows no more than it knows?
- `forecastkit.forecasts.record`: What exactly is promised, for which day, and how does everything else follow from it?
- `forecastkit.ledger.audit`: If the code that scores the forecasts were wrong, who would notice?
- `forecastkit.ledger.database`: Where is every forecast written down, once, and how does nothing that was reported stored ever get lost?
- `forecastkit.ledger.exports`: How does somebody without this package read the whole track record, and check it?
- `forecastkit.ledger.migrations.versions.0002_chained`: Outcomes and model manifests are chained as forecasts are, so that none of them can vanish or change unnoticed.
- `forecastkit.ledger.records`: What must be written beside a forecast so that nobody, not even its author, can improve it afterwards?
- `forecastkit.ledger.schema`: In which tables is the record kept, and what must be arranged so that SQLite and PostgreSQL keep it equally well?
- `forecastkit.metrics.scores`: How far was a probability forecast from what happened, and how sure is that number?
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
- `forecastkit.pipeline.daily`: `Day`: what the daily job hands to a page: forecast, track record, HMM regimes, anomaly p-values, data quality, calendar ahead.
- `forecastkit.pipeline.evaluation`: `evaluate` scores what the daily job would have stored on each day, beside climatology, AR(1), HAR and GARCH walked forward.
- `forecastkit.pipeline.loading`: Opening the market of the configured sources, fetching what vendors have into the store, and checking that needed series arrived.
- `forecastkit.pipeline.preparation`: `prepare` puts features, model versions, raw quantiles and calibrated widths in order, and `build_forecast` makes a record of them.
- `forecastkit.pipeline.profile`: `TargetProfile`: which series, features, model recipe, regime bounds and kind of change belong to what is forecast.
- `forecastkit.pipeline.system`: `IntegratedSystem` and `forecast`: one call loads data, trains what is missing, forecasts, and stores before the outcome is known.
- `forecastkit.pipeline.universe`: `forecast_universe` and `for_each_symbol`: work on thousands of symbols, each with its own market, in the memory of one.
- `forecastkit.pipeline.verification`: `verify` hands every part of a forecast to the look-ahead audit, and `verify_function` a function of one's own.
- `forecastkit.regimes.anomalies`: How unusual is today, how often is that said of an ordinary day, and which features say it?
- `forecastkit.regimes.detector`: Is the market calm, nervous or afraid, and how sure can one be at this close?
- `forecastkit.regimes.fit_cache`: If this model was fitted on the very same rows before, why fit it again?
- `forecastkit.regimes.hmm`: What state is the world in, if it is never seen and its traces are slow?
- `forecastkit.regimes.outliers`: How far from all earlier days does this one stand, and in which of its features?
- `forecastkit.reports.anomalies`: The daily page's section on anomalies: how unusual the day is, which features say so, and how forecasts fared on such days.
- `forecastkit.reports.daily`: The parts of the daily page, made from a `Day`: headline, numbers, regime, calendar, data quality, track record, provenance.
- `forecastkit.reports.scorecard`: Tables and pictures of a scorecard: skill, coverage, calibration error, regimes, direction, each with its standard error.
- `forecastkit.vendors.base`: Who sells nothing and still tells us the price, and when could each number be known?
- `forecastkit.vendors.catalogue`: Which vendor is asked for which symbol, and at which address?
- `forecastkit.vendors.download`: A hundred symbols, a hundred ways to fail: which of them did we get, which not, and why?
- `forecastkit.vendors.http`: What if the vendor is slow, busy, broken, or sends a web page instead of prices?
- `forecastkit.vendors.yahoo`: Did the price fall by three quarters, or did each share become four?"""

import lazy_loader

__version__ = "0.3.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
