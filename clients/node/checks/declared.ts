/** Compiles only if what the sources are is what the declarations say. */
import actual = require("../src/index.js");
import type { Listing } from "../src/listing.js";
import type * as declared from "../types/index.js";

type Named<T> = Omit<T, "Listing" | "Page">; // made by the SDK alone: their constructors are private to it

export const everything: Named<typeof declared> = actual;
export const nothing_else: { [name in Exclude<keyof typeof actual, keyof typeof declared>]: never } = {};
export const listing = (made: Listing<declared.ApiKey>): declared.Listing<declared.ApiKey> => made;
