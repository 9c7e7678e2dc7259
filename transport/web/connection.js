/** A WebSocket of `holdfast.v1` that comes back by itself. It knows no threads and no commands. */

// Seconds: the first back-off, the longest, and how long a connection is well before it counts.
const BACKOFF = { first: 0.1, most: 20, healthy: 60 };
// Seconds for a connection to be welcomed, and for a sign of life once one was asked for.
const PATIENCE = { welcome: 10, life: 5 };

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

/** One connection at a time, watched for signs of life, and made anew where it is lost. */
export class Connection {
  /** What the server said first, with its limits; null where nothing can be sent. */
  welcome = null;
  /** Whether the server said to go away: what is under way may finish, nothing new begins. */
  leaving = false;
  #url;
  #listener;
  #random;
  #socket = null;
  #welcomedAt = 0;
  #attempt = 0;
  #timer = 0;
  #retryAt = 0;

  /**
   * @param {string} url of the server's `/ws`
   * @param {object} listener
   * @param {() => void} listener.opened is told of each welcome
   * @param {() => void} listener.lost is told that what was sent may never be answered
   * @param {(message: object) => void} listener.message takes what is not the connection's own
   * @param {(status: object) => void} listener.status as `Client` says
   * @param {() => number} random the jitter
   */
  constructor(url, listener, random) {
    this.#url = url;
    this.#listener = listener;
    this.#random = random;
  }

  /** Connect now, whatever the back-off says. */
  connect() {
    this.#drop();
    this.leaving = false;
    this.#retryAt = 0;
    this.#listener.status({ state: this.#attempt ? "reconnecting" : "connecting" });
    this.#socket = new WebSocket(this.#url, "holdfast.v1");
    this.#socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    this.#socket.onclose = ({ code, reason }) => this.#onLost(code, reason);
    this.#after(PATIENCE.welcome, () => this.#onLost());
  }

  /** The world may have changed (back online, page shown again): look whether it has. */
  wake() {
    if (this.leaving) return;
    if (this.welcome) this.#askForLife();
    else if (this.#retryAt) this.connect();
  }

  /** Send a message; there has to be a welcome. */
  send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  #receive(message) {
    this.#expectMore();
    if (message.type === "welcome") this.#onWelcome(message);
    else if (message.type === "goaway") this.#onGoaway(message);
    else this.#listener.message(message);
  }

  #onWelcome(message) {
    this.welcome = message;
    this.#welcomedAt = Date.now();
    this.#expectMore();
    this.#listener.status({ state: "open" });
    this.#listener.opened();
  }

  /** Nothing new goes out on this connection; a jittered time says when to come back. */
  #onGoaway({ retry_after_seconds: seconds }) {
    this.leaving = true;
    this.#reconnectIn(seconds * (0.5 + this.#random() / 2));
  }

  #onLost(code, reason) {
    const wasWell = this.welcome && Date.now() - this.#welcomedAt >= BACKOFF.healthy * 1000;
    if (wasWell) this.#attempt = 0;
    this.#drop();
    if (!mayReconnect(code)) {
      clearTimeout(this.#timer);
      return this.#listener.status({ state: "refused", reason });
    }
    if (!this.leaving) this.#reconnectIn(backoff(this.#attempt, this.#random));
    this.#attempt += 1;
    this.#listener.status({ state: "reconnecting", at: this.#retryAt });
  }

  #drop() {
    this.welcome = null;
    this.#listener.lost();
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
    if (!this.welcome || this.leaving) return;
    this.#after(this.welcome.heartbeat_seconds, () => this.#askForLife());
  }

  #askForLife() {
    this.send({ type: "ping" });
    this.#after(PATIENCE.life, () => this.#onLost());
  }
}
