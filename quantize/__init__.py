"""The pipeline: a checkpoint folder in, a measured bundle out."""
