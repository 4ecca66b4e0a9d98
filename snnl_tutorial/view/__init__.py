"""What a reader sees: figures, and how a notebook shows them."""
