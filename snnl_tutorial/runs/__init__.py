"""Chapters as programs: one run, sweeps of runs, and the records that they leave."""
