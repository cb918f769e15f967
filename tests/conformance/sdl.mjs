// The schema's text under the reference implementation (npm `graphql`): it is valid, it is what the server serves, and
// it agrees with the contract that clients rely on, where that file is at hand.

import { existsSync, readFileSync } from 'node:fs';
import { assertValidSchema, buildClientSchema, buildSchema, getIntrospectionQuery, isInputObjectType, isInterfaceType, isObjectType, isUnionType, lexicographicSortSchema, parse, printSchema, print } from 'graphql';
import { graphql } from './lib/api.mjs';
import { check, note, run } from './lib/check.mjs';

const committed = new URL('../../schema/schema.graphql', import.meta.url);
const contract = new URL('../../../shared/contract.graphql', import.meta.url);

await run(async () => {
  const text = readFileSync(committed, 'utf8');
  const schema = buildSchema(text);
  assertValidSchema(schema);
  check('the reference implementation accepts schema.graphql', true);

  const served = buildClientSchema(await graphql(getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true, oneOf: true })));
  assertValidSchema(served);
  const [ours, theirs] = [schema, served].map((schema) => printSchema(lexicographicSortSchema(schema)));
  check('introspection tells the same schema', ours === theirs, firstDifference(ours, theirs));

  if (existsSync(contract)) againstContract(readFileSync(contract, 'utf8'), schema);
  else note('no contract.graphql beside the checkout: that comparison is skipped');
});

function firstDifference(left, right) {
  const [a, b] = [left.split('\n'), right.split('\n')];
  const line = a.findIndex((text, index) => text !== b[index]);
  return `line ${line + 1}: ${a[line]} / ${b[line]}`;
}

/** Every type and field that stands in both has the same shape in both. */
function againstContract(text, schema) {
  let compared = 0;
  const differences = [];
  const differ = (where, is, should) => {
    compared += 1;
    if (is !== should) differences.push(`${where} is ${is}, not ${should}`);
  };
  for (const definition of parse(text).definitions) {
    const type = schema.getType(definition.name?.value);
    if (!type) continue;
    const { name } = type;
    if (definition.kind === 'UnionTypeDefinition' && isUnionType(type)) {
      differ(`union ${name}`, type.getTypes().map(String).sort().join(), definition.types.map(print).sort().join());
    } else if (definition.fields && (isObjectType(type) || isInterfaceType(type) || isInputObjectType(type))) {
      const fields = type.getFields();
      for (const promised of definition.fields) {
        const field = fields[promised.name.value];
        if (!field) continue;
        const where = `${name}.${field.name}`;
        differ(where, String(field.type), print(promised.type));
        for (const argument of promised.arguments ?? []) {
          const ours = field.args.find((candidate) => candidate.name === argument.name.value);
          if (ours) differ(`${where}(${ours.name}:)`, String(ours.type), print(argument.type));
        }
      }
      for (const required of definition.interfaces ?? []) {
        differ(`${name} implements ${required.name.value}`, type.getInterfaces?.().some((candidate) => candidate.name === required.name.value), true);
      }
    }
  }
  check('types and fields have the shapes of the contract', differences.length === 0, differences.join('; '));
  note(`${compared} shapes compared with the contract`);
}
