// uses: annotate
/** After a reply was stored. */
export function afterReply(turn, history, user, reply) {
  return [annotate('words', reply.text.split(/\s+/).filter(Boolean).length)];
}
