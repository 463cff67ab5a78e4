/**
 * How often a client may ask: a bucket of requests for each, filled again at a steady rate. A client that is not heard of
 * for long has a full bucket and is forgotten.
 */

interface Bucket {
  left: number;
  /** When `left` was true, milliseconds. */
  at: number;
}

/** Clients remembered; beyond it the one unheard of for longest is forgotten, and may begin anew. */
const MOST_CLIENTS = 65_536;

export class RateLimit {
  private readonly buckets = new Map<string, Bucket>();

  /**
   * @param perSecond requests that come back each second
   * @param burst most that a bucket holds
   * @param now steady clock, milliseconds
   */
  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
    private readonly now: () => number,
    private readonly mostClients = MOST_CLIENTS,
  ) {}

  /** Takes one request of a client. @returns 0 when it may go on, else the whole seconds until it may */
  take(client: string): number {
    const now = this.now();
    const bucket = this.buckets.get(client) ?? { left: this.burst, at: now };
    const left = Math.min(this.burst, bucket.left + ((now - bucket.at) / 1000) * this.perSecond);
    const isEnough = left >= 1;
    this.buckets.delete(client);
    this.buckets.set(client, { left: isEnough ? left - 1 : left, at: now });
    this.forget();
    return isEnough ? 0 : Math.max(1, Math.ceil((1 - left) / this.perSecond));
  }

  private forget(): void {
    if (this.buckets.size <= this.mostClients) return;
    const [oldest] = this.buckets.keys();
    if (oldest !== undefined) this.buckets.delete(oldest);
  }
}

/** As whom an address is counted: IPv4 by itself, IPv6 by its network of 64 bits, of which a host has all addresses. */
export function countedAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(':')) return address;
  const [head = '', tail = ''] = (address.split('%')[0] as string).split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === '' ? [] : tail.split(':');
  const zeros = address.includes('::') ? Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0') : [];
  return [...front, ...zeros, ...back].slice(0, 4).join(':');
}
