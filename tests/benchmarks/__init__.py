"""Measurements, run by `make bench`; tests themselves carry no timing."""
