"""Kill guard: the operator's policy, the caps, and the guarded delivery of signals."""
