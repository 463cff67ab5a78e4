/** From what was seen to a grade, with every reason. Pure. */
import { worstOf, type Grade } from './grade.js';
import type { Observation } from './observation.js';
import { RULES, type Expectations } from './rules.js';

export interface PostureFinding {
  /** Of the rule. */
  id: string;
  /** The best grade that it leaves. */
  atMost: Grade;
  what: string;
  /** What was seen. */
  detail: string;
}

export interface Posture {
  grade: Grade;
  /** What keeps it from A+, in the order of the rules. */
  findings: PostureFinding[];
}

export function judge(seen: Observation, expected: Expectations): Posture {
  const findings = RULES.flatMap(({ id, atMost, what, finds }) => {
    const detail = finds(seen, expected);
    return detail === null ? [] : [{ id, atMost, what, detail }];
  });
  return { grade: worstOf(findings.map(({ atMost }) => atMost)), findings };
}
