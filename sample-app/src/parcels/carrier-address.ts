/** Where the carrier's API is. An abstract class, so that one word is the type and the injection token. */
export abstract class CarrierAddress {
  abstract readonly url: string;
}
