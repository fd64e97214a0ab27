"""The contract: what users write, what they read back, and the names both sides rely on."""
