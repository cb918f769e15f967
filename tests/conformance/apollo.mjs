// @apollo/client 4 with its own links: queries and the cache, hashed persisted queries over GET, subscriptions,
// uploads, and Relay pages merged by its `relayStylePagination`.

import { randomBytes } from 'node:crypto';
import { ApolloClient, ApolloLink, InMemoryCache, gql } from '@apollo/client';
import { HttpLink } from '@apollo/client/link/http';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { relayStylePagination } from '@apollo/client/utilities';
import UploadHttpLink from 'apollo-upload-client/UploadHttpLink.mjs';
import { createClient } from 'graphql-ws';
import { filter, firstValueFrom } from 'rxjs';
import WebSocket from 'ws';
import { bearer, createSession, httpUrl, register, sendMessage, wsUrl } from './lib/api.mjs';
import { makeCard } from './lib/card.mjs';
import { check, run } from './lib/check.mjs';
import { Reply, checkReply, replySubscription, sha256 } from './lib/reply.mjs';

let token;
let username;

const cache = () => new InMemoryCache({
  typePolicies: { Query: { fields: { characters: relayStylePagination(['filter', 'orderBy']) } } },
});

const gallery = gql`
  query Gallery($first: Int!, $after: String, $tag: String!) {
    characters(first: $first, after: $after, filter: { tags: [$tag] }, orderBy: CREATED) {
      edges { cursor node { id name tags } }
      pageInfo { hasNextPage endCursor hasPreviousPage startCursor }
      totalCount
    }
  }
`;

async function pages() {
  const client = new ApolloClient({ cache: cache(), link: new HttpLink({ uri: httpUrl, headers: bearer(token) }) });
  const tag = `t${randomBytes(6).toString('hex')}`;
  const names = ['one', 'two', 'three', 'four', 'five'];
  for (const name of names) {
    const { data } = await client.mutate({
      mutation: gql`
        mutation Create($input: CreateCharacterInput!) {
          createCharacter(input: $input) { character { id name visibility } userErrors { message field code } }
        }
      `,
      variables: { input: { name, description: 'One of five.', firstMessage: 'Hello.', tags: [tag], visibility: 'PUBLIC' } },
    });
    check(`the mutation created ${name}`, data.createCharacter.character?.name === name, JSON.stringify(data.createCharacter));
  }

  const query = client.watchQuery({ query: gallery, variables: { first: 2, tag } });
  const watching = query.subscribe({});
  let { characters } = (await firstValueFrom(query.pipe(filter(({ dataState }) => dataState === 'complete')))).data;
  check('the first page has two of five', characters.edges.length === 2 && characters.totalCount === 5, JSON.stringify(characters));
  for (let page = 1; characters.pageInfo.hasNextPage && page < names.length; page += 1) {
    await query.fetchMore({ variables: { after: characters.pageInfo.endCursor } });
    ({ characters } = client.readQuery({ query: gallery, variables: { first: 2, tag } }));
  }
  watching.unsubscribe();
  const found = characters.edges.map(({ node }) => node.name);
  check('relayStylePagination merges the pages, each character once, newest first', found.join() === names.toReversed().join(), found.join());

  const again = await client.query({ query: gallery, variables: { first: 2, tag }, fetchPolicy: 'cache-only' });
  check('the cache answers by itself', again.data.characters.edges.length === 5);
}

async function persistedQueries() {
  const sent = [];
  const watched = (uri, options) => {
    sent.push({ method: options.method, hasQuery: options.method === 'GET' ? new URL(uri).searchParams.has('query') : 'query' in JSON.parse(options.body) });
    return fetch(uri, options);
  };
  const client = () => new ApolloClient({
    cache: cache(),
    link: ApolloLink.from([
      new PersistedQueryLink({ sha256: async (text) => sha256(text), useGETForHashedQueries: true }),
      new HttpLink({ uri: httpUrl, headers: bearer(token), fetch: watched }),
    ]),
  });
  // A document nobody has sent before, so that its hash is unknown.
  const query = gql(`query Q${randomBytes(6).toString('hex')} { viewer { user { username } } }`);
  const first = await client().query({ query });
  check('an unknown hash is followed by the whole document', first.data.viewer.user.username === username && sent.length === 2 && sent[1].hasQuery, JSON.stringify(sent));
  sent.length = 0;
  const second = await client().query({ query });
  check('a known hash is enough, in one GET', second.data.viewer.user.username === username && sent.length === 1 && sent[0].method === 'GET' && !sent[0].hasQuery, JSON.stringify(sent));
}

async function subscription() {
  const sockets = createClient({ url: wsUrl, webSocketImpl: WebSocket, connectionParams: { authorization: `Bearer ${token}` } });
  const client = new ApolloClient({ cache: cache(), link: new GraphQLWsLink(sockets) });
  const session = await createSession(token);
  const id = await sendMessage(token, session.id);
  const reply = new Reply();
  await new Promise((resolve, reject) => {
    client.subscribe({ query: gql(replySubscription), variables: { id }, fetchPolicy: 'no-cache' }).subscribe({
      next: ({ data, error }) => {
        try {
          if (error) throw error;
          reply.apply(data.generationStream);
        } catch (error) {
          reject(error);
        }
      },
      error: reject,
      complete: resolve,
    });
  });
  checkReply(check, reply, 'GraphQLWsLink');
  await sockets.dispose();
}

async function upload() {
  const client = new ApolloClient({
    cache: cache(),
    link: new UploadHttpLink({ uri: httpUrl, headers: { ...bearer(token), 'apollo-require-preflight': '1' } }),
  });
  const { data } = await client.mutate({
    mutation: gql`
      mutation Import($file: Upload!) {
        importCharacter(input: { source: { file: $file } }) { character { id name } warnings userErrors { message field code } }
      }
    `,
    variables: { file: new File([makeCard('Uploaded')], 'uploaded.png', { type: 'image/png' }) },
  });
  check('an upload by apollo-upload-client', data.importCharacter.character?.name === 'Uploaded', JSON.stringify(data.importCharacter));
}

async function errors() {
  const client = new ApolloClient({ cache: cache(), link: new HttpLink({ uri: httpUrl }) });
  const { error } = await client.query({ query: gql`{ noSuchField }`, errorPolicy: 'all' }).catch((error) => ({ error }));
  check('a mistake in a document arrives as a GraphQL error with a code', error?.errors?.[0]?.extensions?.code === 'GRAPHQL_VALIDATION_FAILED', String(error));
}

await run(async () => {
  ({ token, username } = await register());
  await pages();
  await persistedQueries();
  await subscription();
  await upload();
  await errors();
});
