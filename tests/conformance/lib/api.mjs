// The few calls that every script makes before it comes to its point. Plain fetch: no client under test is involved.

import { randomBytes } from 'node:crypto';
import { makeCard } from './card.mjs';

export const baseUrl = (process.env.BASE_URL ?? 'http://127.0.0.1:4000').replace(/\/$/, '');
export const httpUrl = `${baseUrl}/graphql`;
export const wsUrl = httpUrl.replace(/^http/, 'ws');

/** Sends one operation; throws when the answer has errors. */
export async function graphql(query, variables = {}, token = undefined) {
  const response = await fetch(httpUrl, {
    method: 'POST',
    headers: {
      accept: 'application/graphql-response+json',
      'content-type': 'application/json',
      ...bearer(token),
    },
    body: JSON.stringify({ query, variables }),
  });
  return dataOf(await response.json());
}

export const bearer = (token) => (token ? { authorization: `Bearer ${token}` } : {});

function dataOf({ data, errors }) {
  if (errors?.length) throw new Error(`GraphQL errors: ${JSON.stringify(errors)}`);
  for (const payload of Object.values(data)) {
    if (payload?.userErrors?.length) throw new Error(`user errors: ${JSON.stringify(payload.userErrors)}`);
  }
  return data;
}

/** A new account: its name and its access token. */
export async function register() {
  const username = `c${randomBytes(8).toString('hex')}`;
  const { register } = await graphql(
    `mutation Register($input: RegisterInput!) {
      register(input: $input) { tokens { accessToken } userErrors { message field code } }
    }`,
    { input: { username, email: `${username}@example.org`, password: randomBytes(12).toString('base64') } },
  );
  return { username, token: register.tokens.accessToken };
}

/** Uploads a card as the GraphQL multipart request specification says. */
export async function importCard(token, bytes, fileName = 'card.png') {
  const form = new FormData();
  form.append('operations', JSON.stringify({
    query: `mutation Import($input: ImportCharacterInput!) {
      importCharacter(input: $input) {
        character { id name firstMessage alternateGreetings version }
        warnings
        userErrors { message field code }
      }
    }`,
    variables: { input: { source: { file: null } } },
  }));
  form.append('map', JSON.stringify({ 0: ['variables.input.source.file'] }));
  form.append('0', new Blob([bytes], { type: 'image/png' }), fileName);
  const response = await fetch(httpUrl, {
    method: 'POST',
    headers: { 'apollo-require-preflight': '1', ...bearer(token) },
    body: form,
  });
  return dataOf(await response.json()).importCharacter;
}

/** A session with a character of the given id, or with a new one. */
export async function createSession(token, characterId = undefined) {
  const id = characterId ?? (await importCard(token, makeCard())).character.id;
  const { createChatSession } = await graphql(
    `mutation Create($input: CreateChatSessionInput!) {
      createChatSession(input: $input) { chatSession { id title model messageCount } userErrors { message field code } }
    }`,
    { input: { characterIds: [id] } },
    token,
  );
  return createChatSession.chatSession;
}

/** Says something; the reply has as many words as asked for, one every `delayMs`. */
export async function sendMessage(token, sessionId, { words = 60, delayMs = 5 } = {}) {
  const { sendMessage } = await graphql(
    `mutation Send($input: SendMessageInput!) {
      sendMessage(input: $input) { message { id } generation { id status } userErrors { message field code } }
    }`,
    { input: { sessionId, content: 'What do you see from here?', options: { extra: { demo: { words, delayMs } } } } },
    token,
  );
  return sendMessage.generation.id;
}
