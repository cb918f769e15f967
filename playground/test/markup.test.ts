import { describe, expect, it } from 'vitest'

import { parse } from '../src/chat/markup'
import type { Inline } from '../src/chat/markup'

const one = (text: string, isOpenEnded = false) => parse(text, isOpenEnded)[0]

describe('markup', () => {
  it('tells narration stress speech and code apart', () => {
    expect(one('*She nods.* "Well **met**," `ok`')).toEqual([
      { kind: 'narration', children: ['She nods.'] },
      ' ',
      { kind: 'speech', children: ['"Well ', { kind: 'stress', children: ['met'] }, ',"'] },
      ' ',
      { kind: 'code', text: 'ok' },
    ])
  })

  it('keeps html as text', () => {
    expect(one('<img src=x onerror=alert(1)>')).toEqual(['<img src=x onerror=alert(1)>'])
  })

  it('splits paragraphs at blank lines and keeps single breaks', () => {
    expect(parse('a\r\nb\n \n\nc')).toEqual([['a', { kind: 'break' }, 'b'], ['c']])
  })

  it('shows a mark that never closes as it stands', () => {
    expect(one('2 * 3, *open and "half')).toEqual(['2 * 3, *open and "half'])
  })

  it('keeps a mark in force that a growing text may still close', () => {
    expect(one('*She no', true)).toEqual([{ kind: 'narration', children: ['She no'] }])
  })

  it('closes a mark only within its own paragraph', () => {
    expect(parse('*a\n\nb*', true)).toEqual([['*a'], ['b*']])
  })

  it('gives up an inner mark that crosses the end of its outer one', () => {
    expect(one('*a "b* c"')).toEqual([{ kind: 'narration', children: ['a "b'] }, ' c"'])
  })

  it('knows the quotation marks of other languages', () => {
    for (const quote of ['“hi”', '„hi“', '«hi»']) expect(one(quote)).toEqual([{ kind: 'speech', children: [quote] }])
  })

  it('loses no letter of adversarial text', () => {
    const flat = (item: Inline): string => typeof item === 'string' ? item : 'children' in item ? item.children.map(flat).join('') : 'text' in item ? item.text : '\n'
    const letters = (text: string) => text.replaceAll(/[*`\s]/g, '')
    for (const text of ['a*b"c**d`e“f„g«h»i*j"'.repeat(2_000), '*'.repeat(50_001), '"x *'.repeat(9_999)]) {
      for (const isOpenEnded of [false, true]) {
        expect(letters(parse(text, isOpenEnded).flat().map(flat).join(''))).toBe(letters(text))
      }
    }
  })
})
