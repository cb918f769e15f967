// A thousand connections broken at random moments in the middle of replies, and not a byte lost or doubled. Sockets are
// closed, or destroyed without a word; event streams are aborted; some readers forget what they knew and resume from an
// older cursor, or from none. SEED repeats a run's choices, DISCONNECTS sets their number.

import { createClient as createSse } from 'graphql-sse';
import { createClient as createWs } from 'graphql-ws';
import WebSocket from 'ws';
import { bearer, createSession, graphql, httpUrl, register, sendMessage, wsUrl } from './lib/api.mjs';
import { check, note, run } from './lib/check.mjs';
import { Reply, replySubscription, sha256 } from './lib/reply.mjs';

const wanted = Number(process.env.DISCONNECTS ?? 1000);
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const users = 4;
const sessionsPerUser = 4;
/** Breaks of one reply: enough that most of it is read across breaks, few enough that it is not over before. */
const breaksPerReply = 20;

/** Mulberry32: the same seed, the same choices. */
function randomFrom(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Reads until `leave` says so or the reply ends. Resolves to whether it was left before the end. */
const readers = {
  async close(token, reply, variables, leave) {
    return overSocket(token, reply, variables, leave, (socket) => socket.close(1000));
  },
  async destroy(token, reply, variables, leave) {
    return overSocket(token, reply, variables, leave, (socket) => socket.terminate());
  },
  async abort(token, reply, variables, leave) {
    const client = createSse({ url: httpUrl, retryAttempts: 0, headers: bearer(token) });
    try {
      for await (const { data, errors } of client.iterate({ query: replySubscription, variables })) {
        if (errors) throw errors;
        reply.apply(data.generationStream);
        if (leave()) return true;
      }
      return false;
    } finally {
      client.dispose();
    }
  },
};

async function overSocket(token, reply, variables, leave, breakOff) {
  let socket;
  class Watched extends WebSocket {
    constructor(...given) {
      super(...given);
      socket = this;
    }
  }
  const client = createWs({ url: wsUrl, webSocketImpl: Watched, retryAttempts: 0, connectionParams: { authorization: `Bearer ${token}` } });
  try {
    for await (const { data, errors } of client.iterate({ query: replySubscription, variables })) {
      if (errors) throw errors;
      reply.apply(data.generationStream);
      if (leave()) {
        breakOff(socket);
        return true;
      }
    }
    return false;
  } finally {
    await client.dispose();
  }
}

/** One reply, read in pieces. Returns the number of breaks it took. */
async function readInPieces(token, sessionId, random) {
  const pick = (list) => list[Math.floor(random() * list.length)];
  const id = await sendMessage(token, sessionId, { words: 600, delayMs: 4 });
  let reply = new Reply();
  const remembered = [];
  let breaks = 0;
  while (!reply.ended) {
    const events = 1 + Math.floor(random() * 4);
    let seen = 0;
    const leave = () => {
      seen += 1;
      remembered.push(reply.remember());
      return !reply.ended && breaks < breaksPerReply && seen >= events;
    };
    const how = pick(Object.keys(readers));
    const left = await readers[how](token, reply, { id, after: reply.cursor }, leave);
    if (!left && !reply.ended) throw new Error(`${how}: the stream of ${id} ended without its terminal event at ${reply.bytes} bytes`);
    if (left) {
      breaks += 1;
      const memory = random();
      if (memory < 0.1) reply = new Reply();
      else if (memory < 0.3) reply.goBackTo(pick(remembered));
    }
  }
  const { generation } = await graphql('query Stored($id: ID!) { generation(id: $id) { text status message { content } } }', { id }, token);
  const stored = generation.message.content;
  return {
    breaks,
    isWhole: reply.isProven && reply.text === stored && generation.text === stored && sha256(stored) === reply.ended.sha256,
    completed: reply.ended.status === 'COMPLETED' && generation.status === 'COMPLETED',
    detail: `${id}: ${reply.bytes} bytes read, ${Buffer.byteLength(stored)} stored, ${reply.ended.status}`,
  };
}

await run(async () => {
  note(`SEED=${seed} DISCONNECTS=${wanted}`);
  const accounts = await Promise.all(Array.from({ length: users }, register));
  const desks = await Promise.all(accounts.flatMap(({ token }) => Array.from({ length: sessionsPerUser }, async () => ({ token, session: await createSession(token) }))));
  let breaks = 0;
  let replies = 0;
  const broken = [];
  await Promise.all(desks.map(async ({ token, session }, desk) => {
    const random = randomFrom(seed + desk);
    while (breaks < wanted) {
      const outcome = await readInPieces(token, session.id, random);
      breaks += outcome.breaks;
      replies += 1;
      if (!outcome.isWhole || !outcome.completed) broken.push(outcome.detail);
    }
  }));
  note(`${breaks} connections broken in ${replies} replies`);
  check(`at least ${wanted} connections were broken in the middle of replies`, breaks >= wanted);
  check('every reply arrived whole: length and SHA-256 are those of the stored text', broken.length === 0, broken.join('; '));
}, { seconds: 600 });
