/** What the explorer reads from a document before it runs it. */

import { Kind, Lexer, OperationTypeNode, Source, TokenKind, getIntrospectionQuery, parse, print } from 'graphql'
import type { OperationDefinitionNode } from 'graphql'

export interface OperationChoice { name: string | undefined; isSubscription: boolean }

export const INTROSPECTION = getIntrospectionQuery({ specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true, inputValueDeprecation: true, oneOf: true })

/** The operations of a document in their order; none if it does not parse. */
export function operationsOf(query: string): OperationChoice[] {
  try {
    return parse(query, { noLocation: true }).definitions
      .filter((definition): definition is OperationDefinitionNode => definition.kind === Kind.OPERATION_DEFINITION)
      .map(({ name, operation }) => ({ name: name?.value, isSubscription: operation === OperationTypeNode.SUBSCRIPTION }))
  } catch {
    return []
  }
}

/** The document in the usual layout. Throws a syntax error, and refuses documents with comments, which the printer would drop. */
export function prettified(query: string): string {
  const lexer = new Lexer(new Source(query))
  for (let token = lexer.token; token.kind !== TokenKind.EOF; token = lexer.lookahead(), lexer.token = token) {
    if (token.kind === TokenKind.COMMENT) throw new Error('This document has comments, which prettifying would remove.')
  }
  return `${print(parse(query))}\n`
}

/** The object written in a JSON editor; empty text is an empty object. Throws an error that names the editor. */
export function objectOf(text: string, what: string): Record<string, unknown> {
  if (text.trim() === '') return {}
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`${what} are not JSON: ${error instanceof Error ? error.message : 'unreadable'}`)
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new Error(`${what} must be a JSON object.`)
  return value as Record<string, unknown>
}
