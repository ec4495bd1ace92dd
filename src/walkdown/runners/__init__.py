"""Loops over `next_step`: they fetch, look, store and ask again; they decide nothing themselves."""
