"""Programs that measure: the demo, speed, memory. Nobody imports them but their tests."""
