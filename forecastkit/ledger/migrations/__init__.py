"The steps that bring a database to the tables of this code; written by hand, run by `forecastkit.ledger.engine`."
