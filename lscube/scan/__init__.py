"""Scheduled scans: from an event to a map that keeps improving."""
