"""Scores of the method against ground truth."""
