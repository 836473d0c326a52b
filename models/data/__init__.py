"""Generators of training and held-out data: seeded, programmatic, split by composition."""
