"""The benchmarks: each section measures two things side by side in one run and says how they compare."""
