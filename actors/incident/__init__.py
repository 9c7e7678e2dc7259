"""The recording of an incident: what was asked of a runtime and what came of it, line by line."""
