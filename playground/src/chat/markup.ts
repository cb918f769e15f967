/**
 * The little markup of role-play: *narration*, **stress**, "speech", `code`, paragraphs, line breaks.
 *
 * Text becomes a tree, never HTML, so whatever a character or a person writes stays text. One pass,
 * linear in the length. Marks that do not close in their paragraph are shown as they stand, except
 * at the end of a text that still grows, or was cut off.
 */

export type Inline = string | { kind: Mark; children: Inline[] } | { kind: 'code'; text: string } | { kind: 'break' }
export type Mark = 'narration' | 'stress' | 'speech'

interface Frame { mark: Mark; opener: string; closer: string; children: Inline[] }

const TOKEN = /\*\*|\*|"|“|”|„|«|»|`[^`\n]+`|\n/g
const QUOTES: Record<string, string> = { '"': '"', '“': '”', '„': '“', '«': '»' }

/** Paragraphs of `text`. `isOpenEnded` keeps the marks in force that are open at its end. */
export function parse(text: string, isOpenEnded = false): Inline[][] {
  const paragraphs = text.replaceAll('\r\n', '\n').split(/\n[ \t]*\n+/).map((part) => part.trim()).filter((part) => part !== '')
  return paragraphs.map((paragraph, index) => parseParagraph(paragraph, isOpenEnded && index === paragraphs.length - 1))
}

function parseParagraph(text: string, keepOpen: boolean): Inline[] {
  const root: Inline[] = []
  const open: Frame[] = []
  const add = (...items: Inline[]) => (open.at(-1)?.children ?? root).push(...items)

  /** Ends the frames above `depth` that never closed: their opening marks were plain text. */
  const dissolve = (depth: number) => {
    while (open.length > depth) {
      const frame = open.pop()
      if (frame) add(frame.opener, ...frame.children)
    }
  }
  const close = (depth: number) => {
    dissolve(depth + 1)
    const frame = open.pop()
    if (!frame) return
    // The quotation marks belong to the speech, the asterisks do not belong to the narration.
    const children = frame.mark === 'speech' ? [frame.opener, ...frame.children, frame.closer] : frame.children
    add({ kind: frame.mark, children })
  }

  let end = 0
  for (const match of text.matchAll(TOKEN)) {
    const [token] = match
    if (match.index > end) add(text.slice(end, match.index))
    const before = text[match.index - 1] ?? ' '
    end = match.index + token.length
    const after = text[end] ?? ' '

    if (token === '\n') {
      add({ kind: 'break' })
      continue
    }
    if (token.startsWith('`')) {
      add({ kind: 'code', text: token.slice(1, -1) })
      continue
    }
    const depth = open.findLastIndex((frame) => frame.closer === token)
    if (depth >= 0 && !/\s/.test(before)) {
      close(depth)
      continue
    }
    const mark = token === '*' ? 'narration' : token === '**' ? 'stress' : 'speech'
    const closer = mark === 'speech' ? QUOTES[token] : token
    // Each kind is open once at most, which bounds the depth.
    if (closer !== undefined && !/\s/.test(after) && !open.some((frame) => frame.mark === mark)) {
      open.push({ mark, opener: token, closer, children: [] })
    } else {
      add(token)
    }
  }
  add(text.slice(end))

  if (keepOpen) {
    while (open.length > 0) {
      const frame = open.pop()
      if (frame) add({ kind: frame.mark, children: frame.mark === 'speech' ? [frame.opener, ...frame.children] : frame.children })
    }
  } else {
    dissolve(0)
  }
  return merged(root)
}

/** Joins neighbouring strings, so that the tree does not tell where plain marks stood. */
function merged(items: Inline[]): Inline[] {
  const result: Inline[] = []
  for (const item of items) {
    const last = result.at(-1)
    if (typeof item === 'string') {
      if (typeof last === 'string') result[result.length - 1] = last + item
      else if (item !== '') result.push(item)
    } else {
      result.push('children' in item ? { kind: item.kind, children: merged(item.children) } : item)
    }
  }
  return result
}
