"""Generated order flow: deterministic, and as lively as a market."""
