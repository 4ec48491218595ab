"""A real node for the tests and the demo: kubelet, containerd, runc and CNI's portmap; no part of what is installed."""
