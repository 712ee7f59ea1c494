// Browser storage that may be full, forbidden or altered by hand: then the page forgets, and works.

function guarded(storage) {
  return {
    get(key) {
      try {
        return JSON.parse(storage().getItem(`kindred.${key}`));
      } catch {
        return null;
      }
    },
    set(key, value) {
      try {
        storage().setItem(`kindred.${key}`, JSON.stringify(value));
      } catch {
        // Full or forbidden: nothing that was sent is lost by it.
      }
    },
    remove(key) {
      try {
        storage().removeItem(`kindred.${key}`);
      } catch {
        // As above.
      }
    },
    keys(prefix) {
      try {
        const all = Object.keys(storage()).filter((key) => key.startsWith(`kindred.${prefix}`));
        return all.map((key) => key.slice("kindred.".length));
      } catch {
        return [];
      }
    },
  };
}

/** Kept until it is removed, shared by all tabs. */
export const kept = guarded(() => localStorage);
