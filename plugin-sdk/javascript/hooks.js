// Makes what an author exports into what the interface wants. An error that nobody catches would end the
// sandbox without a word; here it becomes a failure that says where it was.

const known = new Set(['skip', 'invalid-config', 'retryable', 'failed']);

const guarded = (act) => (...given) => {
  try {
    return act(...given);
  } catch (error) {
    if (known.has(error?.tag)) throw error;
    const told = error instanceof Error ? `${error}\n${error.stack}` : JSON.stringify(error);
    throw { tag: 'failed', val: told };
  }
};

const listed = (act) => guarded((...given) => act(...given) ?? []);

// One for each hook: from the author's export to the interface's.
export const hooks = {
  lifecycle: (life) => ({
    validateConfig: guarded((config) => life.validateConfig?.(JSON.parse(config))),
    migrate: guarded((from) => life.migrate?.(from)),
  }),
  beforePrompt: (act) => ({ beforePrompt: listed(act) }),
  worldInfo: (act) => ({
    select: guarded((...given) => ({ activations: [], additions: [], ...act(...given) })),
  }),
  promptTransform: (act) => ({ transform: listed(act) }),
  streamFilter: (Author) => ({
    // Bindings call the methods of the prototype.
    Filter: class Filter {
      #turn;
      #made;

      constructor(turn) {
        this.#turn = turn;
      }

      /** Made at the first piece of text, where what it throws can still be told. */
      get #filter() {
        this.#made ??= new Author(this.#turn);
        return this.#made;
      }

      push(chunk) {
        return guarded(() => this.#filter.push(chunk) ?? { tag: 'pass' })();
      }

      finish(chunk) {
        return guarded(() => {
          const filter = this.#filter;
          return (filter.finish ?? filter.push).call(filter, chunk) ?? { tag: 'pass' };
        })();
      }
    },
  }),
  afterReply: (act) => ({ run: listed(act) }),
  macroProvider: (act) => ({
    expand: guarded((turn, calls) => calls.map(({ name, arguments: given }) => act(turn, name, given) ?? undefined)),
  }),
  tool: (act) => ({
    call: guarded((turn, name, given) => JSON.stringify(act(turn, name, JSON.parse(given)) ?? null)),
  }),
  listingValidate: (act) => ({ validate: guarded((listing) => act(JSON.parse(listing)) ?? []) }),
  listingPrice: (act) => ({ price: guarded((listing, buyer, base) => act(JSON.parse(listing), buyer, base) ?? base) }),
  searchRank: (act) => ({ rank: listed(act) }),
};
