"""Finding duplicate and near-duplicate books and passages."""
