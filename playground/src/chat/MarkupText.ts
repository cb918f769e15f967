/** Shows role-play text; see `markup.ts`. */

import { defineComponent, h } from 'vue'
import type { VNodeChild } from 'vue'

import { parse } from './markup'
import type { Inline } from './markup'

function render(item: Inline): VNodeChild {
  if (typeof item === 'string') return item
  switch (item.kind) {
    case 'break': return h('br')
    case 'code': return h('code', item.text)
    case 'narration': return h('em', item.children.map(render))
    case 'stress': return h('strong', item.children.map(render))
    case 'speech': return h('span', { class: 'speech' }, item.children.map(render))
  }
}

export default defineComponent({
  name: 'MarkupText',
  props: { text: { type: String, required: true }, isOpenEnded: { type: Boolean, default: false } },
  setup: (props) => () => h('div', { class: 'prose' }, parse(props.text, props.isOpenEnded).map((paragraph) => h('p', paragraph.map(render)))),
})
