"""What is learnt: each task appends turns to a training row."""
