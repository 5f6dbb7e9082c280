"""What the gateway is measured against: the same work done synchronously, and servers that do nothing at all."""
