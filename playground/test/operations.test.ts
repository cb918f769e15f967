import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { buildSchema, parse, validate } from 'graphql'
import { describe, expect, it } from 'vitest'

import * as operations from '../src/api/operations'
import { EXAMPLES } from '../src/explorer/examples'

const snapshot = fileURLToPath(new URL('../../schema/schema.graphql', import.meta.url))

const schema = existsSync(snapshot) ? buildSchema(readFileSync(snapshot, 'utf8')) : undefined

describe.runIf(schema)('against the schema snapshot', () => {
  const documents: [string, string][] = [
    ...Object.entries(operations).map(([name, { document }]): [string, string] => [name, document]),
    ...EXAMPLES.map(({ title, query }): [string, string] => [title, query]),
  ]

  it.each(documents)('the operation %s is valid', (_, document) => {
    if (schema) expect(validate(schema, parse(document)).map((error) => error.message)).toEqual([])
  })
})

it('every operation is a document that parses', () => {
  for (const { document } of Object.values(operations)) expect(parse(document).definitions.length).toBeGreaterThan(0)
})
