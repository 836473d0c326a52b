"""A model in a process of its own: what kills native code does not kill the program that uses it."""
