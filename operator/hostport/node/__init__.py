"""What is read off a node: sockets, rules, sandboxes; and what follows from it for a port."""
