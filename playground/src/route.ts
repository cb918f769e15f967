/** Which view is shown: the part of the address after `#`, so that every view can be linked and the server needs to know none of them. */

import { computed, ref } from 'vue'

export type Route =
  | { view: 'gallery' }
  | { view: 'character'; id: string }
  | { view: 'chat'; id: string }
  | { view: 'explorer' }

const hash = ref(location.hash)
addEventListener('hashchange', () => { hash.value = location.hash })

export const route = computed((): Route => {
  const [view, id] = hash.value.replace(/^#\/?/, '').split('/')
  if (view === 'explorer') return { view }
  if ((view === 'chat' || view === 'character') && id) return { view, id }
  return { view: 'gallery' }
})

export function href(to: Route): string {
  return 'id' in to ? `#/${to.view}/${to.id}` : to.view === 'gallery' ? '#/' : `#/${to.view}`
}

export function go(to: Route): void {
  location.hash = href(to)
}
