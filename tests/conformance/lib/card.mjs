// A character card as people exchange them: a PNG with the card's JSON, in base64, in a `chara` text chunk.

import { crc32, deflateSync } from 'node:zlib';
import { randomBytes } from 'node:crypto';

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** The bytes of a V2 card with a picture of one colour. */
export function makeCard(name = `Mira ${randomBytes(3).toString('hex')}`) {
  const card = {
    spec: 'chara_card_v2',
    spec_version: '2.0',
    data: {
      name,
      description: `${name} keeps the lighthouse at the edge of the salt marsh.`,
      personality: 'patient, curious, dry humour',
      scenario: '{{user}} has come in out of the rain.',
      first_mes: 'The door opens. "You are soaked. Sit down, {{user}}."',
      mes_example: '<START>\n{{user}}: Is it far?\n{{char}}: *She laughs.* Everything is far from here.',
      creator_notes: '',
      system_prompt: '',
      post_history_instructions: '',
      alternate_greetings: ['"The lamp went out an hour ago," she says.'],
      tags: ['lighthouse'],
      creator: 'conformance',
      character_version: '1',
      extensions: { conformance: { kept: true } },
    },
  };
  const size = 64;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 2, 0, 0, 0], 8); // 8 bits, RGB, no interlace
  const row = Buffer.concat([Buffer.from([0]), Buffer.alloc(size * 3, 0x5a)]);
  const pixels = deflateSync(Buffer.concat(Array(size).fill(row)));
  const text = Buffer.from(`chara\0${Buffer.from(JSON.stringify(card)).toString('base64')}`, 'latin1');
  return Buffer.concat([signature, chunk('IHDR', header), chunk('tEXt', text), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type, data) {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(typed));
  return Buffer.concat([length, typed, crc]);
}
