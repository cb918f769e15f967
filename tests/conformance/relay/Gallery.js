// What a Relay application would write; only the compiler reads it.

import { graphql } from 'relay-runtime';

export const page = graphql`
  query GalleryQuery($count: Int!, $cursor: String, $filter: CharacterFilter, $order: CharacterOrder) {
    ...Gallery_characters @arguments(count: $count, cursor: $cursor, filter: $filter, order: $order)
    viewer {
      id
      user {
        id
        username
      }
    }
  }
`;

export const characters = graphql`
  fragment Gallery_characters on Query
  @argumentDefinitions(
    count: { type: "Int", defaultValue: 20 }
    cursor: { type: "String" }
    filter: { type: "CharacterFilter" }
    order: { type: "CharacterOrder" }
  )
  @refetchable(queryName: "GalleryPaginationQuery") {
    characters(first: $count, after: $cursor, filter: $filter, orderBy: $order)
      @connection(key: "Gallery_characters", filters: ["filter", "orderBy"]) {
      edges {
        node {
          id
          ...Gallery_card
        }
      }
    }
  }
`;

export const card = graphql`
  fragment Gallery_card on Character @refetchable(queryName: "GalleryCardRefetchQuery") {
    name
    tags
    creator {
      username
    }
  }
`;
