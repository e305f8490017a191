"""For all tests: one thread for TensorFlow, in this process and in those that tests start.

Its thread pools can only be set before its first operation, which any test may be the one to run. One thread makes sums
repeatable and leaves the second core to the commands under test.
"""

import os

os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
