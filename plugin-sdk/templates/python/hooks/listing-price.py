def listing_price(listing, buyer, base):
    """What something costs, in micro-credits; None leaves the price as it is."""
    if base.amount == 0:
        return None
    return dataclasses.replace(base, amount=base.amount * 9 // 10, reason="a tenth less")
