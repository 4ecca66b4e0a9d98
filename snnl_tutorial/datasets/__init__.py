"""Real images: download, verify, load and augment them."""
