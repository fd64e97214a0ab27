"""The operator's own questions to git servers, by git itself (remote.py): who asks when, and with which limits."""
