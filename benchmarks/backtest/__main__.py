"""`python -m benchmarks.backtest`: our backtest and the rivals' on the same candles; `make bench-backtest`."""

from benchmarks.backtest.compare import main

main()
