"""Finding books and passages that are alike."""
