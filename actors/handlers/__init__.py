"""Ready-made turn handlers: one that needs nothing, two for model services, one for worker threads.

Each service's library is imported when its handler first runs, in a worker thread, since that takes
up to a second and a half.
"""
