"""`kubectl buildandpush`: what people run on their own machine."""
