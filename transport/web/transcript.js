/** What a thread's stream says, folded into what a person reads. Pure: no connection, no page. */

const ENDINGS = ["completed", "cancelled", "failed", "interrupted", "superseded", "timed_out"];

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
