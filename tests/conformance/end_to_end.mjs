// What a new person does: make an account, bring a card, say something, and watch the reply come in.

import { existsSync, readFileSync } from 'node:fs';
import { createClient as createSse } from 'graphql-sse';
import { createClient as createWs } from 'graphql-ws';
import WebSocket from 'ws';
import { bearer, createSession, graphql, httpUrl, importCard, register, sendMessage, wsUrl } from './lib/api.mjs';
import { makeCard } from './lib/card.mjs';
import { check, note, run } from './lib/check.mjs';
import { Reply, checkReply, replySubscription } from './lib/reply.mjs';

const seraphina = new URL('../../../shared/data/sillytavern/Seraphina.png', import.meta.url);

await run(async () => {
  const { token, username } = await register();
  const { viewer } = await graphql('{ viewer { user { username } characters { nodes { id } } } }', {}, token);
  check('the new account knows itself and has no characters', viewer.user.username === username && viewer.characters.nodes.length === 0);

  const real = existsSync(seraphina);
  if (!real) note('no Seraphina.png beside the checkout: a card made here stands in');
  const { character, warnings } = await importCard(token, real ? readFileSync(seraphina) : makeCard('Seraphina'));
  check('the card is imported whole', character.name === 'Seraphina' && character.firstMessage.length > 0, JSON.stringify({ character, warnings }));

  const session = await createSession(token, character.id);
  const greeting = await graphql(
    'query Greeting($id: ID!) { chatSession(id: $id) { messageCount messages(first: 10) { nodes { role content swipes { index } } } } }',
    { id: session.id },
    token,
  );
  const [first] = greeting.chatSession.messages.nodes;
  check('the chat opens with the greeting, its alternatives as swipes', first?.role === 'ASSISTANT' && first.swipes.length === 1 + character.alternateGreetings.length && !first.content.includes('{{user}}'), JSON.stringify(first));

  const bySocket = createWs({ url: wsUrl, webSocketImpl: WebSocket, connectionParams: { authorization: `Bearer ${token}` } });
  const byEvents = createSse({ url: httpUrl, headers: bearer(token) });
  const id = await sendMessage(token, session.id, { words: 80, delayMs: 5 });
  const replies = await Promise.all([bySocket, byEvents].map(async (client) => {
    const reply = new Reply();
    for await (const { data, errors } of client.iterate({ query: replySubscription, variables: { id } })) {
      if (errors) throw errors;
      reply.apply(data.generationStream);
    }
    return reply;
  }));
  checkReply(check, replies[0], 'WebSocket');
  checkReply(check, replies[1], 'SSE');
  check('both saw the same reply', replies[0].text === replies[1].text && replies[0].bytes > 0);

  const { chatSession } = await graphql(
    'query Chat($id: ID!) { chatSession(id: $id) { messageCount activeGenerations { id } messages(last: 2) { nodes { role content generation { id status } } } } }',
    { id: session.id },
    token,
  );
  const [asked, answered] = chatSession.messages.nodes;
  check('the chat holds what was said and what came back', asked.role === 'USER' && answered.role === 'ASSISTANT' && answered.content === replies[0].text, JSON.stringify(chatSession));
  check('the message names the generation that wrote it', answered.generation.id === id && answered.generation.status === 'COMPLETED' && chatSession.activeGenerations.length === 0);

  const stranger = await register();
  const hidden = await graphql('query Peek($id: ID!) { chatSession(id: $id) { id } }', { id: session.id }, stranger.token);
  check('a stranger does not see the chat', hidden.chatSession === null);
  await bySocket.dispose();
});
