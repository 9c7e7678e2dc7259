"""The rows of the table, one file for each group; each measures and returns `Result`s."""
