"""Who may be asked now: cooldowns, breakers, windows. No I/O; clocks are injected."""
