"""The story of the three nginx Deployments, played on a real API server."""
