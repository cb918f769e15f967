/** The text of a macro; nothing leaves it as it was written. */
export function macroProvider(turn, name, given) {
  return given[0]?.toUpperCase();
}
