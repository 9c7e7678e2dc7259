"""The other side of the wire: cheap viewers, and the handlers that they watch."""
