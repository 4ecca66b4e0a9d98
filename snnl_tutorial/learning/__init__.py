"""Networks, objectives, training, and the evaluation of codes."""
