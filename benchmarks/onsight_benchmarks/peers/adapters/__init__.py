"""One file a runtime: from a 640x480 BGR frame to a class, the way its own documentation tells a user.

`open_subject(job)` loads the model. Some have `convert(job, folder)`, which makes the runtime's own file of it first
and returns its path. They run in environments that may hold nothing of onsight's but its code.
"""
