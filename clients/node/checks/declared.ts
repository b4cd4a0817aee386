/** Compiles only if the type declarations match the sources. */
import actual = require("../src/index.js");
import type { Listing } from "../src/listing.js";
import type * as declared from "../types/index.js";

type Named<T> = Omit<T, "Listing" | "Page">; // their constructors are private to the SDK

export const everything: Named<typeof declared> = actual;
export const nothing_else: { [name in Exclude<keyof typeof actual, keyof typeof declared>]: never } = {};
export const listing = (made: Listing<declared.ApiKey>): declared.Listing<declared.ApiKey> => made;
