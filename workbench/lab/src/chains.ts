// The chains of a session: filters in order, kept by Lab between pages.

export interface Chain {
  filters: string[];
}

const MOST = 30;

/** With a filter at the end of chain `at`, or as a new chain where there is none. */
export const added = (chains: readonly Chain[], at: number, path: string): Chain[] =>
  at in chains
    ? chains.map((chain, place) => (place === at ? { filters: [...chain.filters, path].slice(0, MOST) } : chain))
    : [...chains, { filters: [path] }].slice(-MOST);

export const without = (chains: readonly Chain[], at: number): Chain[] => chains.filter((_, place) => place !== at);

/** What was kept, as far as it is chains. */
export const readChains = (kept: unknown): Chain[] =>
  (Array.isArray(kept) ? (kept as unknown[]) : [])
    .map((each) => (each as { filters?: unknown } | null)?.filters)
    .filter(
      (filters): filters is string[] => Array.isArray(filters) && filters.every((path) => typeof path === "string"),
    )
    .map((filters) => ({ filters: filters.slice(0, MOST) }))
    .slice(0, MOST);
