"""Pictures: scenes of shapes, emoji, lettering and charts, their questions, edits and checkers."""
