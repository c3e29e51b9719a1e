"""Labelled rooms from elsewhere, as the samples that `ssen train` and `ssen evaluate` read."""
