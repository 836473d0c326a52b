"""Media: bytes to pixels and samples, and back."""
