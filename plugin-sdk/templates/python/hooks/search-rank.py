# uses: move
def search_rank(query, items):
    """In which order what was found is shown: who goes up, and by how much."""
    return [move(item.id, 1.0) for item in items if query in item.id]
