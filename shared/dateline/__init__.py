"""Dateline: schedule a social post once, publish it once, and say honestly what happened."""
