"""The operator: handlers that hand over, the desk that does the work, and what is told of it."""
