"""Voices, recordings and music."""
