"""Plays set-ups of real pool libraries and records what archon-pool sees, with the truth; see ../PROTOCOL.md."""
