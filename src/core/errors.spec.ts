import {
  describeValue,
  isStorageFailure,
  misconfigured,
  RateLimitConfigurationError,
  RateLimitError,
  StorageFailureError,
  StorageTimeoutError,
} from './errors.js';

it.each([
  ['text', '"text"'],
  ['a"b\n', '"a\\"b\\n"'],
  [7, '7'],
  [NaN, 'NaN'],
  [undefined, 'undefined'],
  [null, 'null'],
  [10n, '10'],
  [Symbol('s'), 'Symbol(s)'],
  [{ a: 1 }, '{"a":1}'],
  [[1, 'b'], '[1,"b"]'],
  [function named() {}, 'function named'],
  [() => {}, 'function (anonymous)'],
  [{ toJSON: () => undefined }, '[object Object]'],
])('%p is described as %s', (value, text) => {
  expect(describeValue(value)).toBe(text);
});

it('a description is never longer than a line, and never fails', () => {
  expect(describeValue('x'.repeat(1_000))).toHaveLength(80);
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  expect(describeValue(circular)).toBe('[object Object]');
  expect(describeValue({ big: 1n })).toBe('[object Object]');
});

it('every error is a RateLimitError that carries its own name and cause', () => {
  const cause = new Error('why');
  const error = new StorageTimeoutError('late', { cause });
  expect(error).toBeInstanceOf(RateLimitError);
  expect(error).toMatchObject({ name: 'StorageTimeoutError', message: 'late', cause });
});

it('a configuration error says where, what and what to do', () => {
  expect(() => misconfigured('forRoot', 'x is 1; expected 2', 'write 2')).toThrow(
    new RateLimitConfigurationError('forRoot: x is 1; expected 2. Remedy: write 2.'),
  );
});

it('a failure of a storage is known by its mark, also when it comes from another copy of the package', () => {
  jest.isolateModules(() => {
    const other = jest.requireActual<typeof import('./errors.js')>('./errors.js');
    for (const { StorageFailureError: Failure, StorageTimeoutError: Timeout } of [
      other,
      { StorageFailureError, StorageTimeoutError },
    ]) {
      expect([new Failure('no'), new Timeout('late')].map(isStorageFailure)).toEqual([true, true]);
    }
    expect(new other.StorageFailureError('no')).not.toBeInstanceOf(StorageFailureError);
    expect(Reflect.ownKeys(new other.StorageFailureError('no'))).not.toContainEqual(expect.any(Symbol));
  });
  for (const none of [new Error('no'), new RateLimitConfigurationError('no'), undefined, null, 'no', {}]) {
    expect(isStorageFailure(none)).toBe(false);
  }
});
