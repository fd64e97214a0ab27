"""The BuildAndPushACR operator: container images built with kaniko and pushed to Azure Container Registry."""

__version__ = "0.1.0"
