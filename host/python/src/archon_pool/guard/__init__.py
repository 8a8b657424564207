"""The kill guard: what an operator allows, the caps, and the guarded delivery of signals."""
