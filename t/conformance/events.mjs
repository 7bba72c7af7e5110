// What a session has sent, for clients that come back with Last-Event-ID.

export class EventMemory {
  #events = []; // { id, stream, message }, oldest first

  async storeEvent(stream, message) {
    const id = `${stream}:${this.#events.length}`;
    this.#events.push({ id, stream, message });
    return id;
  }

  async getStreamIdForEventId(id) {
    return this.#events.find((event) => event.id === id)?.stream;
  }

  async replayEventsAfter(id, { send }) {
    const at = this.#events.findIndex((event) => event.id === id);
    if (at < 0) return '';
    const { stream } = this.#events[at];
    for (const event of this.#events.slice(at + 1)) {
      // The priming event has an id and no message.
      if (event.stream === stream && event.message.jsonrpc !== undefined) await send(event.id, event.message);
    }
    return stream;
  }
}
