"""The table of a bundle: everything that the model was made for, held out, scored by program. `python -m models.evaluation`"""
