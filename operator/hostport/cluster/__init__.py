"""The only rooms that speak to the API server."""
