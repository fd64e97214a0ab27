"""Who logs in: clouds, credentials, connectors, logins, portal links."""
