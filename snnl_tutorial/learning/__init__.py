"""Networks, what they minimize, how they are trained, and how a code is judged."""
