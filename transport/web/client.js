/**
 * The protocol client for `holdfast.v1`: the cursors of its threads and the unanswered commands, on a
 * connection that comes back. It knows nothing of the page.
 */

import { Connection, backoff } from "./connection.js";

const STORAGE_KEY = "holdfast.unanswered";
// Times that a command goes to a server that says "try again": about half a minute of it.
const MOST_TRIES = 10;
const DELETED = { code: "thread_deleted", message: "The thread was deleted." };
const TOO_LARGE = { code: "too_large", message: "The message is too long." };

/** A name that nothing else bears: 128 random bits (`randomUUID` is missing over plain HTTP). */
export function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Follows threads and gives commands, whatever happens to the connection.
 *
 * It sends only what is safe to repeat, and repeats that until it is answered. Unanswered submits
 * are kept in `storage`, so that they outlive the page; their outcome goes to the thread's
 * listener, since no promise lives as long.
 */
export class Client {
  #connection;
  #options;
  #serial = 0;
  // By thread: {thread, listener, id, ready, refusal, cursor, probe, next, tries}.
  #attachments = new Map();
  // By id: {id, message, settle, cursor, sent, tries}.
  #commands = new Map();
  #handlers = {
    __proto__: null,
    reply: (message) => this.#settle(this.#commands.get(message.id), null, message),
    error: (message) => this.#onError(message),
    attached: (message) => this.#onAttached(message),
    snapshot: (message) => this.#onStream(message, this.#onSnapshot),
    events: (message) => this.#onStream(message, this.#onEvents),
    caught_up: (message) => this.#onStream(message, this.#onCaughtUp),
    detached: (message) => this.#onStream(message, this.#onDetached),
  };

  /**
   * @param {string} url of the server's `/ws`
   * @param {object} options
   * @param {(status: {state: string, at?: number, reason?: string}) => void} options.onStatus
   *   `connecting`, `open`, `reconnecting` (`at`: when, in Unix milliseconds) or `refused` (why)
   * @param {(error: object) => void} options.onError takes errors that answer no command
   * @param {Storage} [options.storage] where unanswered submits outlive the page
   * @param {() => number} [options.random] the jitter
   */
  constructor(url, options) {
    this.#options = { random: Math.random, ...options };
    const listener = {
      opened: () => this.#onOpened(),
      lost: () => this.#onLost(),
      message: (message) => this.#handlers[message.type]?.(message),
      status: options.onStatus,
    };
    this.#connection = new Connection(url, listener, this.#options.random);
    for (const { message, cursor } of this.#load()) this.#addSubmit(message, cursor);
  }

  /** Connect now, whatever the back-off says. */
  connect() {
    this.#connection.connect();
  }

  /** The world may have changed (back online, page shown again): look whether it has. */
  wake() {
    this.#connection.wake();
  }

  /**
   * Follow a thread. Attaching to one that is not there shows it empty and creates nothing.
   * @param {string} thread its id
   * @param {object} listener with any of `snapshot(message)`, `event(event)` (false asks for a
   *   snapshot), `caughtUp()` and `failed(error)`, and for submits `accepted(submit, reply)` and
   *   `refused(submit, error)`
   */
  attach(thread, listener) {
    const probe = this.#of(thread).find(({ cursor }) => cursor)?.cursor;
    const attachment = { thread, listener, probe, tries: 0 };
    this.#attachments.set(thread, attachment);
    this.#sendAttach(attachment);
  }

  /**
   * Say something; the listener's `accepted` or `refused` tells what became of it.
   * @returns {object} the command, with the idempotency `key` that it goes under
   */
  submit(thread, content, options = {}) {
    const message = { type: "submit", thread, key: freshKey(), content, ...options };
    const command = this.#addSubmit(message, this.#attachments.get(thread)?.cursor);
    queueMicrotask(() => this.#offer(command));
    return message;
  }

  /** The submits of a thread that wait for an answer, oldest first, as they are sent. */
  unanswered(thread) {
    return this.#of(thread).map(({ message }) => message).filter(({ key }) => key);
  }

  /**
   * Send a command that is safe to repeat: a read, or a `cancel` that names its turn.
   * @returns {Promise<object>} the reply; rejects with the server's error
   */
  ask(message) {
    return new Promise((resolve, reject) => {
      const settle = (error, reply) => (error ? reject(error) : resolve(reply));
      this.#offer(this.#add(message, settle));
    });
  }

  // The connection.

  #onOpened() {
    for (const attachment of this.#attachments.values()) this.#sendAttach(attachment);
    for (const { message: { thread } } of this.#commands.values()) {
      if (thread && !this.#attachments.has(thread)) this.attach(thread, {});
    }
    this.#offerAll(undefined);
  }

  #onLost() {
    for (const attachment of this.#attachments.values()) attachment.ready = false;
    for (const command of this.#commands.values()) command.sent = false;
  }

  #nextId() {
    this.#serial += 1;
    return `c${this.#serial}`;
  }

  // Attachments.

  #sendAttach(attachment) {
    Object.assign(attachment, { id: this.#nextId(), ready: false, refusal: null });
    const { id, thread, cursor, probe } = attachment;
    const message = { type: "attach", id, thread, cursor: cursor ?? probe };
    if (this.#connection.welcome) this.#connection.send(message);
  }

  #attachLater(attachment) {
    const { id, tries } = attachment;
    Object.assign(attachment, { ready: false, tries: tries + 1 });
    const again = () => attachment.id === id && this.#sendAttach(attachment);
    setTimeout(again, backoff(tries, this.#options.random) * 1000);
  }

  #attachAfresh(attachment) {
    attachment.cursor = attachment.probe = attachment.next = undefined;
    this.#sendAttach(attachment);
  }

  /**
   * A submit kept from the page before goes out only once its old cursor, the probe, has shown that
   * the thread was not deleted since; the page itself needs a snapshot all the same.
   */
  #onAttached({ id, thread, mode, reason }) {
    const attachment = this.#attachments.get(thread);
    if (attachment?.id !== id) return;
    if (mode === "reset" && reason === "deleted") this.#failAll(thread, DELETED);
    if (mode === "resume" && !attachment.cursor) return this.#attachAfresh(attachment);
    attachment.ready = true;
    this.#offerAll(thread);
  }

  #onAttachRefused(attachment, error) {
    if (error.retryable) return this.#attachLater(attachment);
    attachment.refusal = error;
    attachment.listener.failed?.(error);
    this.#failAll(attachment.thread, error);
  }

  /** Between an attach and its `attached`, what comes is of the attachment that it replaces. */
  #onStream(message, handle) {
    const attachment = this.#attachments.get(message.thread);
    if (attachment?.ready) handle.call(this, attachment, message);
  }

  /** Only what was shown moves the cursor: `attached` may be cut off from its snapshot. */
  #onSnapshot(attachment, snapshot) {
    Object.assign(attachment, { cursor: snapshot.cursor, next: undefined });
    attachment.listener.snapshot?.(snapshot);
  }

  #onEvents(attachment, { events, cursor }) {
    for (const event of events) {
      const follows = event.offset === (attachment.next ?? event.offset);
      attachment.next = (event.to ?? event.offset) + 1;
      if (!follows || attachment.listener.event?.(event) === false) {
        return this.#attachAfresh(attachment);
      }
    }
    attachment.cursor = cursor;
  }

  #onCaughtUp(attachment) {
    attachment.tries = 0;
    attachment.listener.caughtUp?.();
  }

  #onDetached(attachment, { cursor }) {
    attachment.cursor = cursor;
    this.#attachLater(attachment);
  }

  // Commands.

  #add(message, settle, cursor) {
    const command = { id: this.#nextId(), message, settle, cursor, sent: false, tries: 0 };
    this.#commands.set(command.id, command);
    return command;
  }

  #addSubmit(message, cursor) {
    const settle = (error, reply) => {
      const { accepted, refused } = this.#attachments.get(message.thread)?.listener ?? {};
      if (error) refused?.(message, error);
      else accepted?.(message, reply);
    };
    const command = this.#add(message, settle, cursor);
    this.#save();
    return command;
  }

  #of(thread) {
    return [...this.#commands.values()].filter(({ message }) => message.thread === thread);
  }

  #offerAll(thread) {
    for (const command of this.#of(thread)) this.#offer(command);
  }

  /** Send a command where that can be done now; otherwise `attached` or `welcome` will. */
  #offer(command) {
    const { id, message } = command;
    const { welcome, leaving } = this.#connection;
    if (command.sent || !welcome || leaving || !this.#commands.has(id)) return;
    const attachment = this.#attachments.get(message.thread);
    if (attachment?.refusal) return this.#settle(command, attachment.refusal);
    if (message.thread && !attachment?.ready) return;
    // The server closes for good over a command that is too large, so it is never sent one.
    const bytes = new TextEncoder().encode(JSON.stringify({ id, ...message })).length;
    if (bytes > welcome.limits.command_bytes) return this.#settle(command, TOO_LARGE);
    command.sent = true;
    this.#connection.send({ id, ...message });
  }

  #onError(error) {
    const command = this.#commands.get(error.id);
    const attachment = [...this.#attachments.values()].find(({ id }) => id === error.id);
    if (command && error.retryable && command.tries < MOST_TRIES) this.#offerLater(command);
    else if (command) this.#settle(command, error);
    else if (attachment) this.#onAttachRefused(attachment, error);
    else this.#options.onError(error);
  }

  #offerLater(command) {
    command.sent = false;
    setTimeout(() => this.#offer(command), backoff(command.tries, this.#options.random) * 1000);
    command.tries += 1;
  }

  #settle(command, error, reply) {
    if (!command) return;
    this.#commands.delete(command.id);
    this.#save();
    command.settle(error, reply);
  }

  #failAll(thread, error) {
    for (const command of this.#of(thread)) this.#settle(command, error);
  }

  #save() {
    const submits = [...this.#commands.values()].filter(({ message }) => message.key);
    const kept = submits.map(({ message, cursor }) => ({ message, cursor }));
    try {
      this.#options.storage?.setItem(STORAGE_KEY, JSON.stringify(kept));
    } catch {
      // A full or forbidden storage costs the retry after a reload, and nothing else.
    }
  }

  #load() {
    try {
      return JSON.parse(this.#options.storage?.getItem(STORAGE_KEY) ?? "[]");
    } catch {
      return [];
    }
  }
}
