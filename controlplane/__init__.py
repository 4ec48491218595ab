"""An embedded control plane."""
