"""Speed and size, measured: ratios within one run, never absolute promises."""
