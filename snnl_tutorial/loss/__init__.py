"""The soft nearest neighbor loss, one module a step; Part I of the book in code."""
