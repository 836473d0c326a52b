"""Engines: segments in, logits out. They know nothing of media or chat."""
