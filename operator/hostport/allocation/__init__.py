"""The heart: these requests, this state → these leases, these refusals. No I/O, no clock, no global randomness."""
