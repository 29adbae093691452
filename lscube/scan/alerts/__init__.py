"""Telling people and programs of a new version: text, webhook, feed."""
