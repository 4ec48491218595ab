"""The words of the house: ports, pools, requests, workloads, leases. Parsing and printing, no I/O, no clock."""
