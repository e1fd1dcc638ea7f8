/**
 * The traffic of the last minutes, second by second: what was sent, received and failed, and how long deliveries
 * took. Bounded: older seconds are forgotten, and of a busy second's delays a sample is kept.
 */
export interface Second {
  /** When it begins, on the stream's clock. */
  readonly atMS: number;
  readonly sent: number;
  readonly received: number;
  readonly failed: number;
  /** Propagation delay of what was received in it, in ms; undefined where nothing was, or it is not known. */
  readonly p50MS: number | undefined;
  readonly p95MS: number | undefined;
}

export const KEPT_S = 180;
const SAMPLE = 400; // delays of one second that are kept

interface Bucket {
  sent: number;
  received: number;
  failed: number;
  delays: number[];
  seen: number; // delays, kept or not
  sorted: boolean;
}

export class Timeline {
  readonly #buckets = new Map<number, Bucket>(); // by second
  #newest = -Infinity;

  sent(atMS: number): void {
    const bucket = this.#bucket(atMS);
    if (bucket) bucket.sent++;
  }

  /** delayMS is NaN where it is not known. */
  received(atMS: number, delayMS: number): void {
    const bucket = this.#bucket(atMS);
    if (!bucket) return;
    bucket.received++;
    if (Number.isFinite(delayMS)) sample(bucket, delayMS);
  }

  failed(atMS: number): void {
    const bucket = this.#bucket(atMS);
    if (bucket) bucket.failed++;
  }

  clear(): void {
    this.#buckets.clear();
    this.#newest = -Infinity;
  }

  /** The seconds that end no later than the one in which `untilMS` lies, the oldest first; those without traffic too. */
  seconds(untilMS: number): Second[] {
    const last = Math.floor(untilMS / 1000);
    return Array.from({ length: KEPT_S }, (_, i) => this.at(1000 * (last - KEPT_S + 1 + i)));
  }

  /** The second in which a moment lies. */
  at(atMS: number): Second {
    const second = Math.floor(atMS / 1000);
    const b = this.#buckets.get(second);
    if (!b) return { atMS: 1000 * second, sent: 0, received: 0, failed: 0, p50MS: undefined, p95MS: undefined };
    if (!b.sorted) b.delays.sort((p, q) => p - q);
    b.sorted = true;
    const quantile = (q: number) => b.delays[Math.min(b.delays.length - 1, Math.floor(q * b.delays.length))];
    return { atMS: 1000 * second, sent: b.sent, received: b.received, failed: b.failed, p50MS: quantile(0.5), p95MS: quantile(0.95) };
  }

  #bucket(atMS: number): Bucket | undefined {
    const second = Math.floor(atMS / 1000);
    if (!(second > this.#newest - KEPT_S)) return undefined;
    const known = this.#buckets.get(second);
    if (known) return known;
    const bucket = { sent: 0, received: 0, failed: 0, delays: [], seen: 0, sorted: true };
    this.#buckets.set(second, bucket);
    if (second > this.#newest) {
      this.#newest = second;
      for (const old of this.#buckets.keys()) if (old <= second - KEPT_S) this.#buckets.delete(old);
    }
    return bucket;
  }
}

/** Keeps a sample in which every delay has the same chance; which one gives way follows from how many were seen. */
function sample(bucket: Bucket, delayMS: number): void {
  bucket.seen++;
  bucket.sorted = false;
  if (bucket.delays.length < SAMPLE) bucket.delays.push(delayMS);
  else if (scattered(bucket.seen) * bucket.seen < SAMPLE) bucket.delays[bucket.seen % SAMPLE] = delayMS;
}

/** From 0 to 1, evenly: multiples of the golden ratio without their whole part. */
function scattered(n: number): number {
  return (n * 0.618_033_988_75) % 1;
}
