"""What Holdfast is held beside: servers that only pass on, and SQLite alone."""
