"""How events reach those who watch: the shared tail, and cursors that pull from it."""
