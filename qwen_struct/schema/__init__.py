"""From what a user hands in to a normalised algebra: schemas in, their report, values checked."""
