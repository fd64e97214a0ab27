"""Events from kopf, the work queue, and the actions of decisions."""
