"""Shapes: text that must match a JSON Schema or a pattern, as masks over a vocabulary."""
