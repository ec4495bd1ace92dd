"""How good a model is and where its threshold lies: pure functions over numbers, no I/O."""
