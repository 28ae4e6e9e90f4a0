"""The web: the agents' console, its reports, and the buyers' chat and reveal pages.

`console.site.mount_console` puts all of it on an application; everything else here is a piece of one page.
"""
