"""The family: data, training, evaluation and release of the native models. The only package that knows torch."""
