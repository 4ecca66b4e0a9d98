"""How a test executes chapters: without progress bars, and on one thread.

A bar holds times, which no stored output should. And on a busy machine small
training is many times slower with two threads that wait for each other.
"""

import os

os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
