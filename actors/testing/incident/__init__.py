"""Incidents: what a recorded runtime was asked in production, asked again in a simulation."""
