// npm `graphql-sse`: query, mutation and subscription over server-sent events, and a reply resumed after an abort.

import { createClient } from 'graphql-sse';
import { bearer, createSession, httpUrl, register, sendMessage } from './lib/api.mjs';
import { check, run } from './lib/check.mjs';
import { Reply, checkReply, replySubscription } from './lib/reply.mjs';

const connect = (token) => createClient({ url: httpUrl, singleConnection: false, retryAttempts: 0, headers: bearer(token) });

async function once(client, query, variables = {}) {
  for await (const result of client.iterate({ query, variables })) return result;
}

await run(async () => {
  const { token, username } = await register();
  const session = await createSession(token);

  const client = connect(token);
  const viewer = await once(client, '{ viewer { user { username } } }');
  check('a query over SSE knows who asks', viewer.data?.viewer?.user?.username === username, JSON.stringify(viewer));
  const renamed = await once(client, `mutation Rename($input: UpdateChatSessionInput!) {
    updateChatSession(input: $input) { chatSession { title } userErrors { message } }
  }`, { input: { id: session.id, title: 'Over SSE' } });
  check('a mutation over SSE', renamed.data?.updateChatSession?.chatSession?.title === 'Over SSE', JSON.stringify(renamed));

  const whole = new Reply();
  const id = await sendMessage(token, session.id);
  for await (const { data, errors } of client.iterate({ query: replySubscription, variables: { id } })) {
    if (errors) throw errors;
    whole.apply(data.generationStream);
  }
  checkReply(check, whole, 'one stream');
  check('one stream: the reply came in pieces', whole.deltas > 1, `${whole.deltas} deltas`);

  const torn = new Reply();
  const long = await sendMessage(token, session.id, { words: 200, delayMs: 5 });
  let breaks = 0;
  while (!torn.ended && breaks < 20) {
    const client = connect(token);
    const from = torn.bytes;
    for await (const { data, errors } of client.iterate({ query: replySubscription, variables: { id: long, after: torn.cursor } })) {
      if (errors) throw errors;
      torn.apply(data.generationStream);
      if (breaks < 5 && torn.bytes > from + 50) {
        breaks += 1;
        break; // leaving the loop aborts the request
      }
    }
    client.dispose();
  }
  check('the stream was left in the middle of the reply', breaks === 5, `${breaks} breaks`);
  checkReply(check, torn, 'five streams, each left');

  const response = await fetch(httpUrl, {
    method: 'POST',
    headers: { accept: 'text/event-stream', 'content-type': 'application/json', ...bearer('not-a-token') },
    body: JSON.stringify({ query: '{ __typename }' }),
  });
  check('a token that does not hold is answered with 401', response.status === 401, `${response.status}`);
});
