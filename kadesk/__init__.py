"""The composition: settings, database, wiring, command line. The only place where real things are made and joined."""
