"""The client of the API server: requests by kind (client.py) over a transport (transport.py)."""
