interface Watch {
  readonly actions: Set<() => void>;
  readonly listener: () => void;
}

const watches = new WeakMap<AbortSignal, Watch>();

/**
 * Calls `action` when the signal is aborted; the function that it answers prevents that. One listener for all of a
 * signal, because Node warns of a leak where there are more than ten, and many may wait with one signal.
 */
export function onAbort(signal: AbortSignal, action: () => void): () => void {
  let watch = watches.get(signal);
  if (watch === undefined) {
    const actions = new Set<() => void>();
    watch = { actions, listener: () => actions.forEach((act) => act()) };
    watches.set(signal, watch);
    signal.addEventListener('abort', watch.listener, { once: true });
  }
  const { actions, listener } = watch;
  actions.add(action);
  return () => {
    actions.delete(action);
    if (actions.size > 0 || watches.get(signal)?.actions !== actions) return;
    watches.delete(signal);
    signal.removeEventListener('abort', listener);
  };
}
