"""Schedulers: who runs when, drawn, printed and replayed. One scheduler a file."""
