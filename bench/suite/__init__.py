"""`make bench`: every figure of the service in one go, as ratios of one run.

plan → scenes (driver, backlog, peers, ghz) → figures → goals → report, charts
"""
