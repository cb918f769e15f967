// What a Relay application would write; only the compiler reads it.

import { graphql } from 'relay-runtime';

export const chat = graphql`
  query ChatQuery($id: ID!) {
    node(id: $id) {
      ...Chat_messages @alias
    }
  }
`;

export const messages = graphql`
  fragment Chat_messages on ChatSession
  @argumentDefinitions(count: { type: "Int", defaultValue: 50 }, cursor: { type: "String" })
  @refetchable(queryName: "ChatPaginationQuery") {
    title
    messages(last: $count, before: $cursor) @connection(key: "Chat_messages") {
      edges {
        node {
          id
          role
          content
          activeSwipe
        }
      }
    }
  }
`;

export const send = graphql`
  mutation ChatSendMutation($input: SendMessageInput!, $connections: [ID!]!) {
    sendMessage(input: $input) {
      message @appendNode(connections: $connections, edgeTypeName: "MessageEdge") {
        id
        content
      }
      generation {
        id
        status
      }
      userErrors {
        message
        field
        code
      }
    }
  }
`;

export const reply = graphql`
  subscription ChatReplySubscription($id: ID!, $after: String) {
    generationStream(generationId: $id, after: $after) {
      cursor
      length
      ... on GenerationDelta {
        delta: text
      }
      ... on GenerationSnapshot {
        text
      }
      ... on GenerationEnded {
        status
        sha256
        message {
          id
          content
        }
      }
    }
  }
`;
