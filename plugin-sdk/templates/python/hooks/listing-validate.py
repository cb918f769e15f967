# uses: warn
def listing_validate(listing):
    """On what is to be published: `info`, `warn` and `reject`."""
    return [warn("The summary is short.")] if len(listing.get("summary", "")) < 20 else []
