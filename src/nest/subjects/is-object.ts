/** Whether a value can have properties of its own: also a function, as an instance of Express is one. */
export function isObject(value: unknown): value is Record<PropertyKey, unknown> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}
