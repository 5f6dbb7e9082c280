"""The tape: half an hour of a real exchange's orders, and the fills it made of them."""
