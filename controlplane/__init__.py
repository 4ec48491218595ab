"""An embedded control plane for the demo, the tests and the bench; no part of what is installed."""
