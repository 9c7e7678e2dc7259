"""Tests as somebody would write them who uses Holdfast: by its public names alone."""
