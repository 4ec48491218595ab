"""Hands out hostPorts on Kubernetes."""
