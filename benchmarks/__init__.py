"""Speed, memory and scaling, measured; each prints what it finds in one run."""
