"""What happens next, in pure functions: specification, plan, steps, decision, findings.

No I/O, no SDK, no clock, no environment. The local runner and a state machine in the cloud drive
the same `next_step`.
"""
