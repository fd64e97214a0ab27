"""One build's way: from its spec to its pod, from the pod to its end, with the attempts in between."""
