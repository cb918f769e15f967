/** In which order what was found is shown: who goes up, and by how much. */
export function searchRank(query, items) {
  return items.filter(({ id }) => id.includes(query)).map(({ id }) => ({ id, delta: 1 }));
}
