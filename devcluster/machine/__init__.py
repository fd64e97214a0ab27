"""The machine that the cluster runs on: processes, ports, mounts, network, packages."""
