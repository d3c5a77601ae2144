"""`python -m benchmarks.live`: everything measured on the live path, as `make bench-live` runs it."""

from benchmarks.live.compare import main

main()
