"""Pictures of a labelled map."""
