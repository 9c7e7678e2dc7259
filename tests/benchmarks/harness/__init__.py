"""What every row works with: processes, sockets, figures, and the report."""
