"""Frontends: media to segments, ids to media. They know nothing of engines."""
