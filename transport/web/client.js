/**
 * The protocol client for `holdfast.v1`. `Client` keeps one connection, the cursors of its threads
 * and the unanswered commands; `Transcript` folds what a thread's stream says into what a person
 * reads. Neither knows anything of the page.
 */

const STORAGE_KEY = "holdfast.unanswered";
// Seconds: the first back-off, the longest, and how long a connection is well before it counts.
const BACKOFF = { first: 0.1, most: 20, healthy: 60 };
// Seconds for a connection to be welcomed, and for a sign of life once one was asked for.
const PATIENCE = { welcome: 10, life: 5 };
// Times that a command goes to a server that says "try again": about half a minute of it.
const MOST_TRIES = 10;
const DELETED = { code: "thread_deleted", message: "The thread was deleted." };
const TOO_LARGE = { code: "too_large", message: "The message is too long." };
const ENDINGS = ["completed", "cancelled", "failed", "interrupted", "superseded", "timed_out"];

/**
 * How long to wait before trying again: full jitter, so that a crowd comes back spread out.
 * @param {number} attempt how many attempts have failed, from 0
 * @param {() => number} random a number in [0, 1)
 * @returns {number} seconds
 */
export function backoff(attempt, random = Math.random) {
  return random() * Math.min(BACKOFF.most, BACKOFF.first * 2 ** attempt);
}

/** Whether a close code says to come back: all but 4500 to 4999 do. */
export function mayReconnect(code) {
  return !(code >= 4500 && code <= 4999);
}

/** A name that nothing else bears: 128 random bits (`randomUUID` is missing on plain-HTTP hosts). */
export function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * A connection that comes back by itself, with its cursors and its unanswered commands.
 *
 * It sends only what is safe to repeat, and repeats that until it is answered. Unanswered submits
 * are kept in `storage`, so that they outlive the page; their outcome goes to the thread's listener,
 * since no promise lives as long.
 */
export class Client {
  #url;
  #options;
  #socket = null;
  #welcome = null;
  #welcomedAt = 0;
  #attempt = 0;
  #timer = 0;
  #retryAt = 0;
  #leaving = false;
  #serial = 0;
  // By thread: {thread, listener, id, ready, refusal, cursor, probe, next, tries}.
  #attachments = new Map();
  // By id: {id, message, settle, cursor, sent, tries}.
  #commands = new Map();
  #handlers = {
    __proto__: null,
    welcome: (message) => this.#onWelcome(message),
    goaway: (message) => this.#onGoaway(message),
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
    this.#url = url;
    this.#options = { random: Math.random, ...options };
    for (const { message, cursor } of this.#load()) this.#addSubmit(message, cursor);
  }

  /** Connect now, whatever the back-off says. */
  connect() {
    this.#drop();
    this.#leaving = false;
    this.#retryAt = 0;
    this.#options.onStatus({ state: this.#attempt ? "reconnecting" : "connecting" });
    this.#socket = new WebSocket(this.#url, "holdfast.v1");
    this.#socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    this.#socket.onclose = ({ code, reason }) => this.#onLost(code, reason);
    this.#after(PATIENCE.welcome, () => this.#onLost());
  }

  /** The world may have changed (back online, page shown again): look whether it has. */
  wake() {
    if (this.#leaving) return;
    if (this.#welcome) this.#askForLife();
    else if (this.#retryAt) this.connect();
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

  #receive(message) {
    this.#expectMore();
    this.#handlers[message.type]?.(message);
  }

  #onWelcome(message) {
    this.#welcome = message;
    this.#welcomedAt = Date.now();
    this.#expectMore();
    this.#options.onStatus({ state: "open" });
    for (const attachment of this.#attachments.values()) this.#sendAttach(attachment);
    for (const { message: { thread } } of this.#commands.values()) {
      if (thread && !this.#attachments.has(thread)) this.attach(thread, {});
    }
    this.#offerAll(undefined);
  }

  #onLost(code, reason) {
    const { random, onStatus } = this.#options;
    const wasWell = this.#welcome && Date.now() - this.#welcomedAt >= BACKOFF.healthy * 1000;
    if (wasWell) this.#attempt = 0;
    this.#drop();
    if (!mayReconnect(code)) {
      clearTimeout(this.#timer);
      return onStatus({ state: "refused", reason });
    }
    if (!this.#leaving) this.#reconnectIn(backoff(this.#attempt, random));
    this.#attempt += 1;
    onStatus({ state: "reconnecting", at: this.#retryAt });
  }

  /** Nothing new goes out on this connection; a jittered time says when to come back. */
  #onGoaway({ retry_after_seconds: seconds }) {
    this.#leaving = true;
    this.#reconnectIn(seconds * (0.5 + this.#options.random() / 2));
  }

  #drop() {
    this.#welcome = null;
    for (const attachment of this.#attachments.values()) attachment.ready = false;
    for (const command of this.#commands.values()) command.sent = false;
    if (!this.#socket) return;
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }

  /** One thing is waited for at a time: a sign of life, or the moment to connect. */
  #after(seconds, then) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, seconds * 1000);
  }

  #reconnectIn(seconds) {
    this.#retryAt = Date.now() + seconds * 1000;
    this.#after(seconds, () => this.connect());
  }

  /** A pulled cable closes nothing: silence earns a question, and more silence a new connection. */
  #expectMore() {
    if (!this.#welcome || this.#leaving) return;
    this.#after(this.#welcome.heartbeat_seconds, () => this.#askForLife());
  }

  #askForLife() {
    this.#send({ type: "ping" });
    this.#after(PATIENCE.life, () => this.#onLost());
  }

  #send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  #nextId() {
    this.#serial += 1;
    return `c${this.#serial}`;
  }

  // Attachments.

  #sendAttach(attachment) {
    Object.assign(attachment, { id: this.#nextId(), ready: false, refusal: null });
    const { id, thread, cursor, probe } = attachment;
    if (this.#welcome) this.#send({ type: "attach", id, thread, cursor: cursor ?? probe });
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

  /** Between an attach and its `attached`, what comes belongs to the attachment that it replaces. */
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
    if (command.sent || !this.#welcome || this.#leaving || !this.#commands.has(id)) return;
    const attachment = this.#attachments.get(message.thread);
    if (attachment?.refusal) return this.#settle(command, attachment.refusal);
    if (message.thread && !attachment?.ready) return;
    // The server closes for good over a command that is too large, so it is never sent one.
    const bytes = new TextEncoder().encode(JSON.stringify({ id, ...message })).length;
    if (bytes > this.#welcome.limits.command_bytes) return this.#settle(command, TOO_LARGE);
    command.sent = true;
    this.#send({ id, ...message });
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

/**
 * What people see of a thread: groups of items in turn order, a turn each (or a record).
 *
 * A group is `{id, state, items, version}`, its state `settled`, `running` or `queued`, in that
 * order; `version` is another number whenever the group has changed.
 */
export class Transcript {
  groups = [];
  /** The item to page back from; null where nothing is older. */
  before = null;
  /** Submits that the thread does not show yet, by key: {message, accepted, doubtful}. */
  waiting = new Map();
  #version = 0;

  /** Drop everything but what waits, and hold what the snapshot holds. */
  snapshot({ items, turn, queue, before }) {
    this.before = before ?? null;
    this.groups = this.#grouped(items);
    if (turn) this.groups.push(this.#group(turn.turn, "running", turn.items));
    this.groups.push(...queue.map((queued) => this.#group(queued.turn, "queued", queued.items)));
    for (const [key, submit] of this.waiting) {
      // The snapshot may have it, but names no keys: until it is answered, nobody knows.
      if (submit.accepted) this.waiting.delete(key);
      else submit.doubtful = true;
    }
  }

  /** Put a page of older items before the rest, unless a snapshot came since it was asked for. */
  older(asked, { items, before }) {
    if (asked !== this.before) return;
    this.before = before ?? null;
    const groups = this.#grouped(items);
    const first = this.groups[0];
    if (first && groups.at(-1)?.id === first.id) {
      this.#change(first, { items: [...groups.pop().items, ...first.items] });
    }
    this.groups = [...groups, ...this.groups];
  }

  /** Take in one event; false where only a snapshot can tell what is left. */
  event(event) {
    const { type } = event;
    if (type === "thread.truncated") return false;
    if (type === "turn.submitted") this.#submitted(event);
    if (type === "record") this.#recorded(event);
    const group = this.groups.findLast(({ id }) => id === event.turn);
    if (!group) return;
    if (type === "turn.started") this.#started(group, event);
    if (type === "turn.delta") this.#said(group, event);
    if (type === "turn.item") this.#added(group, event);
    if (ENDINGS.includes(type.slice("turn.".length))) this.#ended(group, event);
  }

  /** The turn that is running, as its group, or undefined. */
  running() {
    return this.groups.find(({ state }) => state === "running");
  }

  /** Show a submit until the thread does. */
  wait(message) {
    this.waiting.set(message.key, { message, accepted: false, doubtful: false });
  }

  /** A submit is in the thread: it was shown, or its event will show it. */
  accepted({ key }) {
    const submit = this.waiting.get(key);
    if (submit?.doubtful) this.waiting.delete(key);
    else if (submit) submit.accepted = true;
  }

  #group(id, state, items) {
    return this.#change({ id, state }, { items });
  }

  #change(group, fields) {
    this.#version += 1;
    return Object.assign(group, fields, { version: this.#version });
  }

  #grouped(items) {
    const groups = [];
    for (const item of items) {
      const id = item.turn ?? item.item;
      if (groups.at(-1)?.id === id) groups.at(-1).items.push(item);
      else groups.push(this.#group(id, "settled", [item]));
    }
    return groups;
  }

  /** What starts, ends unstarted or takes another's place stands right before the queue. */
  #toQueueHead(group) {
    const others = this.groups.filter((other) => other !== group);
    const head = others.findIndex(({ state }) => state === "queued");
    others.splice(head < 0 ? others.length : head, 0, group);
    this.groups = others;
  }

  #submitted({ turn, item, at, content, author, key, supersedes }) {
    const message = { item, turn, kind: "message", at, content, author };
    const group = this.#group(turn, "queued", [message]);
    if (supersedes) this.#toQueueHead(group);
    else this.groups.push(group);
    this.waiting.delete(key);
  }

  #started(group, { attempt }) {
    // Another attempt voids what the one before it said.
    const items = group.items.filter(({ kind }) => attempt === 1 || kind === "message");
    this.#toQueueHead(this.#change(group, { state: "running", items }));
  }

  #said(group, { turn, item, at, text, channel }) {
    const kind = channel === "reasoning" ? "reasoning" : "answer";
    const growing = group.items.findLast((other) => other.item === item);
    if (growing) growing.text += text;
    else group.items.push({ item, turn, kind, at, text });
    this.#change(group);
  }

  #added(group, { turn, item, at, kind, data }) {
    const body = kind === "tool_call" || kind === "tool_result" ? data : { data };
    group.items.push({ ...body, item, turn, kind, at });
    this.#change(group);
  }

  #ended(group, { type, turn, item, at, message, rolled_back: rolledBack }) {
    const reason = type.slice("turn.".length);
    if (item) group.items.push({ item, turn, kind: "marker", at, reason, message });
    if (group.state === "queued") this.#toQueueHead(group);
    this.#change(group, { state: "settled" });
    if (rolledBack) this.groups = this.groups.filter((other) => other !== group);
  }

  #recorded({ item, at, kind, data }) {
    const record = { item, kind: "record", at, record: kind, data };
    this.#toQueueHead(this.#group(item, "settled", [record]));
  }
}
