"""One file per kind of model, each behind the `Model` port. They know nothing of each other."""
