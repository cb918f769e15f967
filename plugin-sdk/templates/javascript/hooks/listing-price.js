/** What something costs, in micro-credits; nothing leaves the price as it is. */
export function listingPrice(listing, buyer, base) {
  if (base.amount > 0n) return { amount: (base.amount * 9n) / 10n, reason: 'a tenth less' };
}
