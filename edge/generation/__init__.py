"""Generation: prompt, constraint, sampling, the decode loop, the reply."""
