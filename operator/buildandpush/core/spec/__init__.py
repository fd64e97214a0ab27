"""What was asked for: fields parsed, checked and planned."""
