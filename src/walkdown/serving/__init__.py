"""A model behind HTTP as SageMaker asks for it: `python -m walkdown.serving serve`.

Bytes come in, `looking` makes predictions of them, JSON goes out (`models.mapping.answers`). What
SageMaker's containers are told by the environment and by folders is read in `__main__`.
"""
