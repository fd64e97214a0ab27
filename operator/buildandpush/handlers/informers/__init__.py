"""What is known of the cluster: by watches, by lists, and by looks at intervals."""
