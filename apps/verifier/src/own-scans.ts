/**
 * Connections that this verifier's own TLS scans opened to the broker lately, so that what the broker says of them can be told from what it
 * says of others. A scan is some thirty connections that fail, a quarter of an hour after the other; without a name they look like somebody
 * who tries his luck.
 *
 * It is an account and no filter: each connection accounts for one saying of each kind, about its own address, while it is fresh, of
 * a client that nobody is. More than the scan caused is never called its own, and what is called so is written down all the same.
 */

/** The broker may wait for a handshake that long, and a message takes its time. */
const FRESH_MS = 60_000;
/** Of all the scans that fit into that time; more are not called our own. */
const MOST_CONNECTIONS = 1_024;

interface Connection {
  readonly from: string;
  readonly at: number;
  /** What was said of it, by kind. */
  readonly said: Set<string>;
}

export class OwnScans {
  private readonly connections: Connection[] = [];

  /**
   * A connection of a scan to the broker is open.
   * @param from its local address
   * @param now milliseconds, of the clock that `isOwn` is asked by
   */
  opened(from: string, now: number): void {
    this.forget(now);
    if (this.connections.length < MOST_CONNECTIONS) this.connections.push({ from, at: now, said: new Set() });
  }

  /**
   * Whether what the broker says may be about one of them; that one is then accounted for.
   * @param kind of saying: `refuse`, `disconnect`
   * @param address of the client, as the broker says it
   */
  isOwn(kind: string, address: string, now: number): boolean {
    this.forget(now);
    const one = this.connections.find(({ from, said }) => from === address && !said.has(kind));
    one?.said.add(kind);
    return one !== undefined;
  }

  private forget(now: number): void {
    // In the order of time; a clock that was set makes all of them old.
    const isOld = (one: Connection | undefined): boolean => one !== undefined && Math.abs(now - one.at) > FRESH_MS;
    while (isOld(this.connections[0])) this.connections.shift();
  }
}
