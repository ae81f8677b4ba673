/** When a bucket will have changed, if nobody else takes tokens: integer µs of the storage's clock; never too early. */
export interface Instants {
  /** The cost that was asked is admitted. Of no meaning where it was, and for a cost above the capacity. */
  readonly retryAtMicros: number;
  /** The bucket holds one whole token more than now; in the past when it is full. */
  readonly nextTokenAtMicros: number;
  /** The bucket is full; in the past when it is. */
  readonly fullAtMicros: number;
}
