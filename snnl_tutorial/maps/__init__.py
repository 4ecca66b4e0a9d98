"""Maps of a plane, to look at rows: t-SNE, and how far a map can be trusted."""
