"""Who did what, when, from what to what: audit rows and the chain that proves them.

The lowest room: every other room may write audit rows, this one knows none of them.
"""
