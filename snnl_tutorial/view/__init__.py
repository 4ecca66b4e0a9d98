"""What a reader of the book sees: figures, stored tables, and checks of exercises."""
