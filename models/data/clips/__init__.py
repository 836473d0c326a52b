"""Short clips: scenes in motion, their questions and their checker."""
