"""Real images to try the loss on: found, checked, drawn in batches, augmented."""
