/**
 * Notices renewed certificates. Looks at the files every few seconds (content, not time stamps: a renewal tool may
 * rename, link or rewrite) and hands over new material only when all of it passes material.ts. A pair caught in the
 * middle of a renewal, an expired certificate, an exposed key: reported once, and what was in use stays in use.
 *
 * State: `current` is the newest good material; only check() replaces it, and checks never overlap.
 */
import type { Purpose } from './certificate-facts.js';
import { checkMaterial, loadMaterial, readMaterial } from './material.js';
import type { Material, MaterialFiles } from './material.js';
import { TlsError } from './tls-error.js';

/** Soon enough for certificates that live hours; three small reads cost nothing. */
const WATCH_EVERY_MS = 5_000;

export interface WatchListener {
  /** New material is in `current` already. A throw is reported through onProblem. */
  onRenewed(material: Material): void | Promise<void>;
  /** Once for each distinct problem, until a good look in between. */
  onProblem(error: Error): void;
}

export class MaterialWatch {
  private material: Material;
  private listeners: WatchListener[] = [];
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private lastProblem = '';

  private constructor(
    material: Material,
    private readonly purpose: Purpose,
    private readonly now: () => number,
  ) {
    this.material = material;
  }

  /**
   * Loads the files for the first time.
   * @param now clock, milliseconds since the epoch
   * @throws TlsError: without good material there is nothing to start with
   */
  static async open(files: MaterialFiles, purpose: Purpose, now: () => number): Promise<MaterialWatch> {
    return new MaterialWatch(await loadMaterial(files, purpose, now()), purpose, now);
  }

  /** The newest material that passed every check. */
  get current(): Material {
    return this.material;
  }

  listen(listener: WatchListener): void {
    this.listeners.push(listener);
  }

  /** Looks every `everyMs` from now on. The timer alone does not keep the process alive. */
  start(everyMs = WATCH_EVERY_MS): void {
    this.timer ??= setInterval(() => void this.check(), everyMs).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Looks once, now. Resolves when the listeners have been told; never rejects. */
  check(): Promise<void> {
    this.running ??= this.look().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  private async look(): Promise<void> {
    try {
      const bytes = await readMaterial(this.material.files);
      // Checked even when nothing changed: the pair in use may have expired since.
      const material = checkMaterial(this.material.files, bytes, this.purpose, this.now());
      this.lastProblem = '';
      if (material.digest === this.material.digest) return;
      this.material = material;
      await this.tell(material);
    } catch (error) {
      this.report(error);
    }
  }

  private async tell(material: Material): Promise<void> {
    for (const listener of this.listeners) {
      try {
        await listener.onRenewed(material);
      } catch (error) {
        this.report(error);
      }
    }
  }

  private report(caught: unknown): void {
    const error = caught instanceof Error ? caught : new Error(String(caught));
    const problem = error instanceof TlsError ? error.code : error.message;
    if (problem === this.lastProblem) return;
    this.lastProblem = problem;
    for (const listener of this.listeners) listener.onProblem(error);
  }
}
