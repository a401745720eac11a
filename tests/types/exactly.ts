type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** `exactly<T>()(value)` compiles only if the type of the value is T, neither wider nor narrower. */
export declare function exactly<Expected>(): <Actual>(
  value: Actual,
  ...mismatch: Same<Actual, Expected> extends true ? [] : [expected: Expected]
) => void;
