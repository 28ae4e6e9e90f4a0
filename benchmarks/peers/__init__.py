"""Other desks, each driven in a process of its own with Django's settings: `python -m benchmarks.peers.NAME COUNT`.

A driver fills in COUNT open tickets that are all due, runs the desk's own command on them once, checks that it did its
work, and prints {"handled", "seconds"} as JSON. Their packages are the dependency group `bench`.
"""
