"""How a server is reached: checked addresses, the proxy, certificates, downloads."""
