/** Tells what an operator should see, not more often than somebody reads; and keeps a caller's callback from doing harm. */
const EVERY_MS = 10_000;

export class ProblemReports {
  private readonly told = new Map<string, number>();

  /** @param now milliseconds of any clock that does not go back */
  constructor(
    private readonly listener: ((error: Error) => void) | undefined,
    private readonly now: () => number,
  ) {}

  tell(error: Error): void {
    const code = 'code' in error ? String(error.code) : error.name;
    const last = this.told.get(code);
    if (last !== undefined && this.now() - last < EVERY_MS) return;
    this.told.set(code, this.now());
    try {
      this.listener?.(error);
    } catch {
      // There is nobody left to tell.
    }
  }

  /** Calls what belongs to the caller; what it throws is a problem of its own. */
  guard(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.tell(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
