"""Who holds what, and what is wrong, said for a person."""
