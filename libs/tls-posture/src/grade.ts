/**
 * Grades, worst first. A letter says how strong the connection is, as the public graders use it; T that the certificate is
 * not to be trusted, M that it is somebody else's. Both are worse than any letter but F.
 */
export const GRADES = ['F', 'T', 'M', 'E', 'D', 'C', 'B', 'A-', 'A', 'A+'] as const;
export type Grade = (typeof GRADES)[number];

export function isBelow(grade: Grade, other: Grade): boolean {
  return GRADES.indexOf(grade) < GRADES.indexOf(other);
}

/** The worst of them; A+ of none. */
export function worstOf(grades: readonly Grade[]): Grade {
  return grades.reduce((worst, grade) => (isBelow(grade, worst) ? grade : worst), 'A+');
}
