"""What measures speed: engines, clustering, one whole update. Stands above all other rooms of the core."""
