"""What Keyway costs, beside what others cost, measured in one run: ``python -m benchmarks`` or ``make bench``."""
