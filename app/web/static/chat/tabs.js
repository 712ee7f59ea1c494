// Tabs of the same browser tell each other what happened.

export class Tabs {
  #channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("kindred") : null;

  /** `handlers`: by the name of what happened, called with its detail. */
  constructor(handlers) {
    if (!this.#channel) return;
    this.#channel.onmessage = ({ data }) => {
      if (data && Object.hasOwn(handlers, data.what)) handlers[data.what](data.detail);
    };
  }

  tell(what, detail = null) {
    this.#channel?.postMessage({ what, detail });
  }
}
