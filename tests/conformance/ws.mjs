// npm `graphql-ws`: query, mutation and subscription over one socket, and a reply that outlives the socket it began on.

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { createSession, register, sendMessage, wsUrl } from './lib/api.mjs';
import { check, run } from './lib/check.mjs';
import { Reply, checkReply, replySubscription } from './lib/reply.mjs';

/** A client, and a way to cut its connection as a failing network does: without a closing handshake. */
function connect(token) {
  let socket;
  class Watched extends WebSocket {
    constructor(...given) {
      super(...given);
      socket = this;
    }
  }
  const client = createClient({
    url: wsUrl,
    webSocketImpl: Watched,
    retryAttempts: 0,
    connectionParams: token ? { authorization: `Bearer ${token}` } : undefined,
  });
  return { client, cut: () => socket.terminate() };
}

async function once(client, query, variables = {}) {
  for await (const result of client.iterate({ query, variables })) return result;
}

await run(async () => {
  const { token, username } = await register();
  const session = await createSession(token);

  const { client } = connect(token);
  const viewer = await once(client, '{ viewer { user { username } } }');
  check('a query over the socket knows who asks', viewer.data?.viewer?.user?.username === username, JSON.stringify(viewer));
  const renamed = await once(client, `mutation Rename($input: UpdateChatSessionInput!) {
    updateChatSession(input: $input) { chatSession { title } userErrors { message } }
  }`, { input: { id: session.id, title: 'Over the socket' } });
  check('a mutation over the socket', renamed.data?.updateChatSession?.chatSession?.title === 'Over the socket', JSON.stringify(renamed));

  const whole = new Reply();
  const id = await sendMessage(token, session.id);
  for await (const { data, errors } of client.iterate({ query: replySubscription, variables: { id } })) {
    if (errors) throw errors;
    whole.apply(data.generationStream);
  }
  checkReply(check, whole, 'one socket');
  check('one socket: the reply came in pieces', whole.deltas > 1, `${whole.deltas} deltas`);

  const late = new Reply();
  for await (const { data } of client.iterate({ query: replySubscription, variables: { id } })) late.apply(data.generationStream);
  checkReply(check, late, 'after the reply');
  check('after the reply: the same text', late.text === whole.text);
  await client.dispose();

  const torn = new Reply();
  const long = await sendMessage(token, session.id, { words: 200, delayMs: 5 });
  let cuts = 0;
  while (!torn.ended && cuts < 20) {
    const { client, cut } = connect(token);
    const from = torn.bytes;
    try {
      for await (const { data, errors } of client.iterate({ query: replySubscription, variables: { id: long, after: torn.cursor } })) {
        if (errors) throw errors;
        torn.apply(data.generationStream);
        if (cuts < 5 && torn.bytes > from + 50) {
          cuts += 1;
          cut();
        }
      }
    } catch (error) {
      // A cut socket ends the iteration with its close event; anything else is a finding.
      if (!('code' in error) || error instanceof Error) throw error;
    }
    await client.dispose();
  }
  check('the socket was cut in the middle of the reply', cuts === 5, `${cuts} cuts`);
  checkReply(check, torn, 'five sockets, each cut');

  const refused = connect('not-a-token');
  const closed = await once(refused.client, '{ __typename }').then(() => null, (event) => event);
  check('a token that does not hold closes the socket with 4403', closed?.code === 4403, JSON.stringify(closed));

  const anonymous = connect();
  const nobody = await once(anonymous.client, '{ viewer { id } }');
  check('without a token the caller is anonymous', nobody.data?.viewer === null && !nobody.errors, JSON.stringify(nobody));
  await anonymous.client.dispose();

  const wrong = connect(token);
  const errors = await once(wrong.client, '{ noSuchField }').then(() => null, (errors) => errors);
  check('a document that does not validate is answered with errors', Array.isArray(errors) && errors[0].extensions?.code === 'GRAPHQL_VALIDATION_FAILED', JSON.stringify(errors));
  await wrong.client.dispose();
});
