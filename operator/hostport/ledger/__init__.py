"""The ledger: leases, the blocks they stand in, and the compare-and-set that writes them."""
